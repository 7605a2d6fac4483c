package sink

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/shopspring/decimal"

	"github.com/tollhouse/tollhouse/events"
	"github.com/tollhouse/tollhouse/events/kafka"
)

func TestEffectivelyOnce(t *testing.T) {
	b := newBooks(t)
	for i := range 300 {
		b.request(1 + i%3)
	}
	b.seal(events.Counters{Accepted: 300, Closed: 300, Started: 600, Settled: 600})
	want := totals{600, 300, 600, 300_000, 7 * 600, decimal.RequireFromString("1.05")} // 300 × (1,000 × 2.5 + 100 × 10) / 10⁶

	// Every fact three times, in any order, while two sinks with a wobbly store are killed and started over and over.
	var copies []*message.Message
	for range 3 {
		for _, m := range b.records {
			copies = append(copies, m.Copy())
		}
	}
	r := rand.New(rand.NewPCG(7, 7))
	r.Shuffle(len(copies), func(i, k int) { copies[i], copies[k] = copies[k], copies[i] })
	store := &wobbly{Store: ClickHouse{Conn: b.conn}, r: rand.New(rand.NewPCG(7, 8))}
	for i := range 3 {
		b.publish(copies[i*len(copies)/3 : (i+1)*len(copies)/3]...)
		stop := b.run(store, rules{})
		time.Sleep(time.Duration(50+r.IntN(200)) * time.Millisecond)
		stop()
	}
	b.barriers()
	stop := b.run(ClickHouse{Conn: b.conn}, rules{})
	b.settled()
	stop()
	store.settle()
	if got := b.totals(); !got.equal(want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if a := b.audit(); !a.OK() || a.Open != 0 {
		t.Errorf("the books do not close: %+v", a)
	}

	// The topic from its start, once more: a sink that knows nothing.
	if err := b.conn.Exec(context.Background(), "TRUNCATE TABLE sink_progress"); err != nil {
		t.Fatal(err)
	}
	stop = b.run(ClickHouse{Conn: b.conn}, rules{})
	b.progressed()
	stop()
	if got := b.totals(); !got.equal(want) {
		t.Errorf("after a replay %+v, want %+v", got, want)
	}
	if a := b.audit(); !a.OK() {
		t.Errorf("after a replay the books do not close: %+v", a)
	}
}

func TestALostRecordIsNamedAndNoneElse(t *testing.T) {
	b := newBooks(t)
	for range 20 {
		b.request(1)
	}
	b.seal(events.Counters{Accepted: 20, Closed: 20, Started: 20, Settled: 20})
	stop := b.run(ClickHouse{Conn: b.conn}, rules{})
	defer stop()
	b.publish(b.records[:10]...)
	b.progressed()
	if a := b.audit(); !a.OK() {
		t.Errorf("what is under way is called lost: %+v", a)
	}
	b.publish(append(b.records[10:12:12], b.records[13:]...)...) // number 13 was acknowledged and then destroyed
	b.barriers()
	a := b.settled()
	if a.Unaccounted != 1 || a.Gaps != 1 || a.Duplicated != 0 || len(a.Items) == 0 || !strings.Contains(a.Items[0], "numbers 13 to 13 are missing") {
		t.Errorf("%+v", a)
	}
}

func TestUnreadableRecordsBecomeDeadLettersAndAreNamed(t *testing.T) {
	b := newBooks(t)
	b.request(1)
	b.request(1)
	b.seal(events.Counters{Accepted: 2, Closed: 2, Started: 2, Settled: 2})
	b.records[0].Payload = []byte(`{"event_id": broken`)
	newer := message.NewMessage("x", []byte(`{}`))
	newer.Metadata.Set(events.HeaderType, "tollhouse.something.new.v7")
	stop := b.run(ClickHouse{Conn: b.conn}, rules{})
	defer stop()
	b.publish(append(b.records, newer)...)
	b.barriers()
	a := b.settled()
	if a.Unaccounted != 1 || !strings.Contains(strings.Join(a.Items, "\n"), "1 records were rejected") {
		t.Errorf("%+v", a)
	}
	letters := 0
	for m, err := range b.publisher.ReadPartition(context.Background(), events.DeadLetterTopic, 0, 0, 100) {
		if err != nil {
			t.Fatal(err)
		}
		letters++
		if m.Metadata.Get(events.HeaderSeq) != "1" || m.Metadata.Get("tollhouse_reason") == "" || string(m.Payload) != string(b.records[0].Payload) {
			t.Errorf("dead letter %+v", m)
		}
	}
	if letters != 1 {
		t.Errorf("%d dead letters", letters)
	}
}

func TestATopicMadeAnewIsReadFromItsStart(t *testing.T) {
	b := newBooks(t)
	for range 30 {
		b.request(1)
	}
	stop := b.run(ClickHouse{Conn: b.conn}, rules{})
	b.publish(b.records[:40]...)
	b.progressed()
	stop()
	if err := b.broker.DeleteTopic(events.Topic); err != nil {
		t.Fatal(err)
	}
	b.makeAnew()
	b.seal(events.Counters{Accepted: 30, Closed: 30, Started: 30, Settled: 30})
	b.publish(b.records[40:]...) // fewer than were there before: offsets are used again
	b.barriers()
	stop = b.run(ClickHouse{Conn: b.conn}, rules{})
	defer stop()
	if a := b.settled(); !a.OK() || b.totals().attempts != 30 {
		t.Errorf("%+v, %+v", a, b.totals())
	}
}

// What is published again into the new topic may stand at the very offset where it stood before: that proves nothing.
func TestATopicMadeAnewIsKnownByMoreThanAnEvent(t *testing.T) {
	b := newBooks(t)
	for range 4 {
		b.request(1)
	}
	b.seal(events.Counters{Accepted: 4, Closed: 4, Started: 4, Settled: 4})
	for _, r := range b.records {
		r.Metadata.Set(kafka.MetadataPartitionPin, "0")
	}
	stop := b.run(ClickHouse{Conn: b.conn}, rules{})
	b.publish(b.records[:4]...)
	b.progressed()
	stop()
	if err := b.broker.DeleteTopic(events.Topic); err != nil {
		t.Fatal(err)
	}
	b.makeAnew()
	b.publish(append(b.records[4:7:7], b.records[3])...)
	b.publish(b.records[7:]...)
	b.barriers()
	stop = b.run(ClickHouse{Conn: b.conn}, rules{})
	defer stop()
	if a := b.settled(); !a.OK() || b.totals().attempts != 4 {
		t.Errorf("%+v, %+v", a, b.totals())
	}
}

func TestRetentionThatPassesTheSinkIsNamed(t *testing.T) {
	b := newBooks(t)
	for range 30 {
		b.request(1)
	}
	stop := b.run(ClickHouse{Conn: b.conn}, rules{})
	b.publish(b.records[:20]...)
	b.progressed()
	stop()
	b.publish(b.records[20:]...)
	for p := range partitions {
		_, next, err := b.publisher.Offsets(context.Background(), events.Topic, p)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.broker.DeleteRecords(events.Topic, p, next); err != nil {
			t.Fatal(err)
		}
	}
	b.seal(events.Counters{Accepted: 30, Closed: 30, Started: 30, Settled: 30})
	b.publish(b.records[60:]...)
	b.barriers()
	stop = b.run(ClickHouse{Conn: b.conn}, rules{})
	defer stop()
	a := b.settled()
	if a.Unaccounted != 40 || a.Gaps == 0 {
		t.Errorf("40 records were deleted unread: %+v", a)
	}
	var causes uint64
	if err := b.conn.QueryRow(context.Background(), "SELECT count() FROM sink_gaps WHERE reason = 'retention'").Scan(&causes); err != nil || causes == 0 {
		t.Errorf("%d causes, %v", causes, err)
	}
}

// Killed before each step in turn, the next sink goes on; with a rule taken out, facts are lost.
func TestKilledAtEveryStep(t *testing.T) {
	lost := func(step int, broken rules) bool {
		b := newBooks(t)
		for range 5 {
			b.request(2)
		}
		b.seal(events.Counters{Accepted: 5, Closed: 5, Started: 10, Settled: 10})
		b.publish(b.records...)
		b.barriers()
		died := make(chan struct{})
		var one sync.Once
		stop := b.run(&once{Store: ClickHouse{Conn: b.conn}, left: step, die: func() { one.Do(func() { close(died) }) }}, broken)
		select {
		case <-died:
		case <-time.After(3 * time.Second): // it got through
		}
		stop()
		stop = b.run(ClickHouse{Conn: b.conn}, broken)
		defer stop()
		b.progressed()
		return !b.audit().OK() || b.totals().attempts != 10
	}
	for step := range 7 {
		if lost(step, rules{}) {
			t.Errorf("killed before step %d: facts are lost", step)
		}
	}
	if !lost(1, rules{progressFirst: true}) {
		t.Error("progress before rows loses nothing: the rule is not shown")
	}
	if !lost(99, rules{startPast: true}) {
		t.Error("starting past the progress loses nothing: the rule is not shown")
	}
}
