package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/shopspring/decimal"

	"github.com/tollhouse/tollhouse/analytics/prices"
	"github.com/tollhouse/tollhouse/analytics/query"
	"github.com/tollhouse/tollhouse/analytics/schema"
	"github.com/tollhouse/tollhouse/analytics/warehousetest"
	"github.com/tollhouse/tollhouse/events"
	"github.com/tollhouse/tollhouse/events/eventstest"
	"github.com/tollhouse/tollhouse/events/kafka"
)

func TestMain(m *testing.M) { warehousetest.Main(m) }

// books is a topic, a database and what was published.
type books struct {
	t         *testing.T
	conn      driver.Conn
	broker    *eventstest.Embedded
	publisher *kafka.Publisher
	records   []*message.Message // the facts, in the order of their numbers
	seq       uint64
	requests  int
}

const (
	gateway = "gw-1"
	epoch   = uint64(1_793_000_000_000_000)
)

func newBooks(t *testing.T) *books {
	t.Helper()
	conn, _ := warehousetest.New(t)
	if err := schema.Migrate(context.Background(), conn); err != nil {
		t.Fatal(err)
	}
	b := &books{t: t, conn: conn, broker: eventstest.NewBroker(t)}
	var err error
	if b.publisher, err = kafka.NewPublisher(kafka.PublisherOptions{Connection: b.connection()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.publisher.Close() })
	b.makeTopics()
	return b
}

func (b *books) connection() kafka.Connection {
	return kafka.Connection{Brokers: []string{b.broker.Addr()}, MetadataTTL: 200 * time.Millisecond}
}

const partitions = 3

func (b *books) makeTopics() {
	b.t.Helper()
	for name, n := range map[string]int{events.Topic: partitions, events.DeadLetterTopic: 1} {
		if _, err := b.publisher.EnsureTopic(context.Background(), kafka.TopicSpec{Name: name, Partitions: n}); err != nil {
			b.t.Fatal(err)
		}
	}
}

