package sink

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/shopspring/decimal"

	"github.com/tollhouse/tollhouse/analytics/ledger"
	"github.com/tollhouse/tollhouse/events"
)

// tables is ClickHouse as a model: the same keys, versions and views as analytics/schema/sql has. It holds the state that FINAL
// reads, which no merge changes; TestTheTablesModelIsTheEngine holds it against the engine.
type tables struct {
	mu       sync.Mutex
	attempts replacing[factKey, attemptRow]
	requests replacing[factKey, requestRow]
	ledger   replacing[factKey, ledger.Entry]
	marks    replacing[numberKey, markRow]
	gaps     replacing[numberKey, gapRow]
	rejected replacing[rejectedKey, rejectedRow]
	causes   replacing[causeKey, gapOfLogRow]
	progress replacing[progressKey, progressRow]
	barriers map[epochKey]map[uint32]barrierRow
	seen     map[epochKey]map[string]map[uint64]bool // by kind

	inserts  []table // all that ever took effect, in order
	summed   uint64  // input tokens, added up as they came: what no table of ours does
	anyOrder bool    // a rule taken out: the last writer wins, whatever its version
}

type (
	epochKey struct {
		gateway string
		epoch   uint64
	}
	numberKey struct {
		epochKey
		seq uint64
	}
	// factKey is the sorting key of the logs: the hour first, then identity.
	factKey struct {
		hour     time.Time
		consumer string
		id       string
	}
	rejectedKey struct {
		numberKey
		topic     string
		partition uint32
		offset    uint64
	}
	causeKey struct {
		topic       string
		incarnation uint32
		partition   uint32
		from        uint64
	}
	progressKey struct {
		topic       string
		incarnation uint32
		partition   uint32
	}
)

// replacing is a ReplacingMergeTree: of the rows with one key the highest version stays, and of equal ones the last.
type replacing[K comparable, R any] map[K]versioned[R]

type versioned[R any] struct {
	row R
	ver uint64
}

func (r replacing[K, R]) put(key K, row R, ver uint64, anyOrder bool) {
	if old, ok := r[key]; ok && old.ver > ver && !anyOrder {
		return
	}
	r[key] = versioned[R]{row, ver}
}

func newTables() *tables {
	return &tables{
		attempts: replacing[factKey, attemptRow]{}, requests: replacing[factKey, requestRow]{}, ledger: replacing[factKey, ledger.Entry]{},
		marks: replacing[numberKey, markRow]{}, gaps: replacing[numberKey, gapRow]{}, rejected: replacing[rejectedKey, rejectedRow]{},
		causes: replacing[causeKey, gapOfLogRow]{}, progress: replacing[progressKey, progressRow]{},
		barriers: map[epochKey]map[uint32]barrierRow{}, seen: map[epochKey]map[string]map[uint64]bool{},
	}
}

// Insert stores a block.
func (t *tables) Insert(_ context.Context, name string, rows []any) error {
	t.insert(name, rows, true)
	return nil
}

// insert stores a block; without views it got no further than the table itself, as an insert may that fails half-way.
func (t *tables) insert(name string, rows []any, views bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if views {
		t.inserts = append(t.inserts, table{name, slices.Clone(rows)})
	}
	for _, row := range rows {
		kind, key, seq := t.put(row)
		if views && kind != "" {
			t.see(key, kind, seq)
		}
	}
}

// put stores one row where its type belongs. It returns the kind of number that the row is seen as.
func (t *tables) put(row any) (kind string, key epochKey, seq uint64) {
	switch r := row.(type) {
	case *attemptRow:
		t.attempts.put(factKey{hourOf(r.StartedAt), r.Consumer, fmt.Sprint(r.RequestID, "/", r.Attempt)}, *r, r.Ver, t.anyOrder)
		t.summed += r.InputTokens
		return "settled", epochKey{r.GatewayID, r.Epoch}, r.Seq
	case *requestRow:
		t.requests.put(factKey{hourOf(r.ReceivedAt), r.Consumer, r.RequestID}, *r, r.Ver, t.anyOrder)
		return "closed", epochKey{r.GatewayID, r.Epoch}, r.Seq
	case *ledger.Entry:
		t.ledger.put(factKey{hourOf(r.StartedAt), r.Consumer, r.EntryID}, *r, r.Ver, t.anyOrder)
	case *markRow:
		key := epochKey{r.GatewayID, r.Epoch}
		t.marks.put(numberKey{key, r.Seq}, *r, r.Ver, t.anyOrder)
		return "mark", key, r.Seq
	case *gapRow:
		key := epochKey{r.GatewayID, r.Epoch}
		t.gaps.put(numberKey{key, r.Seq}, *r, r.Ver, t.anyOrder)
		return "gap", key, r.Seq
	case *rejectedRow:
		key := numberKey{epochKey{r.GatewayID, r.Epoch}, r.Seq}
		t.rejected.put(rejectedKey{key, r.Topic, r.KafkaPartition, r.KafkaOffset}, *r, r.Ver, t.anyOrder)
	case *gapOfLogRow:
		t.causes.put(causeKey{r.Topic, r.Incarnation, r.KafkaPartition, r.FromOffset}, *r, r.ToOffset, false)
	case *progressRow:
		t.progress.put(progressKey{r.Topic, r.Incarnation, r.KafkaPartition}, *r, r.Next, false)
	case *barrierRow:
		t.barrier(r)
	default:
		panic(fmt.Sprintf("no table takes a %T", row))
	}
	return "", epochKey{}, 0
}

