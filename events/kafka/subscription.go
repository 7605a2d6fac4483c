package kafka

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
)

// subscription is one Subscribe.
type subscription struct {
	*Subscriber
	topic string
	out   chan *message.Message
	log   *slog.Logger
}

// awaitTopic returns how many partitions the topic has, once it is there; 0: ctx ended.
func (s *subscription) awaitTopic(ctx context.Context) int {
	wait := newBackoff()
	for {
		partitions, err := s.Partitions(ctx, s.topic)
		if len(partitions) > 0 {
			return len(partitions)
		}
		if ctx.Err() != nil {
			return 0
		}
		s.metrics.errors.Inc()
		s.log.Warn("topic cannot be read yet; waiting", "err", err)
		if !wait.sleep(ctx) {
			return 0
		}
	}
}

// runAlone reads every partition, new ones as they come, until ctx ends.
func (s *subscription) runAlone(ctx context.Context) {
	var readers sync.WaitGroup
	defer readers.Wait()
	started := 0
	for count := s.awaitTopic(ctx); ctx.Err() == nil; {
		for ; started < count; started++ {
			p := &partition{subscription: s, id: started, committed: -1}
			readers.Go(func() { p.run(ctx) })
		}
		if !pause(ctx, s.options.WatchInterval) {
			return
		}
		if partitions, err := s.Partitions(ctx, s.topic); err == nil {
			count = len(partitions)
		}
	}
}

// start decides where a partition is read from. It asks until it gets an answer; ok is false when ctx ended before.
func (p *partition) start(ctx context.Context) (offset int64, ok bool) {
	wait := newBackoff()
	for {
		offset, err := p.tryStart(ctx)
		if ctx.Err() != nil {
			return 0, false
		}
		if err == nil {
			return offset, true
		}
		p.metrics.errors.Inc()
		p.log.Warn("partition cannot be started yet; trying again", "partition", p.id, "err", err)
		if !wait.sleep(ctx) {
			return 0, false
		}
	}
}

func (p *partition) tryStart(ctx context.Context) (int64, error) {
	first, next, err := p.Offsets(ctx, p.topic, p.id)
	if err != nil {
		return 0, err
	}
	committed := p.committed
	switch {
	case p.options.OnAssign != nil:
		return p.options.OnAssign(ctx, p.topic, p.id, committed, first, next)
	case committed < 0 && p.options.AtEnd && !p.restarts:
		return next, nil
	case committed < 0:
		return first, nil
	case committed < first || committed > next:
		p.log.Error("the log does not hold the offset to be read; reading from its start",
			"partition", p.id, "offset", committed, "first", first, "next", next)
		return first, nil
	}
	return committed, nil
}

// run reads the partition until ctx ends. Whenever the log turns out not to hold what is to be read, all starts again.
func (p *partition) run(ctx context.Context) {
	if p.options.OnRevoke != nil {
		defer p.options.OnRevoke(p.topic, p.id)
	}
	wait := newBackoff()
	for ctx.Err() == nil {
		offset, ok := p.start(ctx)
		if !ok {
			return
		}
		p.restarts = true
		some, err := p.read(ctx, offset)
		if ctx.Err() != nil {
			return
		}
		p.metrics.resets.Inc()
		p.log.Error("partition starts again", "partition", p.id, "err", err)
		if some {
			wait.reset()
		}
		if !wait.sleep(ctx) {
			return
		}
	}
}

// mustRestart says that what is to be read is not there, and that only another start can help.
func mustRestart(err error) bool {
	return errors.Is(err, ErrOffsetOutOfRange) || errors.Is(err, ErrNoTopic) || errors.Is(err, errOtherLog)
}
