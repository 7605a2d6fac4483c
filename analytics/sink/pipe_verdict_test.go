package sink

import (
	"context"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"github.com/tollhouse/tollhouse/analytics/ledger"
	"github.com/tollhouse/tollhouse/events"
	"github.com/tollhouse/tollhouse/events/kafka"
)

// verdict holds the tables against the truth, everything being healed and drained.
func (p *pipe) verdict() {
	facts := p.books.all()
	p.checkNumbers(facts)
	p.checkAttempts(facts)
	p.checkTables(facts)
	p.checkLog()
	a := p.tables.audit(p.tables.floors())
	if lost := p.lostBelowFloor(facts); a.Unaccounted != lost || a.Duplicated > p.halfStored() || a.Open != 0 && !p.damaged || lost == 0 && a.Gaps != 0 {
		p.problem("12: %d were lost; the audit says unaccounted %d, duplicated %d, gaps %d, open %d: %v",
			lost, a.Unaccounted, a.Duplicated, a.Gaps, a.Open, a.Items)
	}
}

// checkNumbers: each epoch's numbers are 1…last without a hole, and the last is its seal.
func (p *pipe) checkNumbers(facts []*fact) {
	for i, f := range facts {
		first := i == 0 || facts[i-1].epoch != f.epoch
		before := uint64(0)
		if !first {
			before = facts[i-1].seq
		}
		for seq := before + 1; seq < f.seq; seq++ {
			if !p.books.swallowed(f.epochKey, seq) {
				p.problem("3: number %d/%d is in no journal", f.epoch, seq)
			}
		}
		if last := i+1 == len(facts) || facts[i+1].epoch != f.epoch; last != f.seal {
			p.problem("4: number %d/%d: seal %v, last %v", f.epoch, f.seq, f.seal, last)
		}
	}
}

// checkAttempts: each attempt that had a ticket is settled once, as its gateway said or as its recovery had to guess.
func (p *pipe) checkAttempts(facts []*fact) {
	settled := map[string]*events.AttemptSettled{}
	for _, f := range facts {
		if f.kind != events.TypeAttemptSettled {
			continue
		}
		e, err := events.Decode(f.kind, []byte(f.payload))
		if err != nil {
			p.problem("4: %s: %v", f.id, err)
			continue
		}
		settled[f.id] = e.(*events.AttemptSettled)
	}
	for id := range p.books.tickets {
		e := settled[id]
		if e == nil {
			p.problem("4: %s had a ticket and is not settled", id)
			continue
		}
		given := p.books.given[id]
		switch {
		case e.SettledBy == events.SettledByRecovery:
			if e.Usage.InputTokens != 100 {
				p.problem("4: %s is abandoned with %+v", id, e.Usage)
			}
		case given == nil || given.Usage.InputTokens != e.Usage.InputTokens || given.Outcome != e.Outcome:
			p.problem("4: %s is settled as %+v and was given as %+v", id, e, given)
		}
	}
}

// checkTables: every fact is in its table once, with what the journal said, and in the set of numbers; and nothing else is.
func (p *pipe) checkTables(facts []*fact) {
	t := p.tables
	var want totals
	t.mu.Lock()
	for _, f := range facts {
		gone := p.books.gone[f.numberKey]
		if !t.has(f.epochKey, f.seq) && !gone {
			p.problem("8: %s, number %d/%d, is not seen", f.id, f.epoch, f.seq)
		}
		e, err := events.Decode(f.kind, []byte(f.payload))
		if err != nil {
			p.problem("published what cannot be read: %v", err)
			continue
		}
		switch e := e.(type) {
		case *events.AttemptSettled:
			row := newAttemptRow(e, place{})
			v, ok := t.attempts[factKey{hourOf(e.StartedAt), e.Consumer, fmt.Sprint(e.RequestID, "/", e.Attempt)}]
			if !ok && gone {
				continue
			}
			want.attempts++
			want.input += row.InputTokens
			got := v.row
			got.KafkaPartition, got.KafkaOffset, got.RecordedAt, got.Ver = 0, 0, row.RecordedAt, row.Ver
			p.same(f.id, *row, got)
			if !t.charged(f) && gone {
				continue // destroyed between two steps of a sink
			}
			charge := ledger.Charge(e, p.catalogue, time.Time{}, 0)
			want.charges++
			want.amount = want.amount.Add(charge.Amount)
		case *events.RequestClosed:
			row := newRequestRow(e, place{})
			v, ok := t.requests[factKey{hourOf(e.ReceivedAt), e.Consumer, e.RequestID}]
			if !ok && gone {
				continue
			}
			want.requests++
			got := v.row
			got.KafkaPartition, got.KafkaOffset, got.RecordedAt, got.Ver = 0, 0, row.RecordedAt, row.Ver
			p.same(f.id, *row, got)
		case *events.Checkpoint:
			if v, ok := t.marks[f.numberKey]; ok || !gone {
				p.same(f.id, e.Seq, v.row.Seq)
			}
		case *events.Gap:
			p.same(f.id, e.Seq, t.gaps[f.numberKey].row.Seq)
		}
	}
	t.mu.Unlock()
	got := t.sums()
	if p.c.broken.sumAtInsert {
		got.input = t.summed
	}
	if got.attempts != want.attempts || got.requests != want.requests || got.charges != want.charges || got.input != want.input || !got.amount.Equal(want.amount) {
		p.problem("8: the tables sum up to %+v, the facts to %+v", got, want)
	}
	for _, id := range t.eventIDs() {
		if _, ok := p.books.numbers[id]; !ok {
			p.problem("8: %s is in the tables and was never in the journal", id)
		}
	}
}

