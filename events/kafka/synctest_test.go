package kafka_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/events/broker"
	"github.com/tollhouse/tollhouse/events/kafka"
)

// TestLongOutage: the broker refuses everything for an hour, in a bubble where that takes no time. The subscriber waits, the
// publisher says so each time, and afterwards all is there.
func TestLongOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := broker.NewMemoryNetwork()
		b, err := broker.Start(broker.Options{
			Listen: "127.0.0.1:9092", Network: network, Topics: []broker.Topic{{Name: "events", Partitions: 2}},
		})
		if err != nil {
			t.Fatal(err)
		}
		c := connection(b.Addr())
		c.Dial = network.DialContext
		p, err := kafka.NewPublisher(kafka.PublisherOptions{Connection: c, NoCompression: true})
		if err != nil {
			t.Fatal(err)
		}
		s, err := kafka.NewSubscriber(kafka.SubscriberOptions{Connection: c, Group: "group"})
		if err != nil {
			t.Fatal(err)
		}
		publish(t, p, "events", 0, 0, 1)
		messages := subscribe(t, s, "events")
		receiveAck(t, messages)

		const notLeader = 6
		outage := b.Inject(broker.Fault{
			Requests: []int16{broker.Produce, broker.Fetch, broker.ListOffsets}, Topic: "events", Code: notLeader, Count: -1,
		})
		for range 12 {
			if err := p.Publish("events", pinned(1, 1)...); err == nil {
				t.Error("published in an outage")
			}
			time.Sleep(5 * time.Minute)
		}
		outage.Remove()
		publish(t, p, "events", 1, 1, 2)
		if m := receiveAck(t, messages); m.UUID != "1" {
			t.Errorf("got %s", m.UUID)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}
