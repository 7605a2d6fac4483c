package kafka

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	// joinBackoff is the pause after a failed attempt to join.
	joinBackoff = time.Second
	// leaveGrace is how long a member that leaves waits, over two heartbeats, for the join that it may be in.
	// leaveLimit is how long leaving itself may take.
	leaveGrace = 2 * time.Second
	leaveLimit = 5 * time.Second
)

// leading tells how many partitions there were for the leader to assign, where we are the leader. With the topic away just then, as while
// it is made anew, there were none: what was known before and what is known after would not tell.
type leading struct {
	kafka.GroupBalancer
	assigned *atomic.Int64 // -1: another member led
}

func (l leading) AssignGroups(members []kafka.GroupMember, partitions []kafka.Partition) kafka.GroupMemberAssignments {
	l.assigned.Store(int64(len(partitions)))
	return l.GroupBalancer.AssignGroups(members, partitions)
}

func (s *Subscriber) groupConfig(topic string, dialer *kafka.Dialer, assigned *atomic.Int64) kafka.ConsumerGroupConfig {
	c := &s.connection
	return kafka.ConsumerGroupConfig{
		ID: s.options.Group, Brokers: c.Brokers, Dialer: dialer, Topics: []string{topic},
		HeartbeatInterval: s.options.HeartbeatInterval,
		SessionTimeout:    s.options.SessionTimeout,
		RebalanceTimeout:  s.options.RebalanceTimeout,
		JoinGroupBackoff:  joinBackoff,
		StartOffset:       kafka.FirstOffset, // how "no commit" arrives; tryStart knows what it means
		Timeout:           c.Timeout,
		GroupBalancers: []kafka.GroupBalancer{
			leading{kafka.RangeGroupBalancer{}, assigned}, leading{kafka.RoundRobinGroupBalancer{}, assigned},
		},
		// Not WatchPartitionChanges: while the topic is missing it ends each generation at once.
	}
}

// runGroup takes part in the group, generation after generation, until ctx ends.
func (s *subscription) runGroup(ctx context.Context) {
	known := s.awaitTopic(ctx)
	if known == 0 {
		return
	}
	lines := &lines{dial: s.connection.Dial}
	dialer, err := s.connection.dialer(lines.open)
	if err != nil {
		s.log.Error("cannot join the group", "err", err)
		return
	}
	var assigned atomic.Int64
	assigned.Store(-1)
	group, err := kafka.NewConsumerGroup(s.groupConfig(s.topic, dialer, &assigned))
	if err != nil {
		s.log.Error("cannot join the group", "err", err)
		return
	}
	s.takePart(ctx, group, known, &assigned)
	leave(group, lines, 2*s.options.HeartbeatInterval+leaveGrace)
}

// takePart takes part in one generation after the other, until ctx ends.
func (s *subscription) takePart(ctx context.Context, group *kafka.ConsumerGroup, known int, assigned *atomic.Int64) {
	for ctx.Err() == nil {
		// Asked at once: until it is, the group does not join again, and all others wait for it.
		generation, err := group.Next(ctx)
		switch {
		case err == nil:
			if n := assigned.Swap(-1); n >= 0 {
				known = int(n)
			}
			known = s.runGeneration(ctx, group, generation, known)
		case ctx.Err() != nil:
		case errors.Is(err, kafka.RebalanceInProgress): // another member came or went meanwhile
			s.log.Debug("joining again", "err", err)
		default: // the group itself waits before it tries again
			s.metrics.errors.Inc()
			s.log.Warn("cannot join the group; trying again", "err", err)
		}
	}
}

