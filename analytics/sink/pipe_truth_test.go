package sink

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/tollhouse/tollhouse/analytics/query"
	"github.com/tollhouse/tollhouse/events"
	"github.com/tollhouse/tollhouse/events/journal"
)

// truth is the harness's own books: what was asked of the journal, what came out of it, and what Kafka took.
type truth struct {
	mu      sync.Mutex
	n       int
	tickets map[string]bool                   // attempts that may have gone upstream, by the id of their settlement
	given   map[string]*events.AttemptSettled // what the journal was told of them
	facts   map[epochKey]map[uint64]*fact
	numbers map[string]numberKey       // of each event id
	unacked map[numberKey]*fact        // read by the relay, and not acknowledged yet
	gone    map[numberKey]bool         // destroyed in Kafka before the tables had it
	named   map[epochKey][]*events.Gap // what a journal says that it has lost
	blind   map[epochKey]bool          // its last barriers were destroyed: its floor need not come to its end
	copies  []*message.Message         // of what was sent, to be sent again
}

// fact is one published record.
type fact struct {
	numberKey
	lsn     uint64
	id      string
	kind    string
	payload string
	seal    bool
}

func newTruth() *truth {
	return &truth{
		tickets: map[string]bool{}, given: map[string]*events.AttemptSettled{}, facts: map[epochKey]map[uint64]*fact{},
		numbers: map[string]numberKey{}, unacked: map[numberKey]*fact{}, gone: map[numberKey]bool{}, blind: map[epochKey]bool{},
		named: map[epochKey][]*events.Gap{},
	}
}

func (b *truth) request(at time.Time) (*events.Accept, *events.Start) {
	b.n++
	a := &events.Accept{
		RequestID: fmt.Sprintf("req_%026d", b.n), Consumer: fmt.Sprint("app-", b.n%3), KeyID: "k", Labels: map[string]string{"n": fmt.Sprint(b.n)},
		Dialect: "openai_chat", RequestedModel: "gpt-4o", ReceivedAt: at,
	}
	return a, b.start(a.RequestID, 1, at)
}

func (b *truth) start(id string, attempt uint16, at time.Time) *events.Start {
	return &events.Start{
		RequestID: id, Attempt: attempt, Provider: "openai", Registry: "r", SentModel: "gpt-4o", StartedAt: at,
		EstimatedInputTokens: 100, OutputLimit: 50,
	}
}

func (b *truth) ticket(s *events.Start) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tickets[events.SettledEventID(s.RequestID, s.Attempt)] = true
}

// settlement makes what the journal is told of an attempt; each has a usage of its own.
func (b *truth) settlement(r *simRequest, outcome events.AttemptOutcome, at time.Time) *events.AttemptSettled {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := &events.AttemptSettled{
		Accept: *r.accept, Outcome: outcome, Status: 200, UsageEvidence: events.EvidenceReported, FinishedAt: at,
		Usage: events.Usage{InputTokens: 1000 + uint64(len(b.given)), OutputTokens: 10}, SettledBy: events.SettledByGateway,
	}
	e.SetStart(r.start)
	given := *e
	b.given[events.SettledEventID(e.RequestID, e.Attempt)] = &given
	return e
}

// published takes a record that the relay has read: from here on its number stands for this fact and for no other.
func (b *truth) published(p *pipe, r *journal.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := &fact{
		numberKey: numberKey{epochKey{gateway, r.Epoch}, r.Seq}, lsn: r.LSN, id: r.EventID, kind: r.Type, payload: string(r.Payload), seal: r.Seal,
	}
	seqs := b.facts[f.epochKey]
	if seqs == nil {
		seqs = map[uint64]*fact{}
		b.facts[f.epochKey] = seqs
	}
	if was := seqs[f.seq]; was != nil {
		if was.payload != f.payload {
			p.problem("3: number %d/%d was one fact and is another", f.epoch, f.seq)
		}
		return
	}
	if was, ok := b.numbers[f.id]; ok {
		p.problem("3: %s has number %d/%d and %d/%d", f.id, was.epoch, was.seq, f.epoch, f.seq)
	}
	seqs[f.seq], b.numbers[f.id], b.unacked[f.numberKey] = f, f.numberKey, f
	if f.kind == events.TypeGap {
		b.gap(p, f)
	}
}

