package kafka_test

import (
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"

	"github.com/tollhouse/tollhouse/events/kafka"
)

// TestSuite is Watermill's universal suite, in the three ways that the subscriber works.
func TestSuite(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string) {
		t.Run("ordered", func(t *testing.T) {
			s := suite{addr: addr, group: watermill.NewUUID(), maxUnacked: 1, keyed: true}
			tests.TestPubSub(t, tests.Features{
				ConsumerGroups: true, GuaranteedOrder: true, Persistent: true, ForceShort: true,
			}, s.pubSub, s.groupPubSub)
		})
		t.Run("unordered", func(t *testing.T) {
			s := suite{addr: addr, group: watermill.NewUUID(), maxUnacked: 10_000}
			tests.TestPubSub(t, tests.Features{
				ConsumerGroups: true, Persistent: true, ForceShort: strings.HasPrefix(t.Name(), "TestSuite/real"),
			}, s.pubSub, s.groupPubSub)
		})
		t.Run("alone", func(t *testing.T) {
			s := suite{addr: addr, maxUnacked: 1, keyed: true}
			tests.TestPubSub(t, tests.Features{
				GuaranteedOrder: true, Persistent: true, NewSubscriberReceivesOldMessages: true, ForceShort: true,
			}, s.pubSub, nil)
		})
	})
}

type suite struct {
	addr, group string
	maxUnacked  int
	keyed       bool // by payload, which is what the suite's test of order sorts messages by
}

func (s suite) pubSub(t *testing.T) (message.Publisher, message.Subscriber) {
	if s.group == "" {
		return s.groupPubSub(t, "")
	}
	return s.groupPubSub(t, s.group+t.Name()) // a group a test: a member that joins has messages handed out again
}

func (s suite) groupPubSub(t *testing.T, group string) (message.Publisher, message.Subscriber) {
	t.Helper()
	pub, err := kafka.NewPublisher(kafka.PublisherOptions{Connection: connection(s.addr)})
	if err != nil {
		t.Fatal(err)
	}
	o := quick(s.addr, group)
	o.MaxUnacked = s.maxUnacked
	o.CreateTopic = &kafka.TopicSpec{Partitions: 8, Replication: 1}
	sub, err := kafka.NewSubscriber(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pub.Close(); _ = sub.Close() }) // the suite leaves some open
	if s.keyed {
		return keyedByPayload{pub}, sub
	}
	return pub, sub
}

// keyedByPayload gives every message its payload as key.
type keyedByPayload struct{ *kafka.Publisher }

func (p keyedByPayload) Publish(topic string, messages ...*message.Message) error {
	for _, m := range messages {
		m.Metadata.Set(kafka.MetadataKey, string(m.Payload))
	}
	return p.Publisher.Publish(topic, messages...)
}
