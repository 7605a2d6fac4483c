// Package relay carries what the journal holds to Kafka. It reads only what is durable, and moves on only on the
// broker's word for each record; all it does may be repeated, and is absorbed by the records' identity.
package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollhouse/tollhouse/events"
	"github.com/tollhouse/tollhouse/events/journal"
	"github.com/tollhouse/tollhouse/events/kafka"
)

// Limits of one batch, and the pace of everything else.
const (
	maxRecords   = 1000
	maxBytes     = 1 << 20
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
	// linger gathers a batch: each partition of each batch is a request of its own, and costs as much as many records.
	linger = 400 * time.Millisecond
	// barrierEvery is how often barriers follow a gateway that is busy; barrierIdle is how soon after its last record.
	barrierEvery = 10 * time.Second
	barrierIdle  = 500 * time.Millisecond
)

// Journal is what the relay reads; *journal.Journal is one.
type Journal interface {
	// Read returns published records from lsn on, in order and only below durable; it waits for one until ctx ends.
	Read(ctx context.Context, from uint64, maxRecords, maxBytes int) ([]journal.Record, error)
	// Acknowledge says up to where Kafka has everything.
	Acknowledge(journal.Position) error
	Acknowledged() journal.Position
}

// Publisher sends to Kafka and waits for all replicas; kafka.Publisher is one.
type Publisher interface {
	// PublishContext sends all messages. An error that has a Failed method tells for each message whether it was
	// acknowledged; any other error says that none is known to be.
	PublishContext(ctx context.Context, topic string, messages ...*message.Message) error
	// Partitions lists the topic's partitions, as they were known not long ago.
	Partitions(ctx context.Context, topic string) ([]int, error)
	// Refresh makes the next answer of Partitions a fresh one.
	Refresh()
}

// Options of a relay.
type Options struct {
	Journal    Journal
	Publisher  Publisher
	Topic      string // default events.Topic
	GatewayID  string
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Relay is one gateway's.
type Relay struct {
	Options
	metrics  metrics
	next     uint64 // lsn to read from
	epochs   map[uint64]*progress
	messages []*message.Message // used again for each batch
}

// progress is how far Kafka has one epoch's numbers.
type progress struct {
	acked     uint64 // every seq up to here
	barrier   uint64 // the last acked that every partition was told
	barrierAt time.Time
}

// New makes a relay; Run runs it.
func New(o Options) *Relay {
	if o.Topic == "" {
		o.Topic = events.Topic
	}
	at := o.Journal.Acknowledged()
	r := &Relay{Options: o, metrics: newMetrics(o.Registerer), next: at.LSN + 1, epochs: map[uint64]*progress{}}
	if at.Epoch != 0 {
		r.epochs[at.Epoch] = &progress{acked: at.Seq}
	}
	return r
}

// Run carries records until ctx ends. It never gives up on a record and never skips one.
func (r *Relay) Run(ctx context.Context) error {
	for {
		batch, err := r.read(ctx)
		if err != nil {
			return err
		}
		if len(batch) == 0 { // idle
			if err := r.untilDone(ctx, "barriers", r.barriers); err != nil {
				return err
			}
			continue
		}
		if err := r.publish(ctx, batch); err != nil {
			return err
		}
		if len(batch) < maxRecords && !batch[len(batch)-1].Seal {
			if err := wait(ctx, linger); err != nil {
				return err
			}
		}
	}
}

// read waits for records, but no longer than until barriers are due.
func (r *Relay) read(ctx context.Context) ([]journal.Record, error) {
	limit := barrierEvery
	for _, p := range r.epochs {
		if p.acked > p.barrier {
			limit = barrierIdle
		}
	}
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	batch, err := r.Journal.Read(within, r.next, maxRecords, maxBytes)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil && within.Err() == nil:
		return nil, fmt.Errorf("read journal: %w", err)
	}
	return batch, nil
}

// publish sends a batch, an epoch at a time, and acknowledges it to the journal. What an epoch's seal covers is told to
// every partition before the journal may forget it.
func (r *Relay) publish(ctx context.Context, batch []journal.Record) error {
	for len(batch) > 0 {
		end := 1
		for end < len(batch) && batch[end].Epoch == batch[0].Epoch {
			end++
		}
		if err := r.publishEpoch(ctx, batch[:end]); err != nil {
			return err
		}
		batch = batch[end:]
	}
	return nil
}

// publishEpoch sends records of one epoch until Kafka has them all, and then tells the journal.
func (r *Relay) publishEpoch(ctx context.Context, batch []journal.Record) error {
	p := r.epochs[batch[0].Epoch]
	if p == nil {
		p = &progress{}
		r.epochs[batch[0].Epoch] = p
	}
	acked, large := make([]bool, len(batch)), make([]bool, len(batch))
	prefix := 0 // how many from the front are acknowledged
	backoff := firstBackoff
	for prefix < len(batch) {
		before := prefix
		err := r.send(ctx, batch, acked, large)
		for prefix < len(batch) && acked[prefix] {
			prefix++
		}
		if prefix > before {
			p.acked = batch[prefix-1].Seq
			backoff = firstBackoff
		}
		if err == nil {
			continue
		}
		if err := r.failed(ctx, "events", err, &backoff); err != nil {
			return err
		}
	}
	last := batch[len(batch)-1]
	if last.Seal {
		r.Publisher.Refresh() // no other barrier follows that a new partition could have
	}
	if last.Seal || time.Since(p.barrierAt) >= barrierEvery {
		if err := r.untilDone(ctx, "barriers", r.barriers); err != nil {
			return err
		}
	}
	if last.Seal {
		delete(r.epochs, last.Epoch)
		r.metrics.sealed.Inc()
	}
	r.next = last.LSN + 1
	r.metrics.published.Add(float64(len(batch)))
	if err := r.Journal.Acknowledge(journal.Position{LSN: last.LSN, Epoch: last.Epoch, Seq: last.Seq}); err != nil {
		return fmt.Errorf("acknowledge to journal: %w", err)
	}
	return nil
}