// runGeneration reads the partitions that the generation assigns, until it ends. known is the number of partitions before
// it was joined; what is returned is the number known now.
func (s *subscription) runGeneration(ctx context.Context, group *kafka.ConsumerGroup, generation *kafka.Generation, known int) int {
	s.metrics.generations.Inc()
	assigned := generation.Assignments[s.topic]
	s.log.Info("generation begins", "generation", generation.ID, "partitions", len(assigned))
	commits := &commits{subscription: s, generation: generation}
	ended := make(chan struct{})
	generation.Start(func(generationCtx context.Context) {
		defer close(ended)
		working, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(generationCtx, cancel)()
		var work sync.WaitGroup
		for _, a := range assigned {
			p := &partition{
				subscription: s, id: a.ID, generation: generation.ID, committed: max(a.Offset, -1), commit: commits.set,
			}
			work.Go(func() { p.run(working) })
		}
		work.Go(func() { commits.run(working) })
		work.Go(func() {
			defer cancel()
			known = s.watchPartitions(working, known)
		})
		work.Wait()
		commits.flush() // the generation may have ended for the broker too; then this is refused, as it must be
		if ctx.Err() != nil {
			startClosing(group)
		}
	})
	<-ended
	s.log.Info("generation ends", "generation", generation.ID)
	return known
}

// watchPartitions returns when the topic has not the known number of partitions any more, so that the next generation
// assigns them all. The number was read before this generation was joined, or by its leader, so that no partition can slip in between.
func (s *subscription) watchPartitions(ctx context.Context, known int) int {
	for pause(ctx, s.options.WatchInterval) {
		partitions, err := s.Partitions(ctx, s.topic)
		if err == nil && len(partitions) != known {
			s.log.Info("partitions have changed", "before", known, "now", len(partitions))
			return len(partitions)
		}
	}
	return known
}

// commits gathers what may be committed, and commits it under one generation.
type commits struct {
	*subscription
	generation *kafka.Generation
	mu         sync.Mutex
	next       map[int]int64
}

func (c *commits) set(partition int, next int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		c.next = map[int]int64{}
	}
	c.next[partition] = next
}

func (c *commits) run(ctx context.Context) {
	for pause(ctx, c.options.CommitInterval) {
		c.flush()
	}
}

// flush commits what was set since the last time. What fails is set again, unless there is a newer one.
func (c *commits) flush() {
	c.mu.Lock()
	next := c.next
	c.next = nil
	c.mu.Unlock()
	if len(next) == 0 {
		return
	}
	err := c.generation.CommitOffsets(map[string]map[int]int64{c.topic: next})
	if err == nil {
		return
	}
	c.metrics.errors.Inc()
	c.log.Warn("acknowledgements are not committed; they come again if the generation ends so", "err", err)
	c.mu.Lock()
	defer c.mu.Unlock()
	for partition, offset := range c.next {
		next[partition] = offset
	}
	c.next = next
}

// leave leaves the group. kafka-go's Close gives the broker notice only from within a generation; at other times the member
// stays on for the broker, and holds up the others for a session timeout. So a generation is waited for, within grace.
func leave(group *kafka.ConsumerGroup, lines *lines, grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	for err := error(kafka.RebalanceInProgress); errors.Is(err, kafka.RebalanceInProgress); {
		var generation *kafka.Generation
		if generation, err = group.Next(ctx); err == nil {
			generation.Start(func(context.Context) { startClosing(group) })
		}
	}
	defer time.AfterFunc(leaveLimit, lines.end).Stop()
	if ctx.Err() != nil {
		lines.cut()
	}
	_ = group.Close() // it returns nil, always
}

// startClosing closes the group, and returns when that has begun. A generation's function that ends before would make the
// group join the next one.
func startClosing(group *kafka.ConsumerGroup) {
	go func() { _ = group.Close() }()
	for {
		if _, err := group.Next(context.Background()); errors.Is(err, kafka.ErrGroupClosed) {
			return
		}
	}
}

// lines are the group's connections, which it offers no way to interrupt.
type lines struct {
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	mu    sync.Mutex
	conns map[*line]struct{}
	ended bool
}

type line struct {
	net.Conn
	lines *lines
}

func (l *lines) open(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := l.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		_ = conn.Close()
		return nil, ErrClosed
	}
	if l.conns == nil {
		l.conns = map[*line]struct{}{}
	}
	opened := &line{conn, l}
	l.conns[opened] = struct{}{}
	return opened, nil
}

func (l *line) Close() error {
	l.lines.mu.Lock()
	delete(l.lines.conns, l)
	l.lines.mu.Unlock()
	return l.Conn.Close()
}

// cut closes the connections that are open now.
func (l *lines) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for open := range l.conns {
		_ = open.Conn.Close()
	}
}

// end closes them, and lets no other be opened.
func (l *lines) end() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.cut()
}
