package kafka_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tollhouse/tollhouse/events/broker"
	"github.com/tollhouse/tollhouse/events/eventstest"
	"github.com/tollhouse/tollhouse/events/kafka"
)

// TestRecord sends one message and compares what comes back: identity, key, headers, position.
func TestRecord(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string) {
		p := newPublisher(t, addr)
		topic := newTopic(t, p, 3)
		sent := message.NewMessage("id-1", []byte(`{"a":1}`))
		sent.Metadata = message.Metadata{
			kafka.MetadataKey: "req_1", kafka.MetadataPartitionPin: "2", kafka.MetadataOffset: "77",
			"ce_id": "id-1", "seq": "12",
		}
		before := time.Now().Truncate(time.Millisecond)
		if err := p.Publish(topic, sent); err != nil {
			t.Fatal(err)
		}
		got, err := p.ReadAt(t.Context(), topic, 2, 0)
		if err != nil || got == nil {
			t.Fatal(got, err)
		}
		if got.UUID != "id-1" || string(got.Payload) != `{"a":1}` {
			t.Errorf("got %s %s", got.UUID, got.Payload)
		}
		want := message.Metadata{
			kafka.MetadataKey: "req_1", "ce_id": "id-1", "seq": "12", kafka.MetadataTopic: topic,
			kafka.MetadataPartition: "2", kafka.MetadataOffset: "0", kafka.MetadataHighWatermark: "1",
			kafka.MetadataGeneration: "0", kafka.MetadataTime: got.Metadata[kafka.MetadataTime],
		}
		if len(got.Metadata) != len(want) {
			t.Errorf("metadata %v, want %v", got.Metadata, want)
		}
		for k, v := range want {
			if got.Metadata[k] != v {
				t.Errorf("%s = %q, want %q", k, got.Metadata[k], v)
			}
		}
		if at := position(t, got).Time; at.Before(before) || at.After(time.Now()) {
			t.Errorf("record time %v is not now", at)
		}
	})
}

// TestPartitions: one key, one partition; a pin beats the key; without either, messages spread.
func TestPartitions(t *testing.T) {
	p := newPublisher(t, eventstest.Broker(t))
	topic := newTopic(t, p, 4)
	var messages []*message.Message
	for i := range 400 {
		m := message.NewMessage(strconv.Itoa(i), nil)
		switch i % 4 {
		case 0:
			m.Metadata.Set(kafka.MetadataKey, "same")
		case 1:
			m.Metadata.Set(kafka.MetadataKey, "same")
			m.Metadata.Set(kafka.MetadataPartitionPin, "3")
		}
		messages = append(messages, m)
	}
	if err := p.Publish(topic, messages...); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{} // kind of message and partition → messages
	for partition := range 4 {
		for m, err := range p.ReadPartition(t.Context(), topic, partition, 0, 1000) {
			if err != nil {
				t.Fatal(err)
			}
			i, _ := strconv.Atoi(m.UUID)
			counts[strconv.Itoa(min(i%4, 2))+"@"+strconv.Itoa(partition)]++
		}
	}
	keyed := 0
	for partition := range 4 {
		if n := counts["0@"+strconv.Itoa(partition)]; n == 100 {
			keyed++
		} else if n != 0 {
			t.Errorf("%d of one key's 100 messages are in partition %d", n, partition)
		}
		if n := counts["2@"+strconv.Itoa(partition)]; n < 20 {
			t.Errorf("%d of 200 messages without a key are in partition %d", n, partition)
		}
	}
	if keyed != 1 || counts["1@3"] != 100 {
		t.Errorf("messages per kind and partition: %v", counts)
	}
}