var sameRow = cmp.Comparer(func(a, b decimal.Decimal) bool { return a.Equal(b) })

func (p *pipe) same(id string, want, got any) {
	if diff := cmp.Diff(want, got, sameRow); diff != "" {
		p.problem("8: %s (-journal +tables):\n%s", id, diff)
	}
}

// checkProgress: all that stands below a partition's progress is stored, whoever wrote it and in the middle of everything.
func (p *pipe) checkProgress() {
	if p.broker == nil || p.damaged {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	client := p.publisher(&line{network: p.network})
	defer client.Close()
	for partition := range p.count {
		at, _, _ := p.tables.Progress(ctx, events.Topic, partition)
		for m, err := range client.ReadPartition(ctx, events.Topic, partition, 0, at.Next) {
			if err != nil {
				return // the broker has its troubles
			}
			if !p.tables.holds(m, partition) {
				where, _ := kafka.PositionOf(m)
				p.problem("7: partition %d is stored up to %d, and %s at %d is not in the tables", partition, at.Next, idOf(m), where.Offset)
			}
		}
	}
}

// checkLog: the tables are a function of the set of records that Kafka holds, whatever the order and the repetitions; and what is below
// the progress is stored.
func (p *pipe) checkLog() {
	if p.damaged {
		return
	}
	client := p.publisher(&line{network: p.network})
	defer client.Close()
	want := newTables()
	for partition := range p.count {
		progress, _, _ := p.tables.Progress(context.Background(), events.Topic, partition)
		next := int64(0)
		for m, err := range client.ReadPartition(context.Background(), events.Topic, partition, 0, 1<<40) {
			if err != nil {
				p.problem("read the log: %v", err)
				return
			}
			at, _ := kafka.PositionOf(m)
			next = at.Offset + 1
			s := New(Options{Catalogue: p.catalogue})
			b := s.newBatch()
			if err := s.read(b, m, place{at.Partition, at.Offset, at.Time.UTC()}); err != nil {
				p.problem("read a record: %v", err)
			}
			for _, t := range b.tables() {
				_ = want.Insert(context.Background(), t.name, t.rows)
			}
		}
		if progress.Next > next {
			p.problem("7: partition %d is stored up to %d of %d", partition, progress.Next, next)
		}
	}
	compareLogs(p, "attempts", want.attempts, p.tables.attempts)
	compareLogs(p, "requests", want.requests, p.tables.requests)
	compareLogs(p, "marks", want.marks, p.tables.marks)
	compareLogs(p, "gaps", want.gaps, p.tables.gaps)
	compareLogs(p, "ledger", want.ledger, p.tables.ledger)
}

// compareLogs compares what readers see of two states. Copies with the same record time may differ in their place alone.
func compareLogs[K comparable, R any](p *pipe, name string, want, got replacing[K, R]) {
	if len(want) != len(got) {
		p.problem("9: %s: %d rows from the log, %d in the table", name, len(want), len(got))
	}
	for key, w := range want {
		if g := got[key]; g.ver != w.ver {
			p.problem("9: %s %v: version %d from the log, %d in the table", name, key, w.ver, g.ver)
		}
	}
}

// lostBelowFloor is how many facts the audit must name: those destroyed, and those that a journal has named.
func (p *pipe) lostBelowFloor(facts []*fact) (n uint64) {
	floors := map[uint64]uint64{}
	for _, e := range p.tables.floors() {
		floors[e.Epoch] = e.Floor
	}
	p.tables.mu.Lock()
	defer p.tables.mu.Unlock()
	for _, f := range facts {
		if f.seq <= floors[f.epoch] && (!p.tables.has(f.epochKey, f.seq) || !p.tables.charged(f)) {
			n++
		}
	}
	for _, gaps := range p.books.named {
		for _, g := range gaps {
			n += g.Count
		}
	}
	return n
}
