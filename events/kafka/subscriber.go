package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"
)

// SubscriberOptions of a Subscriber. Zero values are the defaults.
type SubscriberOptions struct {
	Connection
	// Group is the consumer group that shares a topic's partitions. Empty: every subscription reads all partitions, from
	// the start, and commits nothing.
	Group string
	// MaxUnacked is how many messages of a partition are handed out before the first of them is acknowledged; default 1,
	// which keeps a partition's order also when a message is refused. MaxUnackedBytes bounds their size; default 16 MiB.
	MaxUnacked      int
	MaxUnackedBytes int
	// NackDelay is waited before a refused message is handed out again; default 100 ms, negative: none.
	NackDelay time.Duration
	// AtEnd starts where the log ends, not where it starts, if the group has no commit.
	AtEnd bool
	// CommitInterval is how often acknowledgements are committed; default 1 s. The end of a generation commits too.
	CommitInterval time.Duration
	// FetchBytes bounds one answer (compressed; one record is always answered); default 256 KiB. FetchWait is how long the
	// broker waits for records; default 500 ms.
	FetchBytes int
	FetchWait  time.Duration
	// WatchInterval is how often new partitions are looked for; default 5 s.
	WatchInterval time.Duration
	// HeartbeatInterval, SessionTimeout and RebalanceTimeout are the group protocol's; defaults 3 s, 30 s and 30 s.
	HeartbeatInterval, SessionTimeout, RebalanceTimeout time.Duration

	// OnAssign decides where a partition is read from. It is asked when the partition is assigned, and again whenever
	// the log does not hold the offset to be read: committed is the group's offset, -1 if none; first is the first offset
	// that the log holds and next the one behind its last. An error is logged and OnAssign asked again, later. It must
	// return when ctx ends, and then its answer is not used.
	// Without OnAssign: from committed; from first, with a warning, if the log does not hold that.
	OnAssign func(ctx context.Context, topic string, partition int, committed, first, next int64) (start int64, err error)
	// OnRevoke is told when a partition is no longer read; contexts of its messages have ended by then. Messages
	// received before may still be in a handler's hands: their generation tells them from later ones.
	OnRevoke func(topic string, partition int)

	// CreateTopic, when set, is what SubscribeInitialize creates, under the topic's own name.
	CreateTopic *TopicSpec
	Registerer  prometheus.Registerer
}

func (o SubscriberOptions) withDefaults() (SubscriberOptions, error) {
	setInt := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	setTime := func(field *time.Duration, value time.Duration) {
		if *field == 0 {
			*field = value
		}
	}
	setInt(&o.MaxUnacked, 1)
	setInt(&o.MaxUnackedBytes, 16<<20)
	setInt(&o.FetchBytes, 256<<10)
	setTime(&o.NackDelay, 100*time.Millisecond)
	setTime(&o.CommitInterval, time.Second)
	setTime(&o.FetchWait, 500*time.Millisecond)
	setTime(&o.WatchInterval, 5*time.Second)
	setTime(&o.HeartbeatInterval, 3*time.Second)
	setTime(&o.SessionTimeout, 30*time.Second)
	setTime(&o.RebalanceTimeout, 30*time.Second)
	if o.MaxUnacked < 0 || o.MaxUnackedBytes < 0 || o.FetchBytes < 0 {
		return o, errors.New("kafka: MaxUnacked, MaxUnackedBytes and FetchBytes must not be negative")
	}
	return o, nil
}

// Subscriber hands out a topic's messages. It is Watermill's message.Subscriber and safe for concurrent use; each
// Subscribe is a member of the group of its own.
type Subscriber struct {
	*Client
	options SubscriberOptions
	metrics subscriberMetrics

	mu      sync.Mutex
	closed  bool
	closing context.Context // ends at Close
	close   context.CancelFunc
	running sync.WaitGroup
}

var (
	_ message.Subscriber           = (*Subscriber)(nil)
	_ message.SubscribeInitializer = (*Subscriber)(nil)
)

// NewSubscriber makes a subscriber; it connects when it is first used.
func NewSubscriber(o SubscriberOptions) (*Subscriber, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	client, err := NewClient(o.Connection)
	if err != nil {
		return nil, err
	}
	s := &Subscriber{Client: client, options: o, metrics: newSubscriberMetrics(o.Registerer)}
	if o.Group != "" {
		config := s.groupConfig("any", nil, nil)
		if err := config.Validate(); err != nil {
			return nil, fmt.Errorf("kafka: %w", err)
		}
	}
	s.closing, s.close = context.WithCancel(context.Background())
	return s, nil
}

// Subscribe hands out the topic's messages on a channel, which is closed after ctx ends or the Subscriber is closed.
// Within a partition they come in order; the order across partitions is any. A message is handed out again until it is
// acknowledged; one that is behind a refused message is not handed out again with it, unless MaxUnacked is 1.
// Its context ends when it is acknowledged, or when its partition is no longer ours; an acknowledgement after that has no
// effect. A topic that is missing is waited for.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("kafka: subscribe to %s: %w", topic, ErrClosed)
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.closing, cancel)
	sub := &subscription{
		Subscriber: s,
		topic:      topic,
		out:        make(chan *message.Message),
		log:        s.connection.Logger.With("topic", topic, "group", s.options.Group),
	}
	s.running.Go(func() {
		defer close(sub.out)
		defer cancel()
		defer stop()
		if s.options.Group == "" {
			sub.runAlone(ctx)
		} else {
			sub.runGroup(ctx)
		}
	})
	return sub.out, nil
}

// SubscribeInitialize creates the topic if CreateTopic says so; else it returns ErrNoTopic if there is none.
func (s *Subscriber) SubscribeInitialize(topic string) error {
	ctx := s.closing
	if s.options.CreateTopic == nil {
		_, err := s.topic(ctx, topic)
		return err
	}
	spec := *s.options.CreateTopic
	spec.Name = topic
	_, err := s.EnsureTopic(ctx, spec)
	return err
}

// Close ends all subscriptions, commits what was acknowledged, and leaves the group. When it returns, the channels are
// closed. It may be called again.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.close()
	s.running.Wait()
	return s.Client.Close()
}
