package relay_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/tollhouse/tollhouse/events"
	"github.com/tollhouse/tollhouse/events/eventstest"
	"github.com/tollhouse/tollhouse/events/journal"
	"github.com/tollhouse/tollhouse/events/kafka"
	"github.com/tollhouse/tollhouse/events/relay"
)

// flaky loses acknowledgements: what it says failed may be in Kafka.
type flaky struct {
	*kafka.Publisher
	mu    sync.Mutex
	calls int
}

func (f *flaky) PublishContext(ctx context.Context, topic string, messages ...*message.Message) error {
	f.mu.Lock()
	f.calls++
	n := f.calls
	f.mu.Unlock()
	err := f.Publisher.PublishContext(ctx, topic, messages...)
	switch {
	case err != nil:
		return err
	case n%4 == 1:
		return errors.New("the answer was lost")
	case n%4 == 2:
		each := make(kafka.PublishErrors, len(messages))
		each[len(each)/2] = errors.New("one was lost")
		return each
	}
	return nil
}

func TestEverythingArrivesAndBarriersNeverLie(t *testing.T) {
	addr := eventstest.Broker(t)
	connection := kafka.Connection{Brokers: []string{addr}}
	pub, err := kafka.NewPublisher(kafka.PublisherOptions{Connection: connection})
	if err != nil {
		t.Fatal(err)
	}
	defer pub.Close()
	ctx := context.Background()
	if _, err := pub.EnsureTopic(ctx, kafka.TopicSpec{Name: events.Topic, Partitions: 3}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	want := map[string]bool{}
	var epochs []uint64
	for life := range 3 {
		j, err := journal.Open(journal.Options{Dir: dir, GatewayID: "gw-1", SegmentBytes: 1 << 20, MaxBytes: 16 << 20})
		if err != nil {
			t.Fatal(err)
		}
		epochs = append(epochs, j.Epoch())
		stop := run(t, j, &flaky{Publisher: pub})
		for i := range 300 {
			want[request(t, j, life*1000+i)] = true
		}
		if life == 2 { // the others die without a seal, with what they have published so far
			if err := j.Seal(); err != nil {
				t.Fatal(err)
			}
			waitSealed(t, j)
		}
		stop()
		if err := j.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]bool{}
	floors := map[uint64]map[int]uint64{}
	for partition := range 3 {
		seqs := map[uint64]map[uint64]bool{}
		for m, err := range pub.ReadPartition(ctx, events.Topic, partition, 0, 1<<40) {
			if err != nil {
				t.Fatal(err)
			}
			epoch, _ := strconv.ParseUint(m.Metadata.Get(events.HeaderEpoch), 10, 64)
			seq, _ := strconv.ParseUint(m.Metadata.Get(events.HeaderSeq), 10, 64)
			if m.Metadata.Get(events.HeaderType) == events.TypeBarrier {
				var b events.Barrier
				if err := json.Unmarshal(m.Payload, &b); err != nil || int(b.Partition) != partition || b.Partitions != 3 || b.Acked != seq {
					t.Errorf("barrier %s in partition %d: %v", m.Payload, partition, err)
				}
				if floors[epoch] == nil {
					floors[epoch] = map[int]uint64{}
				}
				floors[epoch][partition] = max(floors[epoch][partition], b.Acked)
				continue
			}
			if seqs[epoch] == nil {
				seqs[epoch] = map[uint64]bool{}
			}
			seqs[epoch][seq] = true
			got[m.Metadata.Get(events.HeaderID)] = true
		}
	}
	for id := range want {
		if !got[id] {
			t.Errorf("%s did not arrive", id)
		}
	}
	for _, epoch := range epochs {
		if n := len(floors[epoch]); n != 3 {
			t.Errorf("epoch %d: a last barrier in %d of 3 partitions", epoch, n)
		}
		for partition, acked := range floors[epoch] {
			if acked < 300 {
				t.Errorf("epoch %d, partition %d: barrier at %d", epoch, partition, acked)
			}
		}
	}
}

var discard = slog.New(slog.DiscardHandler)

func request(t *testing.T, j *journal.Journal, n int) (eventID string) {
	t.Helper()
	now := time.Now()
	a := &events.Accept{RequestID: fmt.Sprintf("req_%026d", n), Consumer: "c", Dialect: "d", ReceivedAt: now}
	s := &events.Start{RequestID: a.RequestID, Attempt: 1, StartedAt: now}
	if _, err := j.Begin(context.Background(), a, s); err != nil {
		t.Fatal(err)
	}
	e := &events.AttemptSettled{Accept: *a, Outcome: events.AttemptSuccess, FinishedAt: now}
	e.SetStart(s)
	j.SettleAndClose(e, &events.RequestClosed{Accept: *a, ClosedAt: now, Attempts: 1})
	return e.EventID
}

// run runs a relay until stop.
func run(t *testing.T, j *journal.Journal, p relay.Publisher) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	r := relay.New(relay.Options{Journal: j, Publisher: p, GatewayID: "gw-1", Logger: discard})
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the relay ended with %v", err)
		}
	}
}

// waitSealed waits until Kafka has the journal to its end.
func waitSealed(t *testing.T, j *journal.Journal) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for j.Stats().Unpublished > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d events are left", j.Stats().Unpublished)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