// send sends what is not acknowledged yet, once, and marks what is. A record that the broker finds too large is sent again by itself
// only, so that it holds up nothing but what comes behind it: it stalls the relay with its name, it is never skipped.
func (r *Relay) send(ctx context.Context, batch []journal.Record, acked, large []bool) error {
	messages, at := r.messages[:0], make([]int, 0, len(batch))
	add := func(i int) { messages, at = append(messages, r.message(len(at), &batch[i])), append(at, i) }
	for i := range batch {
		if !acked[i] && !large[i] {
			add(i)
		}
	}
	if len(at) == 0 {
		add(slices.Index(acked, false))
	}
	err := r.Publisher.PublishContext(ctx, r.Topic, messages...)
	var each kafka.PublishErrors
	if err != nil && (!errors.As(err, &each) || len(each) != len(messages)) {
		return err // nothing is known of any
	}
	r.metrics.stalled.Set(0)
	for i, n := range at {
		acked[n] = err == nil || each[i] == nil
		if !acked[n] && errors.Is(each[i], kafka.ErrTooLarge) {
			large[n] = true
			r.metrics.stalled.Set(1)
			r.Logger.Error("a record is larger than the broker takes; publishing waits until max.message.bytes is raised",
				"event", batch[n].EventID, "bytes", len(batch[n].Payload))
		}
	}
	return err
}

// failed waits before the next try.
func (r *Relay) failed(ctx context.Context, what string, err error, backoff *time.Duration) error {
	r.metrics.failures.Inc()
	r.Logger.Warn("kafka does not take the "+what+"; trying again", "err", err, "in", *backoff)
	err = sleep(ctx, *backoff)
	*backoff = min(2**backoff, lastBackoff)
	return err
}

// untilDone repeats f until it succeeds or ctx ends.
func (r *Relay) untilDone(ctx context.Context, what string, f func(context.Context) error) error {
	for backoff := firstBackoff; ; {
		err := f(ctx)
		if err == nil {
			return nil
		}
		if err := r.failed(ctx, what, err, &backoff); err != nil {
			return err
		}
	}
}

// barriers tells every partition how far each epoch is acknowledged, where that moved since it was last told.
func (r *Relay) barriers(ctx context.Context) error {
	for epoch, p := range r.epochs {
		if p.acked == p.barrier {
			continue
		}
		acked := p.acked
		partitions, err := r.Publisher.Partitions(ctx, r.Topic)
		if err != nil {
			return fmt.Errorf("partitions of %s: %w", r.Topic, err)
		}
		messages := make([]*message.Message, len(partitions))
		for i, partition := range partitions {
			if messages[i], err = r.barrier(epoch, acked, partition, len(partitions)); err != nil {
				return err
			}
		}
		if err := r.Publisher.PublishContext(ctx, r.Topic, messages...); err != nil {
			return err
		}
		p.barrier, p.barrierAt = acked, time.Now()
	}
	return nil
}

func (r *Relay) barrier(epoch, acked uint64, partition, partitions int) (*message.Message, error) {
	payload, err := json.Marshal(events.Barrier{
		GatewayID: r.GatewayID, Epoch: epoch, Acked: acked,
		Partition: int32(partition), Partitions: int32(partitions),
	})
	if err != nil {
		return nil, err
	}
	id := events.NumberedEventID(r.GatewayID, epoch, acked, "barrier/"+strconv.Itoa(partition))
	m := message.NewMessage(id, payload)
	now := time.Now()
	setHeaders(m, events.TypeBarrier, id, r.GatewayID, now, epoch, acked)
	m.Metadata.Set(kafka.MetadataPartitionPin, strconv.Itoa(partition))
	return m, nil
}

// message makes the nth message of a batch. Messages, but not their payloads, are used again with the next batch: a publisher is
// done with them when it returns, and making one costs more than all else that is done with it here.
func (r *Relay) message(n int, rec *journal.Record) *message.Message {
	if n == len(r.messages) {
		m := message.NewMessage("", nil)
		m.Metadata = make(message.Metadata, 10)
		r.messages = append(r.messages, m)
	}
	m := r.messages[n]
	m.UUID, m.Payload = rec.EventID, rec.Payload
	setHeaders(m, rec.Type, rec.EventID, r.GatewayID, rec.Time, rec.Epoch, rec.Seq)
	m.Metadata.Set(kafka.MetadataKey, rec.Key)
	return m
}

func setHeaders(m *message.Message, eventType, id, gateway string, at time.Time, epoch, seq uint64) {
	h := m.Metadata
	h[events.HeaderID], h[events.HeaderType], h[events.HeaderSource] = id, eventType, gateway
	h[events.HeaderTime], h[events.HeaderSpecVersion] = at.UTC().Format(events.TimeFormat), "1.0"
	h[events.HeaderContentType], h[events.HeaderGatewayID] = "application/json", gateway
	h[events.HeaderEpoch], h[events.HeaderSeq] = strconv.FormatUint(epoch, 10), strconv.FormatUint(seq, 10)
}

// sleep waits d, give or take half.
func sleep(ctx context.Context, d time.Duration) error { return wait(ctx, d/2+rand.N(d)) }

// wait returns after d, or when ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