// barrier keeps the highest of each column, as SimpleAggregateFunction(max) does.
func (t *tables) barrier(r *barrierRow) {
	key := epochKey{r.GatewayID, r.Epoch}
	if t.barriers[key] == nil {
		t.barriers[key] = map[uint32]barrierRow{}
	}
	row := *r
	if old, ok := t.barriers[key][r.Partition]; ok {
		row.Acked, row.Partitions = max(row.Acked, old.Acked), max(row.Partitions, old.Partitions)
	}
	t.barriers[key][r.Partition] = row
}

// see adds a number to the set, as the views do.
func (t *tables) see(key epochKey, kind string, seq uint64) {
	if t.seen[key] == nil {
		t.seen[key] = map[string]map[uint64]bool{}
	}
	if t.seen[key][kind] == nil {
		t.seen[key][kind] = map[uint64]bool{}
	}
	t.seen[key][kind][seq] = true
}

// has says whether a number is in the set, of whatever kind. t.mu is held.
func (t *tables) has(key epochKey, seq uint64) bool {
	for _, seqs := range t.seen[key] {
		if seqs[seq] {
			return true
		}
	}
	return false
}

func hourOf(at time.Time) time.Time { return at.UTC().Truncate(time.Hour) }

// Progress reads the highest incarnation's.
func (t *tables) Progress(_ context.Context, topic string, partition int) (p Progress, ok bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, v := range t.progress {
		if key.topic == topic && key.partition == uint32(partition) && (!ok || key.incarnation > p.Incarnation) {
			p, ok = Progress{Incarnation: key.incarnation, Next: int64(v.row.Next), LastID: v.row.LastID}, true
		}
	}
	return p, ok, nil
}

// sums are the totals that a report shows.
func (t *tables) sums() (x totals) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x.attempts, x.requests, x.charges = uint64(len(t.attempts)), uint64(len(t.requests)), uint64(len(t.ledger))
	for _, v := range t.attempts {
		x.input += v.row.InputTokens
	}
	for _, v := range t.requests {
		for _, c := range v.row.Considered {
			x.scores += c.Score
		}
	}
	x.amount = decimal.Zero
	for _, v := range t.ledger {
		x.amount = x.amount.Add(v.row.Amount)
	}
	return x
}

// eventIDs lists what the logs hold, each row's event once, sorted.
func (t *tables) eventIDs() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	ids := map[string]bool{}
	for _, v := range t.attempts {
		ids[v.row.EventID] = true
	}
	for _, v := range t.requests {
		ids[v.row.EventID] = true
	}
	for _, v := range t.marks {
		ids[v.row.EventID] = true
	}
	for _, v := range t.gaps {
		ids[v.row.EventID] = true
	}
	return slices.Sorted(maps.Keys(ids))
}

// sealed says whether an epoch's last fact is there. t.mu is held.
func (t *tables) sealed(key epochKey) bool {
	for k, v := range t.marks {
		if k.epochKey == key && v.row.Kind == string(events.CheckpointSeal) {
			return true
		}
	}
	return false
}

// charged says whether an event that is charged for has its charge. t.mu is held.
func (t *tables) charged(f *fact) bool {
	if f.kind != events.TypeAttemptSettled {
		return true
	}
	for _, v := range t.ledger {
		if v.row.EventID == f.id {
			return true
		}
	}
	return false
}

// holds says whether what a record says is stored.
func (t *tables) holds(m *message.Message, partition int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	epoch, seq := numberOf(m)
	key := epochKey{gateway, epoch}
	if isBarrier(m) {
		return t.barriers[key][uint32(partition)].Acked >= seq
	}
	return t.has(key, seq)
}

// unseen counts the rows whose numbers are not in the set: an insert got as far as the table, and what it was of is destroyed.
func (t *tables) unseen() (n uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v := range t.attempts {
		if !t.has(epochKey{v.row.GatewayID, v.row.Epoch}, v.row.Seq) {
			n++
		}
	}
	for _, v := range t.requests {
		if !t.has(epochKey{v.row.GatewayID, v.row.Epoch}, v.row.Seq) {
			n++
		}
	}
	return n
}
