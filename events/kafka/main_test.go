package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/goleak"

	"github.com/tollhouse/tollhouse/events/broker"
	"github.com/tollhouse/tollhouse/events/eventstest"
	"github.com/tollhouse/tollhouse/events/kafka"
)

// patience is how long anything may take that should take milliseconds.
const patience = 20 * time.Second

// TestMain lets no goroutine outlive the tests: what is closed is gone.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The suite's own: it drops subscribers that it has made, in the middle of handing on a message.
		goleak.IgnoreAnyFunction("github.com/ThreeDotsLabs/watermill/internal/subscriber.(*multiplier).Subscribe.func2"),
		goleak.IgnoreAnyFunction("github.com/ThreeDotsLabs/watermill/internal/subscriber.(*multiplier).Subscribe.func3"),
	)
}

// onBoth runs a test against the embedded broker (without its fsyncs, for speed) and against a real Kafka.
func onBoth(t *testing.T, test func(t *testing.T, addr string)) {
	t.Run("embedded", func(t *testing.T) { test(t, eventstest.NewBrokerWith(t, broker.Options{NoSync: true}).Addr()) })
	t.Run("real", func(t *testing.T) { test(t, eventstest.Kafka(t)) })
}

var names atomic.Int64

// fresh is a name that no other test has.
func fresh(prefix string) string {
	return fmt.Sprintf("%s-%d-%d", prefix, time.Now().UnixNano(), names.Add(1))
}

func connection(addr string) kafka.Connection {
	level := slog.LevelError + 1
	if os.Getenv("TOLLHOUSE_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	return kafka.Connection{
		Brokers: []string{addr}, MetadataTTL: 500 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
	}
}

// quick are options that wait for nothing long.
func quick(addr, group string) kafka.SubscriberOptions {
	return kafka.SubscriberOptions{
		Connection: connection(addr), Group: group,
		NackDelay: time.Millisecond, CommitInterval: 50 * time.Millisecond, FetchWait: 100 * time.Millisecond,
		WatchInterval: 200 * time.Millisecond, HeartbeatInterval: 100 * time.Millisecond,
	}
}

func newPublisher(t testing.TB, addr string) *kafka.Publisher {
	t.Helper()
	p, err := kafka.NewPublisher(kafka.PublisherOptions{Connection: connection(addr)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func newSubscriber(t testing.TB, o kafka.SubscriberOptions) *kafka.Subscriber {
	t.Helper()
	s, err := kafka.NewSubscriber(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func subscribe(t testing.TB, s *kafka.Subscriber, topic string) <-chan *message.Message {
	t.Helper()
	messages, err := s.Subscribe(context.Background(), topic)
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

// newTopic creates a topic of one replica.
func newTopic(t testing.TB, c interface {
	EnsureTopic(context.Context, kafka.TopicSpec) (bool, error)
}, partitions int,
) string {
	t.Helper()
	name := fresh("topic")
	created, err := c.EnsureTopic(t.Context(), kafka.TopicSpec{Name: name, Partitions: partitions, Replication: 1})
	if err != nil || !created {
		t.Fatalf("create topic: created %t, %v", created, err)
	}
	return name
}

// publish sends messages with the ids from … to-1 to one partition.
func publish(t testing.TB, p *kafka.Publisher, topic string, partition, from, to int) {
	t.Helper()
	var messages []*message.Message
	for i := from; i < to; i++ {
		m := message.NewMessage(strconv.Itoa(i), []byte("payload "+strconv.Itoa(i)))
		m.Metadata.Set(kafka.MetadataPartitionPin, strconv.Itoa(partition))
		messages = append(messages, m)
	}
	if err := p.Publish(topic, messages...); err != nil {
		t.Fatal(err)
	}
}

func receive(t testing.TB, messages <-chan *message.Message) *message.Message {
	t.Helper()
	select {
	case m, ok := <-messages:
		if !ok {
			t.Fatal("the channel is closed")
		}
		return m
	case <-time.After(patience):
		t.Fatal("no message comes")
	}
	return nil
}

// nothing fails if a message comes soon.
func nothing(t testing.TB, messages <-chan *message.Message) {
	t.Helper()
	select {
	case m := <-messages:
		t.Fatalf("message %s comes", m.UUID)
	case <-time.After(150 * time.Millisecond):
	}
}

// eventually waits until a condition holds; it says why not, as long as it does not.
func eventually(t testing.TB, condition func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = condition(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

func position(t testing.TB, m *message.Message) kafka.Position {
	t.Helper()
	p, ok := kafka.PositionOf(m)
	if !ok {
		t.Fatalf("message %s has no position: %v", m.UUID, m.Metadata)
	}
	return p
}

func wantIs(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("error %v, want %v", err, target)
	}
}

func receiveAck(t testing.TB, messages <-chan *message.Message) *message.Message {
	t.Helper()
	m := receive(t, messages)
	m.Ack()
	return m
}
