package sink

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/tollhouse/tollhouse/analytics/ledger"
	"github.com/tollhouse/tollhouse/analytics/query"
	"github.com/tollhouse/tollhouse/events"
)

// The audit's rule over the model, line by line that of query.ReadAudit: floors first, then what must be there by them.

// floors lists the epochs with how far each is proved.
func (t *tables) floors() []query.EpochAudit {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys := map[epochKey]bool{}
	for key := range t.barriers {
		keys[key] = true
	}
	for key := range t.seen {
		keys[key] = true
	}
	var all []query.EpochAudit
	for _, key := range slices.SortedFunc(maps.Keys(keys), compareEpochs) {
		all = append(all, query.EpochAudit{GatewayID: key.gateway, Epoch: key.epoch, Floor: t.floor(key)})
	}
	return all
}

func compareEpochs(a, b epochKey) int {
	return cmp.Or(cmp.Compare(a.gateway, b.gateway), cmp.Compare(a.epoch, b.epoch))
}

// floor is the least of what the partitions have stored, once each has stored one. t.mu is held.
func (t *tables) floor(key epochKey) uint64 {
	partitions, least, first := uint32(0), uint64(0), true
	for _, b := range t.barriers[key] {
		partitions = max(partitions, b.Partitions)
		if first || b.Acked < least {
			least, first = b.Acked, false
		}
	}
	if len(t.barriers[key]) < int(partitions) {
		return 0
	}
	return least
}

// audit holds the tables as they are now against floors that were read now or before.
func (t *tables) audit(floors []query.EpochAudit) *query.Audit {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := &query.Audit{Epochs: slices.Clone(floors), Items: []string{}}
	for i := range a.Epochs {
		t.auditEpoch(a, &a.Epochs[i])
	}
	for i := range a.Epochs {
		t.auditWhole(a, &a.Epochs[i])
	}
	return a
}

func (t *tables) auditEpoch(a *query.Audit, e *query.EpochAudit) {
	key := epochKey{e.GatewayID, e.Epoch}
	item := func(format string, args ...any) {
		a.Items = append(a.Items, fmt.Sprintf("%d: ", e.Epoch)+fmt.Sprintf(format, args...))
	}
	var m markRow
	for k, v := range t.marks {
		if k.epochKey == key && v.row.Seq <= e.Floor && v.row.Seq >= m.Seq {
			m = v.row
		}
	}
	e.Sealed = t.sealed(key)
	missing := t.missing(a, e, key, item)
	count, named := t.gapEvents(a, key)
	rejected := map[uint64]bool{}
	for k := range t.rejected {
		if k.epochKey == key && k.seq > 0 {
			rejected[k.seq] = true
		}
	}
	missing -= min(missing, named)
	missing = max(missing, uint64(len(rejected)))
	e.Settled, e.Closed = t.members(key, "settled", m.Seq), t.members(key, "closed", m.Seq)
	for _, v := range t.attempts {
		if (epochKey{v.row.GatewayID, v.row.Epoch}) == key && v.row.Outcome == string(events.AttemptAbandoned) {
			e.Abandoned++
		}
	}
	off := distance(m.Accepted, e.Closed+m.OpenRequests) + distance(m.Started, e.Settled+(m.Started-m.Settled))
	if off > missing+count {
		item("%d accepted, %d closed, %d started, %d settled; stored are %d closings and %d settlements up to %d",
			m.Accepted, m.Closed, m.Started, m.Settled, e.Closed, e.Settled, m.Seq)
	}
	a.Unaccounted += max(missing+count, off)
	if !e.Sealed {
		e.Open = m.OpenRequests
		a.Open += e.Open
	}
	rows := map[string]uint64{}
	for _, v := range t.attempts {
		if (epochKey{v.row.GatewayID, v.row.Epoch}) == key && v.row.Seq <= e.Floor {
			rows["settled"]++
		}
	}
	for _, v := range t.requests {
		if (epochKey{v.row.GatewayID, v.row.Epoch}) == key && v.row.Seq <= e.Floor {
			rows["closed"]++
		}
	}
	for _, kind := range []string{"settled", "closed"} {
		if bits := t.members(key, kind, e.Floor); bits != rows[kind] {
			a.Duplicated += distance(bits, rows[kind])
			item("%d rows stand for %d numbers of %s", rows[kind], bits, kind)
		}
	}
}

// missing counts the numbers below the floor that are not in the set, and names their ranges.
func (t *tables) missing(a *query.Audit, e *query.EpochAudit, key epochKey, item func(string, ...any)) uint64 {
	from := uint64(0)
	for seq := uint64(1); seq <= e.Floor+1; seq++ {
		switch here := seq > e.Floor || t.has(key, seq); {
		case !here && from == 0:
			from = seq
		case here && from != 0:
			item("numbers %d to %d are missing", from, seq-1)
			a.Gaps++
			from = 0
		}
		if seq <= e.Floor && t.has(key, seq) {
			e.Seen++
		}
	}
	return e.Floor - e.Seen
}

// gapEvents takes the losses that were named: how many records they count, and how many numbers they explain.
func (t *tables) gapEvents(a *query.Audit, key epochKey) (count, named uint64) {
	for k, v := range t.gaps {
		about := k.epochKey
		if v.row.AboutEpoch != 0 {
			about.epoch = v.row.AboutEpoch
		}
		if about != key {
			continue
		}
		if v.row.Reason == string(events.GapJournalLost) {
			a.WrittenOff += v.row.Count
			continue
		}
		a.Gaps++
		if v.row.CountKnown {
			count += v.row.Count
		}
		if v.row.FirstSeq > 0 && v.row.LastSeq >= v.row.FirstSeq {
			named += v.row.LastSeq - v.row.FirstSeq + 1
		}
	}
	return count, named
}

// members counts the numbers of a kind up to one.
func (t *tables) members(key epochKey, kind string, upTo uint64) (n uint64) {
	for seq := range t.seen[key][kind] {
		if seq <= upTo {
			n++
		}
	}
	return n
}

// auditWhole checks what goes across numbers: every request has its attempts, every attempt its one charge.
func (t *tables) auditWhole(a *query.Audit, e *query.EpochAudit) {
	key := epochKey{e.GatewayID, e.Epoch}
	attempts, charges := map[string]uint64{}, map[string]uint64{}
	for _, v := range t.ledger {
		if v.row.Kind == ledger.KindCharge {
			charges[v.row.EventID]++
		}
	}
	lacking, uncharged := uint64(0), uint64(0)
	for _, v := range t.attempts {
		if (epochKey{v.row.GatewayID, v.row.Epoch}) != key {
			continue
		}
		attempts[v.row.RequestID]++
		if v.row.Seq <= e.Floor && charges[v.row.EventID] != 1 {
			uncharged++
		}
	}
	for _, v := range t.requests {
		if (epochKey{v.row.GatewayID, v.row.Epoch}) == key && v.row.Seq <= e.Floor {
			lacking += distance(uint64(v.row.Attempts), attempts[v.row.RequestID])
		}
	}
	if lacking+uncharged > 0 {
		a.Items = append(a.Items, fmt.Sprintf("%d: %d attempts too many or few, %d not charged once", e.Epoch, lacking, uncharged))
	}
	if a.Unaccounted == 0 {
		a.Unaccounted += lacking
	}
	a.Unaccounted += uncharged
}

func distance(a, b uint64) uint64 { return max(a, b) - min(a, b) }
