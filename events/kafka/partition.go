package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// partition is one that this subscription reads, for as long as it is ours. One goroutine hands out its records, another
// fetches the next ones.
type partition struct {
	*subscription
	id         int
	generation int32
	committed  int64                    // the group's offset as we know it, -1: none
	commit     func(id int, next int64) // nil: nothing is committed
	restarts   bool                     // this is not the first start

	records     []record // fetched, not yet taken
	offer       *handout // of the first of records, made once
	window      []*handout
	windowBytes int
	again       bool // the first of window was refused, and is on offer again
}

// handout is a record and the message that it is handed out as.
type handout struct {
	record  *record
	message *message.Message
	cancel  context.CancelFunc // ends the message's context
}

// read hands out the partition from an offset on, until ctx ends or there must be another start; the error says which.
// some: there were records.
func (p *partition) read(ctx context.Context, offset int64) (some bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	answers := make(chan fetched)
	failed := make(chan error, 1)
	var fetching sync.WaitGroup
	fetching.Go(func() { failed <- p.fetchAll(ctx, offset, answers) })
	defer func() {
		cancel() // and with it the contexts of all that is not acknowledged
		fetching.Wait()
		p.records, p.offer, p.window, p.windowBytes, p.again = nil, nil, nil, 0, false
	}()
	for err == nil {
		err = p.step(ctx, answers, failed)
		some = some || len(p.window) > 0
	}
	return some, err
}

// step waits for one thing to happen: records come, one is taken, the oldest one out is acknowledged or refused.
// Only the oldest is looked at: nothing behind it could be committed before it.
func (p *partition) step(ctx context.Context, answers <-chan fetched, failed <-chan error) error {
	var acked, nacked <-chan struct{}
	if len(p.window) > 0 && !p.again {
		acked, nacked = p.window[0].message.Acked(), p.window[0].message.Nacked()
	}
	var out chan<- *message.Message
	var offered *message.Message
	switch {
	case p.again:
		out, offered = p.out, p.window[0].message
	case len(p.records) > 0 && p.hasRoom():
		if p.offer == nil {
			p.offer = p.handout(ctx, &p.records[0])
		}
		out, offered = p.out, p.offer.message
	}
	if len(p.records) > 0 {
		answers = nil
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case err := <-failed:
		return err
	case f := <-answers:
		p.records = f.records
	case out <- offered:
		p.taken()
	case <-acked:
		p.acknowledge()
	case <-nacked:
		return p.refuse(ctx)
	}
	return nil
}

func (p *partition) hasRoom() bool {
	if len(p.window) == 0 {
		return true
	}
	return len(p.window) < p.options.MaxUnacked && p.windowBytes+p.records[0].size() <= p.options.MaxUnackedBytes
}

func (p *partition) handout(ctx context.Context, r *record) *handout {
	h := &handout{record: r, message: r.message(p.topic, p.id, p.generation)}
	ctx, h.cancel = context.WithCancel(ctx)
	h.message.SetContext(ctx)
	return h
}

func (p *partition) taken() {
	p.metrics.received.Inc()
	if p.again {
		p.again = false
		return
	}
	p.window = append(p.window, p.offer)
	p.windowBytes += p.records[0].size()
	p.offer = nil
	p.records = p.records[1:]
}

// acknowledge takes the acknowledged prefix out of the window, to be committed.
func (p *partition) acknowledge() {
	for len(p.window) > 0 && isAcked(p.window[0].message) {
		h := p.window[0]
		h.cancel()
		p.committed = h.record.offset + 1
		p.windowBytes -= h.record.size()
		p.window[0] = nil
		p.window = p.window[1:]
	}
	if p.commit != nil {
		p.commit(p.id, p.committed)
	}
}

func isAcked(m *message.Message) bool {
	select {
	case <-m.Acked():
		return true
	default:
		return false
	}
}

// refuse puts the refused message's record on offer again, as a fresh message.
func (p *partition) refuse(ctx context.Context) error {
	p.metrics.nacked.Inc()
	p.window[0].cancel()
	if p.options.NackDelay > 0 && !pause(ctx, p.options.NackDelay) {
		return context.Cause(ctx)
	}
	p.window[0] = p.handout(ctx, p.window[0].record)
	p.again = true
	return nil
}

// sameLogFor is how long after a fetch the next one may follow without a look whether the log is still the same.
const sameLogFor = time.Second

// fetchAll fetches from an offset on, one answer ahead of what is taken, until ctx ends or the log does not hold the
// offset. Any other failure passes.
func (p *partition) fetchAll(ctx context.Context, offset int64, answers chan<- fetched) error {
	wait := newBackoff()
	var last *record // before offset
	var asked time.Time
	for {
		since := time.Now()
		f, err := p.fetchOn(ctx, offset, last, since.Sub(asked) < sameLogFor)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case mustRestart(err):
			p.metrics.errors.Inc()
			p.refresh(since) // or old metadata would make us start for ever
			return err
		case err == nil && f.next == offset && f.end > offset:
			err = errNothing
		}
		if err != nil {
			p.metrics.errors.Inc()
			p.log.Warn("partition cannot be read; trying again", "partition", p.id, "offset", offset, "err", err)
			if isStale(err) {
				p.refresh(since)
			}
			asked = time.Time{}
			if !wait.sleep(ctx) {
				return context.Cause(ctx)
			}
			continue
		}
		wait.reset()
		offset, asked = f.next, since
		if len(f.records) == 0 {
			continue
		}
		last = &f.records[len(f.records)-1]
		select {
		case answers <- f:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// fetchOn fetches what follows a record that was read. Unless that was just now, it looks first whether the log still holds that
// record: a topic that was deleted and made anew uses offsets again, and may by now have more of them than were read.
func (p *partition) fetchOn(ctx context.Context, offset int64, last *record, justNow bool) (fetched, error) {
	if last != nil && !justNow {
		const oneBatch = 1 // a broker answers with one batch, however large
		f, err := p.fetch(ctx, p.topic, p.id, last.offset, oneBatch, p.options.FetchWait)
		switch {
		case errors.Is(err, ErrOffsetOutOfRange): // retention has passed it, or the log ends before: the fetch itself will tell
		case err != nil:
			return fetched{}, err
		case len(f.records) > 0 && f.records[0].offset == last.offset && !f.records[0].is(last):
			return fetched{}, fmt.Errorf("kafka: fetch %s/%d at %d: %w", p.topic, p.id, offset, errOtherLog)
		}
	}
	return p.fetch(ctx, p.topic, p.id, offset, p.options.FetchBytes, p.options.FetchWait)
}
