// Package sink stores what Kafka holds in ClickHouse, and rates it. Every step may be repeated and interrupted anywhere:
//
//  1. assigned: start at the progress that ClickHouse holds, after making sure that it is of this topic's life
//  2. fetch; offsets that the log does not hold are noted, unreadable records go to the dead letters and are noted
//  3. store, each until it succeeds: the rows (views fill `seen`) → the barriers → the progress → the commit to Kafka
//
// R4: progress p is written only by one who started at a progress it read and has stored everything between. By induction all
// below p is stored, whoever wrote it: a late zombie needs no fencing.
package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollhouse/tollhouse/analytics/prices"
	"github.com/tollhouse/tollhouse/events"
)

// Log is what the sink asks of Kafka beside the subscription.
type Log interface {
	// ReadAt returns the one record at an offset; nil where there is none.
	ReadAt(ctx context.Context, topic string, partition int, offset int64) (*message.Message, error)
}

// Store takes rows: the tables, as a set keyed by identity. An error says that nothing is known of what was stored.
type Store interface {
	// Insert stores rows, pointers to structs with ch tags, in a table.
	Insert(ctx context.Context, table string, rows []any) error
	// Progress returns where a partition's highest incarnation stands; ok is false where there is none.
	Progress(ctx context.Context, topic string, partition int) (p Progress, ok bool, err error)
}

// Progress is how far a partition is stored.
type Progress struct {
	Incarnation uint32
	Next        int64
	LastID      string // which record stands before Next: lastID
}

// Options of a sink.
type Options struct {
	Store       Store
	Log         Log
	DeadLetters message.Publisher
	Catalogue   *prices.Catalogue
	Topic       string
	Position    func(*message.Message) (partition int, offset int64, recorded time.Time, highWater int64, ok bool)
	Logger      *slog.Logger
	Registerer  prometheus.Registerer

	MaxRows  int           // of a batch; 50,000
	MaxBytes int           // 8 MiB
	MaxWait  time.Duration // from a batch's first record to its storing; 300 ms

	broken rules // only for tests that show that a rule is needed
}

// rules that a test can take out.
type rules struct{ progressFirst, startPast bool }

// Sink is one member of the group.
type Sink struct {
	o       Options
	metrics *metrics

	mu    sync.Mutex
	parts map[int]*part
}

// part is a partition that is assigned.
type part struct {
	incarnation uint32
	expected    int64
	lag         int64
}

// place is where a record stands.
type place struct {
	partition int
	offset    int64
	recorded  time.Time
}

// New makes a sink. Its Assign is for the subscription, which Run then reads.
func New(o Options) *Sink {
	if o.MaxRows == 0 {
		o.MaxRows = 50_000
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 8 << 20
	}
	if o.MaxWait == 0 {
		o.MaxWait = 300 * time.Millisecond
	}
	if o.Topic == "" {
		o.Topic = events.Topic
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Sink{o: o, parts: map[int]*part{}}
	s.metrics = newMetrics(o.Registerer, s.lag)
	return s
}

func (s *Sink) lag() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var sum int64
	for _, p := range s.parts {
		sum += p.lag
	}
	return float64(sum)
}

// Assign says where a partition is read from: where ClickHouse says that it is stored up to. Kafka's committed offset is only for
// showing lag. It is asked again whenever the log does not hold that offset.
func (s *Sink) Assign(ctx context.Context, topic string, partition int, _, first, next int64) (start int64, err error) {
	progress, ok, err := s.o.Store.Progress(ctx, topic, partition)
	if err != nil {
		return 0, fmt.Errorf("progress of partition %d: %w", partition, err)
	}
	p := &part{incarnation: 1, expected: first}
	if ok {
		if p.incarnation, p.expected, err = s.resume(ctx, topic, partition, progress, first, next); err != nil {
			return 0, err
		}
	}
	if s.o.broken.startPast && next > p.expected {
		p.expected++
	}
	s.mu.Lock()
	s.parts[partition] = p
	s.mu.Unlock()
	return p.expected, nil
}

// resume goes on where the progress says, if this is still the log it was of. Starting too early is always right.
func (s *Sink) resume(ctx context.Context, topic string, partition int, at Progress, first, next int64) (incarnation uint32, start int64, err error) {
	recreated := at.Next > next
	if !recreated && at.Next > first && at.LastID != "" {
		before, err := s.o.Log.ReadAt(ctx, topic, partition, at.Next-1)
		if err != nil {
			return 0, 0, fmt.Errorf("read partition %d at %d: %w", partition, at.Next-1, err)
		}
		recreated = before != nil && !s.isLast(before, at.LastID)
	}
	switch {
	case recreated:
		s.o.Logger.Warn("the topic was made anew; reading it from its start", "topic", topic, "partition", partition)
		return at.Incarnation + 1, first, nil
	case at.Next < first: // retention went past us
		err := s.o.Store.Insert(ctx, "sink_gaps", []any{&gapOfLogRow{
			Topic: topic, Incarnation: at.Incarnation, KafkaPartition: uint32(partition),
			FromOffset: uint64(at.Next), ToOffset: uint64(first), Reason: "retention",
		}})
		s.o.Logger.Error("records were deleted before they were stored", "partition", partition, "from", at.Next, "to", first)
		return at.Incarnation, first, err
	}
	return at.Incarnation, at.Next, nil
}

