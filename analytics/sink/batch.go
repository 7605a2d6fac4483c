package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/tollhouse/tollhouse/analytics/ledger"
	"github.com/tollhouse/tollhouse/events"
)

// batch is what is stored together: of each partition everything from where it stood.
type batch struct {
	messages []*message.Message
	attempts, requests, charges, marks, gaps,
	barriers, missing []any
	dead     []deadLetter
	progress map[int]*progressRow
	origin   map[any]*message.Message // of a row, should its table refuse it
	rows     int
	bytes    int
}

// deadLetter is a record that cannot be stored.
type deadLetter struct {
	message *message.Message
	at      place
	reason  string
}

// table is rows of one table.
type table struct {
	name string
	rows []any
}

func (s *Sink) newBatch() *batch {
	return &batch{progress: map[int]*progressRow{}, origin: map[any]*message.Message{}}
}

func (b *batch) empty() bool { return len(b.messages) == 0 }

func (b *batch) tables() []table {
	return []table{
		{"attempts_log", b.attempts}, {"requests_log", b.requests}, {"ledger_log", b.charges}, {"marks", b.marks}, {"gaps", b.gaps},
	}
}

func (b *batch) progressRows(topic string) []any {
	rows := make([]any, 0, len(b.progress))
	for _, p := range slices.Sorted(maps.Keys(b.progress)) {
		b.progress[p].Topic = topic
		rows = append(rows, b.progress[p])
	}
	return rows
}

// take adds one message: what was seen is dropped, what is missing is noted, what cannot be read is a dead letter.
func (s *Sink) take(b *batch, m *message.Message) {
	partition, offset, recorded, highWater, ok := s.o.Position(m)
	if !ok {
		s.o.Logger.Error("a message without a position", "uuid", m.UUID)
		m.Ack()
		return
	}
	if m.Context().Err() != nil {
		return // its partition is somebody else's by now
	}
	at := place{partition, offset, recorded}
	if !s.expected(b, m, at, highWater) {
		m.Ack()
		return
	}
	b.messages = append(b.messages, m)
	b.bytes += len(m.Payload)
	b.rows++
	if err := s.read(b, m, at); err != nil {
		b.dead = append(b.dead, deadLetter{m, at, err.Error()})
	}
}

// expected holds a record's offset against the partition's.
func (s *Sink) expected(b *batch, m *message.Message, at place, highWater int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parts[at.partition]
	if p == nil || at.offset < p.expected {
		return false
	}
	if at.offset > p.expected {
		b.missing = append(b.missing, &gapOfLogRow{
			Topic: s.o.Topic, Incarnation: p.incarnation, KafkaPartition: uint32(at.partition),
			FromOffset: uint64(p.expected), ToOffset: uint64(at.offset), Reason: "offsets_missing",
		})
	}
	p.expected = at.offset + 1
	p.lag = max(highWater-p.expected, 0)
	b.progress[at.partition] = &progressRow{
		Incarnation: p.incarnation, KafkaPartition: uint32(at.partition), Next: uint64(p.expected), LastID: lastID(m, at.recorded),
	}
	return true
}

// read turns a record into rows.
func (s *Sink) read(b *batch, m *message.Message, at place) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	kind := m.Metadata.Get(events.HeaderType)
	if kind == events.TypeBarrier {
		return b.barrier(m)
	}
	event, err := events.Decode(kind, m.Payload)
	if errors.Is(err, events.ErrUnknownType) && kind != "" {
		return nil // newer than this sink
	}
	if err != nil {
		return err
	}
	add := func(rows *[]any, row any) {
		*rows = append(*rows, row)
		b.origin[row] = m
	}
	switch e := event.(type) {
	case *events.AttemptSettled:
		row := newAttemptRow(e, at)
		add(&b.attempts, row)
		charge := ledger.Charge(e, s.o.Catalogue, at.recorded, row.Ver)
		add(&b.charges, &charge)
	case *events.RequestClosed:
		add(&b.requests, newRequestRow(e, at))
	case *events.Checkpoint:
		add(&b.marks, newMarkRow(e, at))
	case *events.Gap:
		add(&b.gaps, newGapRow(e, at))
	}
	return nil
}

func (b *batch) barrier(m *message.Message) error {
	var e events.Barrier
	if err := json.Unmarshal(m.Payload, &e); err != nil {
		return fmt.Errorf("decode barrier: %w", err)
	}
	b.barriers = append(b.barriers, &barrierRow{
		GatewayID: e.GatewayID, Epoch: e.Epoch, Partition: uint32(e.Partition), Acked: e.Acked, Partitions: uint32(e.Partitions),
		StoredAt: time.Now().UTC(),
	})
	return nil
}

// refuse makes a dead letter of the record whose row its table refused.
func (b *batch) refuse(row any, why error) {
	if m := b.origin[row]; m != nil {
		b.dead = append(b.dead, deadLetter{message: m, reason: why.Error()})
	}
}

// maxReason bounds what a dead letter says of itself.
const maxReason = 1000

// deadLetters publishes what could not be stored, with the reason, and notes its numbers once Kafka has it.
func (s *Sink) deadLetters(ctx context.Context, b *batch) error {
	var rows []any
	for _, d := range b.dead {
		partition, offset, recorded, _, _ := s.o.Position(d.message)
		reason := d.reason[:min(len(d.reason), maxReason)]
		letter := message.NewMessage(d.message.UUID, d.message.Payload)
		for _, name := range []string{
			events.HeaderID, events.HeaderType, events.HeaderSource, events.HeaderGatewayID, events.HeaderEpoch, events.HeaderSeq,
		} {
			if v := d.message.Metadata.Get(name); v != "" {
				letter.Metadata.Set(name, v)
			}
		}
		letter.Metadata.Set("tollhouse_reason", reason)
		letter.Metadata.Set("tollhouse_partition", strconv.Itoa(partition))
		letter.Metadata.Set("tollhouse_offset", strconv.FormatInt(offset, 10))
		if err := s.until(ctx, "dead letter", func() error { return s.o.DeadLetters.Publish(events.DeadLetterTopic, letter) }); err != nil {
			return err
		}
		s.metrics.rejected.Inc()
		s.o.Logger.Error("a record cannot be stored; it is in the dead-letter topic", "partition", partition, "offset", offset, "reason", reason)
		epoch, _ := strconv.ParseUint(d.message.Metadata.Get(events.HeaderEpoch), 10, 64)
		seq, _ := strconv.ParseUint(d.message.Metadata.Get(events.HeaderSeq), 10, 64)
		rows = append(rows, &rejectedRow{
			GatewayID: d.message.Metadata.Get(events.HeaderGatewayID), Epoch: epoch, Seq: seq, Topic: s.o.Topic,
			KafkaPartition: uint32(partition), KafkaOffset: uint64(offset), EventType: d.message.Metadata.Get(events.HeaderType),
			Reason: reason, RecordedAt: recorded, Ver: version(true, recorded),
		})
	}
	return s.until(ctx, "rejected", func() error { return s.o.Store.Insert(ctx, "rejected", rows) })
}
