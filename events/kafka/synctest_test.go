package kafka_test

import (
	"context"
	"io"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

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

// TestTopicMadeAnewUnderABusyReader: while messages wait to be handled, the topic is deleted, made anew, and filled beyond the offset that
// is read next. Nothing of it is passed over.
func TestTopicMadeAnewUnderABusyReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := broker.NewMemoryNetwork()
		b, err := broker.Start(broker.Options{Listen: "127.0.0.1:9092", Network: network, Topics: []broker.Topic{{Name: "events"}}})
		if err != nil {
			t.Fatal(err)
		}
		c := connection(b.Addr())
		c.Dial = network.DialContext
		p, err := kafka.NewPublisher(kafka.PublisherOptions{Connection: c, NoCompression: true})
		if err != nil {
			t.Fatal(err)
		}
		s, err := kafka.NewSubscriber(kafka.SubscriberOptions{
			Connection: c, Group: "group",
			OnAssign: func(_ context.Context, _ string, _ int, _, first, _ int64) (int64, error) { return first, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		messages := subscribe(t, s, "events")
		publish(t, p, "events", 0, 0, 3)
		first := receive(t, messages)
		publish(t, p, "events", 0, 3, 6) // fetched, and waiting for the others to be taken
		time.Sleep(time.Second)
		if err := b.DeleteTopic("events"); err != nil {
			t.Error(err)
		}
		if err := b.CreateTopic("events", 1, nil); err != nil {
			t.Error(err)
		}
		time.Sleep(5 * time.Second) // until the publisher knows
		publish(t, p, "events", 0, 100, 120)
		first.Ack()
		var got []string
		for len(got) < 25 {
			m := receiveAck(t, messages)
			got = append(got, m.UUID)
			if m.UUID == "119" {
				break
			}
		}
		// How far it had fetched when the topic went is chance: what it had it hands out, and the new topic is read from its beginning.
		var want []string
		for n := 1; len(want)+20 < len(got); n++ {
			want = append(want, strconv.Itoa(n))
		}
		for n := 100; n < 120; n++ {
			want = append(want, strconv.Itoa(n))
		}
		if !slices.Equal(got, want) || len(got) > 25 {
			t.Errorf("got %v", got)
		}
		for _, c := range []io.Closer{s, p, b} {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestTopicAwayWhileTheGroupForms: the leader finds no partition to assign, since the topic is just being made anew. It is read all the
// same once it is there, although it has as many partitions as before.
func TestTopicAwayWhileTheGroupForms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := broker.NewMemoryNetwork()
		b, err := broker.Start(broker.Options{Listen: "127.0.0.1:9092", Network: network, Topics: []broker.Topic{{Name: "events"}}})
		if err != nil {
			t.Fatal(err)
		}
		c := connection(b.Addr())
		c.Dial = network.DialContext
		p, err := kafka.NewPublisher(kafka.PublisherOptions{Connection: c, NoCompression: true})
		if err != nil {
			t.Fatal(err)
		}
		var members []*kafka.Subscriber
		received := make(chan *message.Message)
		for range 2 { // the second makes the group form again, at the first one's heartbeat
			s, err := kafka.NewSubscriber(kafka.SubscriberOptions{Connection: c, Group: "group"})
			if err != nil {
				t.Fatal(err)
			}
			members = append(members, s)
			messages := subscribe(t, s, "events")
			go func() {
				for m := range messages {
					received <- m
				}
			}()
			time.Sleep(100 * time.Millisecond)
		}
		if err := b.DeleteTopic("events"); err != nil {
			t.Error(err)
		}
		time.Sleep(4 * time.Second)
		if err := b.CreateTopic("events", 1, nil); err != nil {
			t.Error(err)
		}
		time.Sleep(5 * time.Second) // until the publisher knows
		publish(t, p, "events", 0, 0, 1)
		select {
		case m := <-received:
			m.Ack()
		case <-time.After(time.Minute):
			t.Error("nobody reads the topic")
		}
		for _, c := range []io.Closer{members[0], members[1], p, b} {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}