// TestPartialFailure: one partition's produce fails; the messages of the others are known to be there.
func TestPartialFailure(t *testing.T) {
	b := eventstest.NewBroker(t)
	reg := prometheus.NewRegistry()
	p, err := kafka.NewPublisher(kafka.PublisherOptions{Connection: connection(b.Addr()), Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	topic := newTopic(t, p, 3)
	const notEnoughReplicas = 19
	b.Inject(broker.Fault{Requests: []int16{broker.Produce}, Topic: topic, Partitions: []int32{1}, Code: notEnoughReplicas})
	messages := pinned(3, 3)
	err = p.Publish(topic, messages...)
	var each kafka.PublishErrors
	if !errors.As(err, &each) || len(each.Failed()) != 9 {
		t.Fatalf("error %#v", err)
	}
	for i, err := range each {
		if failed := err != nil; failed != (i%3 == 1) {
			t.Errorf("message %d: %v", i, err)
		}
	}
	if err := p.Publish(topic, messages[1], messages[4], messages[7]); err != nil { // what a relay does
		t.Fatal(err)
	}
	for partition := range 3 {
		if first, next, err := p.Offsets(t.Context(), topic, partition); first != 0 || next != 3 || err != nil {
			t.Errorf("partition %d holds %d…%d, %v", partition, first, next, err)
		}
	}
	if n, err := testutil.GatherAndCount(reg, "tollhouse_kafka_acknowledged_total"); n != 1 || err != nil {
		t.Errorf("%d metrics, %v", n, err)
	}
}

// TestUnknownResult: the broker writes and answers with a timeout; that is a failure, and a duplicate later.
func TestUnknownResult(t *testing.T) {
	b := eventstest.NewBroker(t)
	p := newPublisher(t, b.Addr())
	topic := newTopic(t, p, 1)
	const requestTimedOut = 7
	b.Inject(broker.Fault{Requests: []int16{broker.Produce}, Topic: topic, Code: requestTimedOut})
	m := pinned(1, 1)
	if err := p.Publish(topic, m...); err == nil {
		t.Fatal("a timeout counts as acknowledged")
	}
	if err := p.Publish(topic, m...); err != nil {
		t.Fatal(err)
	}
	if _, next, err := p.Offsets(t.Context(), topic, 0); next != 2 || err != nil {
		t.Fatalf("next offset %d, %v", next, err)
	}
}

func TestTooLarge(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string) {
		p := newPublisher(t, addr)
		topic := fresh("small")
		if _, err := p.EnsureTopic(t.Context(), kafka.TopicSpec{Name: topic, Replication: 1, MaxMessageBytes: 10_000}); err != nil {
			t.Fatal(err)
		}
		noise := make([]byte, 2*kafka.DefaultBatchBytes)
		_, _ = rand.Read(noise)
		small := message.NewMessage("small", []byte("x"))

		err := p.Publish(topic, small, message.NewMessage("ours", noise)) // for the Publisher
		wantIs(t, err, kafka.ErrTooLarge)
		var each kafka.PublishErrors
		if !errors.As(err, &each) || !errors.Is(each[0], kafka.ErrNotSent) || !errors.Is(each[1], kafka.ErrTooLarge) || !each.TooLarge() {
			t.Errorf("errors %v", each)
		}

		err = p.Publish(topic, small, message.NewMessage("theirs", noise[:20_000])) // for the broker, the batch
		wantIs(t, err, kafka.ErrTooLarge)
		if err := p.Publish(topic, small); err != nil {
			t.Error(err)
		}
		if _, next, err := p.Offsets(t.Context(), topic, 0); next != 1 || err != nil {
			t.Errorf("next offset %d, %v", next, err)
		}
	})
}

func TestPublishFails(t *testing.T) {
	addr := eventstest.Broker(t)
	p := newPublisher(t, addr)
	topic := newTopic(t, p, 1)

	wantIs(t, p.Publish(fresh("none"), pinned(1, 1)...), kafka.ErrNoTopic)

	wrong := message.NewMessage("1", nil)
	wrong.Metadata.Set(kafka.MetadataPartitionPin, "-1")
	if err := p.Publish(topic, wrong); err == nil {
		t.Error("a message pinned to no partition is published")
	}
	wrong.Metadata.Set(kafka.MetadataPartitionPin, "9")
	if err := p.Publish(topic, wrong); err == nil {
		t.Error("a message pinned to a partition that is not there is published")
	}

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	wantIs(t, p.PublishContext(cancelled, topic, pinned(1, 1)...), context.Canceled)

	down := newPublisher(t, eventstest.Refused(t))
	began := time.Now()
	if err := down.Publish(topic, pinned(1, 2)...); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("without a broker: %v after %v", err, time.Since(began))
	}

	_ = p.Close()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	wantIs(t, p.Publish(topic, pinned(1, 1)...), kafka.ErrClosed)
}

// TestPublisherSurvivesRestart: after the broker's restart the next tries succeed.
func TestPublisherSurvivesRestart(t *testing.T) {
	b := eventstest.NewBroker(t)
	p := newPublisher(t, b.Addr())
	topic := newTopic(t, p, 2)
	publish(t, p, topic, 0, 0, 10)
	b.Stop()
	if err := p.Publish(topic, pinned(1, 1)...); err == nil {
		t.Fatal("a stopped broker acknowledges")
	}
	b.Start()
	eventually(t, func() error { return p.Publish(topic, pinned(1, 1)...) })
	if _, next, err := p.Offsets(t.Context(), topic, 0); next != 11 || err != nil {
		t.Fatalf("next offset %d, %v", next, err)
	}
}

// pinned makes messages for each of some partitions in turn.
func pinned(partitions, each int) []*message.Message {
	var messages []*message.Message
	for i := range partitions * each {
		m := message.NewMessage(strconv.Itoa(i), []byte("x"))
		m.Metadata.Set(kafka.MetadataPartitionPin, strconv.Itoa(i%partitions))
		messages = append(messages, m)
	}
	return messages
}
