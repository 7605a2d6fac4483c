package kafka_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/tollhouse/tollhouse/events/eventstest"
	"github.com/tollhouse/tollhouse/events/kafka"
)

// Benchmark publishes as the relay does (1,000 messages a call, one call at a time, all synced) and reads as the sink does
// (10,000 out a partition, acknowledged in order). One operation is one message of 400 B with the headers of an event.
func Benchmark(b *testing.B) {
	for name, broker := range map[string]func(testing.TB) string{"embedded": eventstest.Broker, "real": eventstest.Kafka} {
		b.Run(name, func(b *testing.B) { benchmark(b, broker(b)) })
	}
}

func benchmark(b *testing.B, addr string) {
	p := newPublisher(b, addr)
	topic := newTopic(b, p, 12)
	b.Run("publish", func(b *testing.B) {
		for sent := 0; sent < b.N; sent += 1000 {
			if err := p.Publish(topic, events(min(1000, b.N-sent))...); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("subscribe", func(b *testing.B) {
		topic := newTopic(b, p, 12)
		for sent := 0; sent < b.N; sent += 1000 {
			if err := p.Publish(topic, events(min(1000, b.N-sent))...); err != nil {
				b.Fatal(err)
			}
		}
		o := quick(addr, fresh("group"))
		o.MaxUnacked = 10_000
		messages := subscribe(b, newSubscriber(b, o), topic)
		receiveAck(b, messages) // the group is joined
		b.ResetTimer()
		for range b.N - 1 {
			receiveAck(b, messages)
		}
	})
}

func events(n int) []*message.Message {
	messages := make([]*message.Message, n)
	for i := range messages {
		id := fmt.Sprintf("req_%026d/1/settled", rand.Int64())
		payload := fmt.Appendf(nil, `{"event_id":%q,"input_tokens":%d,"filler":"%0300d"}`, id, rand.IntN(5000), rand.Int64())
		m := message.NewMessage(id, payload)
		m.Metadata = message.Metadata{
			kafka.MetadataKey: id[:30], "ce_id": id, "ce_type": "tollhouse.attempt.settled.v1", "ce_source": "gw-1",
			"ce_time": "2026-11-01T10:00:00.000000Z", "ce_specversion": "1.0", "content-type": "application/json",
			"gateway_id": "gw-1", "epoch": "1793000000000000", "seq": "123456",
		}
		messages[i] = m
	}
	return messages
}