// makeAnew makes a topic that was just deleted: for as long as the client remembers it, it is taken to be there.
func (b *books) makeAnew() {
	b.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		created, err := b.publisher.EnsureTopic(context.Background(), kafka.TopicSpec{Name: events.Topic, Partitions: partitions})
		switch {
		case created && err == nil:
			return
		case time.Now().After(deadline):
			b.t.Fatalf("the topic was not made anew: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// fact numbers an event and makes its record.
func (b *books) fact(e events.Event, id string) *message.Message {
	b.seq++
	n := e.Number()
	*n = events.Numbered{EventID: id, GatewayID: gateway, Epoch: epoch, Seq: b.seq}
	payload, _ := e.AppendJSON(nil)
	m := message.NewMessage(id, payload)
	for k, v := range events.Headers(e) {
		m.Metadata.Set(k, v)
	}
	m.Metadata.Set(kafka.MetadataKey, e.Key())
	b.records = append(b.records, m)
	return m
}

var began = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// request makes the facts of one: n attempts, of which the last succeeds.
func (b *books) request(attempts int) {
	b.requests++
	at := began.Add(time.Duration(b.requests) * time.Second)
	accept := events.Accept{
		RequestID: fmt.Sprintf("req_%026d", b.requests), Consumer: "app", Labels: map[string]string{"n": strconv.Itoa(b.requests)},
		Dialect: "openai_chat", RequestedModel: "gpt-4o", ReceivedAt: at,
	}
	considered := []events.Considered{{Attempt: 1, Registry: "other", Reason: events.NotServed}}
	for i := range attempts {
		considered = append(considered, events.Considered{
			Attempt: uint16(i + 1), Registry: "r", Endpoint: "e", Model: "gpt-4o", Reason: events.Chosen, Score: 7,
		})
		e := &events.AttemptSettled{
			Accept: accept, Attempt: uint16(i + 1), Provider: "openai", Registry: "r", SentModel: "gpt-4o", Outcome: events.AttemptSuccess,
			UsageEvidence: events.EvidenceReported, Usage: events.Usage{InputTokens: 1000, OutputTokens: 100}, StartedAt: at, FinishedAt: at,
			SettledBy: events.SettledByGateway,
		}
		if i+1 < attempts {
			e.Outcome, e.Usage, e.UsageEvidence = events.AttemptRetryable, events.Usage{}, events.EvidenceNone
		}
		b.fact(e, events.SettledEventID(accept.RequestID, e.Attempt))
	}
	b.fact(&events.RequestClosed{
		Accept: accept, Status: 200, Outcome: events.RequestSuccess, Attempts: uint16(attempts), WinningAttempt: uint16(attempts), ClosedAt: at,
		Considered: considered,
	}, events.ClosedEventID(accept.RequestID))
}

// seal makes the epoch's last fact.
func (b *books) seal(c events.Counters) {
	id := events.NumberedEventID(gateway, epoch, b.seq+1, "seal")
	b.fact(&events.Checkpoint{Kind: events.CheckpointSeal, At: began, Counters: c}, id)
}

func (b *books) publish(records ...*message.Message) {
	b.t.Helper()
	for len(records) > 0 {
		n := min(len(records), 500)
		if err := b.publisher.PublishContext(context.Background(), events.Topic, records[:n]...); err != nil {
			b.t.Fatal(err)
		}
		records = records[n:]
	}
}

// barriers tells every partition that all numbers are in Kafka.
func (b *books) barriers() {
	b.t.Helper()
	for p := range partitions {
		payload, _ := json.Marshal(events.Barrier{GatewayID: gateway, Epoch: epoch, Acked: b.seq, Partition: int32(p), Partitions: partitions})
		m := message.NewMessage(fmt.Sprint("barrier", p), payload)
		m.Metadata.Set(events.HeaderType, events.TypeBarrier)
		m.Metadata.Set(events.HeaderID, fmt.Sprintf("%s/%d/%d/barrier/%d", gateway, epoch, b.seq, p))
		m.Metadata.Set(kafka.MetadataPartitionPin, strconv.Itoa(p))
		b.publish(m)
	}
}

// run starts a sink over a store; stop ends it wherever it is.
func (b *books) run(store Store, broken rules) (stop func()) {
	b.t.Helper()
	catalogue, err := prices.BuiltIn()
	if err != nil {
		b.t.Fatal(err)
	}
	s := New(Options{
		Store: store, Log: b.publisher, DeadLetters: b.publisher, Catalogue: catalogue, MaxWait: 20 * time.Millisecond, broken: broken,
		Position: func(m *message.Message) (int, int64, time.Time, int64, bool) {
			at, ok := kafka.PositionOf(m)
			return at.Partition, at.Offset, at.Time.UTC(), at.HighWatermark, ok
		},
	})
	sub, err := kafka.NewSubscriber(kafka.SubscriberOptions{
		Connection: b.connection(), Group: "sink", MaxUnacked: 10_000, OnAssign: s.Assign,
		HeartbeatInterval: 100 * time.Millisecond, FetchWait: 20 * time.Millisecond,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	messages, err := sub.Subscribe(ctx, events.Topic)
	if err != nil {
		b.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx, messages); err != nil {
			b.t.Error(err)
		}
	}()
	return func() {
		cancel()
		<-done
		_ = sub.Close()
	}
}

// totals is what a report sees; it must not move whatever is repeated.
type totals struct {
	attempts, requests, charges, input, scores uint64
	amount                                     decimal.Decimal
}

func (x totals) equal(y totals) bool {
	same := x.amount.Equal(y.amount)
	x.amount, y.amount = decimal.Zero, decimal.Zero
	return same && x == y
}

func (b *books) totals() (x totals) {
	b.t.Helper()
	for sql, into := range map[string][]any{
		"SELECT count(), sum(input_tokens) FROM attempts": {&x.attempts, &x.input}, "SELECT count(), sum(arraySum(considered.score)) FROM requests": {&x.requests, &x.scores},
		"SELECT count(), sum(amount) FROM ledger": {&x.charges, &x.amount},
	} {
		if err := b.conn.QueryRow(context.Background(), sql).Scan(into...); err != nil {
			b.t.Fatal(err)
		}
	}
	return x
}

func (b *books) audit() *query.Audit {
	b.t.Helper()
	a, err := query.ReadAudit(context.Background(), b.conn, query.AuditOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

// settled waits until everything that was published is stored: the floor is at the last number.
func (b *books) settled() *query.Audit {
	b.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		a := b.audit()
		if len(a.Epochs) == 1 && a.Epochs[0].Floor == b.seq {
			return a
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("not stored in time: %+v", a)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// wobbly fails, or times out and takes effect all the same, now or later.
type wobbly struct {
	Store
	mu   sync.Mutex
	r    *rand.Rand
	late []func()
}

func (w *wobbly) Insert(ctx context.Context, table string, rows []any) error {
	if len(rows) == 0 {
		return nil
	}
	w.mu.Lock()
	dice := w.r.IntN(6)
	w.mu.Unlock()
	switch dice {
	case 0:
		return errors.New("scripted: failed")
	case 1:
		_ = w.Store.Insert(ctx, table, rows)
		return errors.New("scripted: timed out, and took effect")
	case 2:
		w.mu.Lock()
		w.late = append(w.late, func() { _ = w.Store.Insert(context.WithoutCancel(ctx), table, rows) })
		w.mu.Unlock()
		return errors.New("scripted: timed out, and takes effect later")
	}
	return w.Store.Insert(ctx, table, rows)
}

func (w *wobbly) settle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.late {
		f()
	}
	w.late = nil
}

// progressed waits until every partition is stored to its end.
func (b *books) progressed() {
	b.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for p := 0; p < partitions; {
		_, next, err := b.publisher.Offsets(context.Background(), events.Topic, p)
		if err != nil {
			b.t.Fatal(err)
		}
		at, _, err := ClickHouse{Conn: b.conn}.Progress(context.Background(), events.Topic, p)
		if err != nil {
			b.t.Fatal(err)
		}
		if at.Next >= next {
			p++
			continue
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("partition %d is stored up to %d of %d", p, at.Next, next)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// once fails the n-th insert and all that follow, as a kill at that step does.
type once struct {
	Store
	mu   sync.Mutex
	left int
	die  func()
}

func (o *once) Insert(ctx context.Context, table string, rows []any) error {
	if len(rows) == 0 {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.left--; o.left < 0 {
		go o.die()
		return errors.New("scripted: dead")
	}
	return o.Store.Insert(ctx, table, rows)
}
