package kafka_test

import (
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/events/eventstest"
	"github.com/tollhouse/tollhouse/events/kafka"
)

func TestEnsureTopic(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string) {
		p := newPublisher(t, addr)
		spec := kafka.TopicSpec{Name: fresh("topic"), Partitions: 3, Replication: 1, Retention: 30 * 24 * time.Hour}
		if _, err := p.Partitions(t.Context(), spec.Name); err == nil {
			t.Fatal("the topic is there before it is created")
		}
		if created, err := p.EnsureTopic(t.Context(), spec); !created || err != nil {
			t.Fatalf("created %t, %v", created, err)
		}
		spec.Partitions = 5 // is left as it is
		if created, err := newPublisher(t, addr).EnsureTopic(t.Context(), spec); created || err != nil {
			t.Fatalf("created %t again, %v", created, err)
		}
		partitions, err := p.Partitions(t.Context(), spec.Name)
		if err != nil || len(partitions) != 3 || partitions[2] != 2 {
			t.Fatalf("partitions %v, %v", partitions, err)
		}
		_, err = p.Partitions(t.Context(), fresh("none"))
		wantIs(t, err, kafka.ErrNoTopic)
	})
}

func TestCheckTopic(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string) {
		p := newPublisher(t, addr)
		for _, c := range []struct {
			name string
			spec kafka.TopicSpec
			want []string
		}{
			{"good", kafka.TopicSpec{Retention: 30 * 24 * time.Hour}, nil},
			{"for ever", kafka.TopicSpec{Retention: -1, RetentionBytes: -1}, nil},
			{"short", kafka.TopicSpec{Retention: 24 * time.Hour}, []string{"retention.ms"}},
			{"small", kafka.TopicSpec{Retention: -1, MaxMessageBytes: 100_000}, []string{"max.message.bytes"}},
			{"unsatisfiable", kafka.TopicSpec{Retention: -1, MinInsyncReplicas: 2}, []string{"min.insync.replicas"}},
		} {
			t.Run(c.name, func(t *testing.T) {
				c.spec.Name, c.spec.Replication = fresh("topic"), 1
				if _, err := p.EnsureTopic(t.Context(), c.spec); err != nil {
					t.Fatal(err)
				}
				findings, err := p.CheckTopic(t.Context(), c.spec.Name)
				if err != nil || len(findings) != len(c.want) {
					t.Fatalf("findings %v, %v", findings, err)
				}
				for i, f := range findings {
					if f.Setting != c.want[i] || f.Problem == "" {
						t.Errorf("finding %v, want one on %s", f, c.want[i])
					}
				}
			})
		}
		_, err := p.CheckTopic(t.Context(), fresh("none"))
		wantIs(t, err, kafka.ErrNoTopic)
	})
}

// TestCompactedTopic: compaction would drop facts.
func TestCompactedTopic(t *testing.T) {
	b := eventstest.NewBroker(t)
	if err := b.CreateTopic("compacted", 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	findings, err := newPublisher(t, b.Addr()).CheckTopic(t.Context(), "compacted")
	if err != nil || len(findings) != 1 || findings[0].Setting != "cleanup.policy" {
		t.Fatalf("findings %v, %v", findings, err)
	}
}

// TestReading reads single records and ranges, also where retention has passed.
func TestReading(t *testing.T) {
	b := eventstest.NewBroker(t)
	p := newPublisher(t, b.Addr())
	topic := newTopic(t, p, 2)
	publish(t, p, topic, 1, 0, 10)
	publish(t, p, topic, 1, 10, 20)
	if err := b.DeleteRecords(topic, 1, 5); err != nil {
		t.Fatal(err)
	}
	if first, next, err := p.Offsets(t.Context(), topic, 1); first != 5 || next != 20 || err != nil {
		t.Fatalf("offsets %d…%d, %v", first, next, err)
	}
	for offset, want := range map[int64]string{-1: "", 4: "", 5: "5", 12: "12", 19: "19", 20: "", 99: ""} {
		m, err := p.ReadAt(t.Context(), topic, 1, offset)
		switch {
		case err != nil:
			t.Errorf("offset %d: %v", offset, err)
		case m == nil && want != "", m != nil && m.UUID != want:
			t.Errorf("offset %d: %v, want %q", offset, m, want)
		}
	}
	next := 7
	for m, err := range p.ReadPartition(t.Context(), topic, 1, 7, 15) {
		if err != nil || position(t, m).Offset != int64(next) {
			t.Fatalf("%v, %v, want offset %d", m, err, next)
		}
		next++
	}
	if next != 15 {
		t.Errorf("the range ends at %d", next)
	}
	for _, err := range p.ReadPartition(t.Context(), topic, 1, 0, 15) {
		wantIs(t, err, kafka.ErrOffsetOutOfRange)
	}
	for m, err := range p.ReadPartition(t.Context(), topic, 0, 0, 100) {
		t.Errorf("an empty partition has %v, %v", m, err)
	}
}