// gap takes a loss that a journal names. Only a power loss may swallow records, of which none was durable: of what was written last, the
// disk may keep the later part and not the earlier.
func (b *truth) gap(p *pipe, f *fact) {
	e, err := events.Decode(f.kind, []byte(f.payload))
	g, ok := e.(*events.Gap)
	if err != nil || !ok || g.Reason != events.GapPowerLoss || !p.c.power {
		p.problem("4: the journal says that it lost records: %s (%v)", f.payload, err)
		return
	}
	b.named[f.epochKey] = append(b.named[f.epochKey], g)
}

// swallowed says whether a number was lost in a power loss that names it. b.mu is held.
func (b *truth) swallowed(key epochKey, seq uint64) bool {
	return slices.ContainsFunc(b.named[key], func(g *events.Gap) bool { return g.FirstSeq <= seq && seq <= g.LastSeq })
}

// inKafka takes what Kafka has acknowledged.
func (b *truth) inKafka(m *message.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if isBarrier(m) {
		return
	}
	epoch, seq := numberOf(m)
	key := numberKey{epochKey{gateway, epoch}, seq}
	if _, ok := b.unacked[key]; ok {
		delete(b.unacked, key)
		b.copies = append(b.copies, m.Copy())
	}
}

// someCopies picks some of what was sent, in any order, some of it twice.
func (b *truth) someCopies(r *rand.Rand) (some []*message.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range min(len(b.copies), 1+r.IntN(30)) {
		some = append(some, b.copies[r.IntN(len(b.copies))].Copy())
	}
	return some
}

// destroy takes everything for lost that the tables do not have by now.
func (b *truth) destroy(t *tables) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, seqs := range b.facts {
		for seq, f := range seqs {
			if !t.has(key, seq) || !t.charged(f) {
				b.gone[f.numberKey] = true
			}
			if f.seal {
				b.blind[key] = true
			}
		}
	}
}

// acknowledged checks that a checkpoint is not early. A run without that rule goes on, to be caught by what comes of it.
func (b *truth) acknowledged(p *pipe, at journal.Position) {
	if p.c.broken.checkpointFirst {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.unacked {
		if f.lsn <= at.LSN {
			p.problem("5: the checkpoint is at %d, and Kafka does not have %d/%d", at.LSN, f.epoch, f.seq)
		}
	}
}

// barrier checks that a barrier is not early, likewise.
func (b *truth) barrier(p *pipe, m *message.Message) {
	if p.c.broken.checkpointFirst {
		return
	}
	epoch, acked := numberOf(m)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.unacked {
		if f.epoch == epoch && f.seq <= acked {
			p.problem("5: a barrier says %d/%d, and Kafka does not have %d", epoch, acked, f.seq)
		}
	}
}

// lost is how many facts were destroyed on their way, at most, or are named as lost.
func (b *truth) lost() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.gone)
	for _, gaps := range b.named {
		for _, g := range gaps {
			n += int(g.Count)
		}
	}
	return n
}

// underWay says whether something is proved by these floors, and something is not.
func (b *truth) underWay(floors []query.EpochAudit) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	facts, proved := 0, 0
	for _, seqs := range b.facts {
		facts += len(seqs)
	}
	for _, e := range floors {
		proved += int(e.Floor)
	}
	return 0 < proved && proved < facts
}

// belowFloor names an epoch whose floor is not at its end.
func (b *truth) belowFloor(floors map[uint64]uint64) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, seqs := range b.facts {
		last := slices.Max(slices.Collect(maps.Keys(seqs)))
		if floors[key.epoch] < last && !b.blind[key] {
			return fmt.Sprintf("the floor of %d is %d of %d", key.epoch, floors[key.epoch], last)
		}
	}
	return ""
}

// all lists every fact in the order of its number.
func (b *truth) all() []*fact {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []*fact
	for _, seqs := range b.facts {
		for _, f := range seqs {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(x, y *fact) int {
		if x.epoch != y.epoch {
			return compareEpochs(x.epochKey, y.epochKey)
		}
		return int(x.seq) - int(y.seq)
	})
	return all
}