func idOf(m *message.Message) string { return m.Metadata.Get(events.HeaderID) }

// lastID tells a record from every other: its event and when Kafka took it. The event alone would not do: one that is published again
// into a topic that was made anew may come to stand at the very offset where it stood before.
func lastID(m *message.Message, recorded time.Time) string {
	return idOf(m) + "@" + strconv.FormatInt(recorded.UnixMilli(), 10)
}

// isLast says whether a record is the one that progress was noted with. Notes of the first version hold the event alone.
func (s *Sink) isLast(m *message.Message, noted string) bool {
	_, _, recorded, _, _ := s.o.Position(m)
	return noted == lastID(m, recorded) || noted == idOf(m)
}

// Run stores what the subscription hands out until its channel is closed or ctx ends. A message is acknowledged once everything
// up to it is stored.
func (s *Sink) Run(ctx context.Context, messages <-chan *message.Message) error {
	for {
		b := s.newBatch()
		if !s.gather(ctx, messages, b) && b.empty() {
			return nil
		}
		if err := s.storeAll(ctx, b); err != nil {
			if ctx.Err() != nil {
				return nil // what is not stored comes again
			}
			return err
		}
		for _, m := range b.messages {
			m.Ack()
		}
		s.metrics.stored.Add(float64(b.rows))
	}
}

// gather takes messages until the batch is full or has waited long enough. It reports false when there will be no more.
func (s *Sink) gather(ctx context.Context, messages <-chan *message.Message, b *batch) bool {
	var due <-chan time.Time
	for {
		select {
		case m, ok := <-messages:
			if !ok {
				return false
			}
			s.take(b, m)
			if due == nil {
				due = time.After(s.o.MaxWait)
			}
			if b.rows >= s.o.MaxRows || b.bytes >= s.o.MaxBytes {
				return true
			}
		case <-due:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// storeAll stores a batch in the order of effects; each step until it succeeds.
func (s *Sink) storeAll(ctx context.Context, b *batch) error {
	if s.o.broken.progressFirst {
		if err := s.until(ctx, "sink_progress", func() error { return s.o.Store.Insert(ctx, "sink_progress", b.progressRows(s.o.Topic)) }); err != nil {
			return err
		}
	}
	for _, t := range b.tables() {
		if err := s.store(ctx, b, t.name, t.rows); err != nil {
			return err
		}
	}
	if err := s.deadLetters(ctx, b); err != nil {
		return err
	}
	for _, t := range []table{{"sink_gaps", b.missing}, {"barriers", b.barriers}, {"sink_progress", b.progressRows(s.o.Topic)}} {
		if err := s.until(ctx, t.name, func() error { return s.o.Store.Insert(ctx, t.name, t.rows) }); err != nil {
			return err
		}
	}
	return nil
}

// Back-off between two tries of one step.
const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// until repeats a step until it succeeds or ctx ends.
func (s *Sink) until(ctx context.Context, what string, step func() error) error {
	for backoff := firstBackoff; ; backoff = min(2*backoff, lastBackoff) {
		err := step()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.metrics.failures.Inc()
		s.o.Logger.Warn("could not be stored; trying again", "what", what, "err", err, "in", backoff)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(backoff):
		}
	}
}

// store inserts rows; those that the table refuses are found by halving, and become dead letters.
func (s *Sink) store(ctx context.Context, b *batch, name string, rows []any) error {
	if len(rows) == 0 {
		return nil
	}
	var refused error
	err := s.until(ctx, name, func() error {
		err := s.insert(ctx, name, rows)
		if isRefusal(err) {
			refused = err
			return nil
		}
		return err
	})
	switch {
	case err != nil || refused == nil:
		return err
	case len(rows) == 1:
		b.refuse(rows[0], refused)
		return nil
	}
	half := len(rows) / 2
	if err := s.store(ctx, b, name, rows[:half]); err != nil {
		return err
	}
	return s.store(ctx, b, name, rows[half:])
}

// errPanic is a panic while rows were made or sent: one fault stays one row's.
var errPanic = errors.New("panic")

func (s *Sink) insert(ctx context.Context, name string, rows []any) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	return s.o.Store.Insert(ctx, name, rows)
}

// isRefusal tells an error that is the row's from one that passes.
func isRefusal(err error) bool {
	var e *clickhouse.Exception
	if errors.As(err, &e) {
		switch e.Code {
		case 6, 26, 27, 33, 38, 41, 53, 69, 70, 72, 117, 131, 321, 349, 407:
			return true // it cannot be parsed, converted, or is out of range
		}
		return false
	}
	return errors.Is(err, errRow) || errors.Is(err, errPanic)
}

// errRow is a row that cannot be put into a block.
var errRow = errors.New("the row does not fit its table")
