package sink

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/tollhouse/tollhouse/events"
	"github.com/tollhouse/tollhouse/events/journal"
	"github.com/tollhouse/tollhouse/events/kafka"
)

// watchedJournal shows the truth what the relay reads, and what it says that Kafka has.
type watchedJournal struct {
	*journal.Journal
	p *pipe
}

func (w watchedJournal) Read(ctx context.Context, from uint64, maxRecords, maxBytes int) ([]journal.Record, error) {
	maxRecords = min(maxRecords, 1+w.p.dice.roll(40))
	records, err := w.Journal.Read(ctx, from, maxRecords, maxBytes)
	for i := range records {
		w.p.books.published(w.p, &records[i])
	}
	if n := len(records); n > 0 && w.p.c.broken.checkpointFirst {
		last := records[n-1]
		_ = w.Journal.Acknowledge(journal.Position{LSN: last.LSN, Epoch: last.Epoch, Seq: last.Seq})
	}
	return records, err
}

func (w watchedJournal) Acknowledge(at journal.Position) error {
	w.p.books.acknowledged(w.p, at)
	return w.Journal.Acknowledge(at)
}

// shakyPublisher fails before or after Kafka has the messages, or some of them, and sends some again.
type shakyPublisher struct {
	*kafka.Publisher
	p *pipe
}

var errNoAnswer = errors.New("scripted: no answer")

func (s shakyPublisher) PublishContext(ctx context.Context, topic string, messages ...*message.Message) error {
	if s.p.c.broken.onePartition && isBarrier(messages[0]) {
		messages = onlyFirst(messages)
	}
	if isBarrier(messages[0]) {
		s.p.books.barrier(s.p, messages[0])
	}
	what := 9
	if s.p.c.trouble && !s.p.calm.Load() {
		what = s.p.dice.roll(10)
	}
	n := len(messages)
	each := make(kafka.PublishErrors, n)
	switch {
	case what == 0:
		return errNoAnswer
	case what == 1:
		_ = s.send(ctx, topic, messages, each)
		return errNoAnswer
	case what == 2: // some are there, of some we are told so
		some := s.p.dice.roll(n)
		if err := s.send(ctx, topic, messages[some:], each[some:]); err != nil {
			return err
		}
		for i := range some + s.p.dice.roll(n-some) {
			each[i] = errNoAnswer
		}
	case what == 3: // each by itself, in any order
		for _, i := range s.shuffled(n) {
			if err := s.send(ctx, topic, messages[i:i+1], each[i:i+1]); err != nil {
				each[i] = err
			} else if s.p.dice.roll(3) == 0 {
				each[i] = errNoAnswer
			}
		}
	default:
		return s.send(ctx, topic, messages, each)
	}
	for i, err := range each {
		if err == nil {
			s.p.books.inKafka(messages[i])
		}
	}
	if s.p.c.broken.highestAck {
		s.barrierAtHighest(ctx, topic, messages, each)
	}
	if !slices.ContainsFunc(each, func(err error) bool { return err != nil }) {
		return nil
	}
	return each
}

// send sends, and notes what Kafka has acknowledged.
func (s shakyPublisher) send(ctx context.Context, topic string, messages []*message.Message, each kafka.PublishErrors) error {
	err := s.Publisher.PublishContext(ctx, topic, messages...)
	var failed kafka.PublishErrors
	if err != nil && (!errors.As(err, &failed) || len(failed) != len(messages)) {
		return err
	}
	copy(each, failed)
	for i := range messages {
		if each[i] == nil {
			s.p.books.inKafka(messages[i])
		}
	}
	return err
}

func (s shakyPublisher) shuffled(n int) []int {
	s.p.dice.mu.Lock()
	defer s.p.dice.mu.Unlock()
	return s.p.dice.r.Perm(n)
}

func isBarrier(m *message.Message) bool {
	return m.Metadata.Get(events.HeaderType) == events.TypeBarrier
}

func numberOf(m *message.Message) (epoch, seq uint64) {
	epoch, _ = strconv.ParseUint(m.Metadata.Get(events.HeaderEpoch), 10, 64)
	seq, _ = strconv.ParseUint(m.Metadata.Get(events.HeaderSeq), 10, 64)
	return epoch, seq
}
