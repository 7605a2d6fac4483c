package journal

import (
	"slices"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/events"
)

// writeLoop writes what nobody waits for, makes the marks, and tries again after a failure.
func (j *Journal) writeLoop() {
	defer j.background.Done()
	marks := time.NewTicker(j.o.MarkEvery)
	defer marks.Stop()
	retry := time.NewTicker(retryEvery)
	defer retry.Stop()
	for {
		select {
		case <-j.stop:
			return
		case <-j.pending:
			if !j.pause(writeEvery) {
				return
			}
			_ = j.flush() // a failure is kept, logged, and tried again
		case <-j.notes: // any other record takes them along
			select {
			case <-j.stop:
				return
			case <-j.pending:
				if !j.pause(writeEvery) {
					return
				}
			case <-time.After(notesEvery):
			}
			_ = j.flush()
		case <-marks.C:
			j.mu.Lock()
			if j.counters != j.marked && !j.sealed && j.failure == nil {
				j.mark(events.CheckpointMark)
			}
			j.mu.Unlock()
		case <-retry.C:
			j.retry()
		}
	}
}

// retry tries a new segment after a failure.
func (j *Journal) retry() {
	j.write.Lock()
	defer j.write.Unlock()
	j.mu.Lock()
	failed := j.failure
	j.mu.Unlock()
	if failed != nil && j.failover(nil, failed) == nil {
		j.o.Logger.Info("the journal can be written again")
		j.wantSync()
	}
}

// syncLoop moves durable: at `always` whenever asked, at `batch` every SyncEvery, at `none` when the relay wants to publish.
func (j *Journal) syncLoop() {
	defer j.background.Done()
	for {
		select {
		case <-j.stop:
			return
		case <-j.syncNow:
		case <-j.dirty:
			if j.o.Sync == SyncNone {
				continue
			}
			if j.o.Sync == SyncBatch {
				select {
				case <-j.stop:
					return
				case <-j.syncNow:
				case <-time.After(j.o.SyncEvery):
				}
			}
		}
		_ = j.flush()
		j.sync()
	}
}

// sync makes what is written durable.
func (j *Journal) sync() {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	j.write.Lock()
	batch := append([]*chunk(nil), j.retained...)
	j.write.Unlock()
	if len(batch) == 0 {
		return
	}
	var last *segment
	for _, c := range batch {
		if c.seg == last {
			continue
		}
		last = c.seg
		if err := last.file.Sync(); err != nil {
			j.write.Lock()
			_ = j.failover(nil, err)
			j.write.Unlock()
			j.wantSync()
			return
		}
	}
	j.write.Lock()
	defer j.write.Unlock()
	// A failover meanwhile has put these records into another segment, where they are not yet durable.
	if len(j.retained) < len(batch) || j.retained[0] != batch[0] {
		return
	}
	rest := copy(j.retained, j.retained[len(batch):])
	clear(j.retained[rest:])
	j.retained = j.retained[:rest]
	j.unsyncedFrom.Store(0)
	if rest > 0 {
		j.unsyncedFrom.Store(j.o.Now().UnixNano())
	}
	j.durable.Store(batch[len(batch)-1].last)
	for _, c := range batch {
		c.release()
	}
	j.moved.all()
	j.forgetFailOpen()
}

// mark appends a checkpoint. j.mu is held.
func (j *Journal) mark(kind events.CheckpointKind) {
	m := &events.Checkpoint{Kind: kind, At: j.o.Now(), Counters: j.counters}
	m.OpenRequests, m.OpenAttempts = m.Accepted-m.Closed, m.Started-m.Settled
	for _, r := range j.open {
		for _, a := range r.running {
			m.OpenInputTokens += a.start.EstimatedInputTokens
			m.OpenOutputTokens += a.start.OutputLimit
			if a.start.OutputLimit == 0 {
				m.OpenUnlimited++
			}
		}
	}
	rec := byte(typeMark)
	switch kind {
	case events.CheckpointOpen:
		rec = typeOpen
		m.PreviousEpoch, m.JournalID, m.Sync = j.previous, j.id, string(j.o.Sync)
		m.BootID, m.Version = j.boot, j.o.Version
	case events.CheckpointSeal:
		rec = typeSeal
	}
	e := j.encode(rec, m, events.NumberedEventID(j.o.GatewayID, j.epoch, j.seq+1, string(kind)))
	j.publish(e)
	e.release()
	j.marked = j.counters
}

// gapEvent appends a gap. j.mu is held.
func (j *Journal) gapEvent(g *events.Gap) {
	g.At = j.o.Now()
	e := j.encode(typeGap, g, events.NumberedEventID(j.o.GatewayID, j.epoch, j.seq+1, "gap"))
	j.publish(e)
	e.release()
	j.o.Logger.Error("facts are missing; a gap is published", "reason", g.Reason, "count", g.Count, "known", g.CountKnown)
}

// settleOpen settles everything that is open as abandoned, in the order of the request ids, so that doing it again gives the
// same records. j.mu is held.
func (j *Journal) settleOpen() {
	for _, id := range sortedKeys(j.open) {
		r := j.open[id]
		at := r.accept.ReceivedAt
		for _, a := range append(r.owed, slices.Clone(r.running)...) {
			at = j.abandon(r, a).FinishedAt
		}
		r.owed = nil
		if r.closed { // before the power failed
			delete(j.open, id)
			j.reserved -= r.room
			j.leave(r)
			continue
		}
		closed := &events.RequestClosed{
			Accept: r.accept, Outcome: events.RequestAbandoned, Attempts: r.attempts, ClosedAt: at,
		}
		if r.won > 0 { // it died between settling and closing
			closed.Outcome, closed.Status, closed.WinningAttempt = events.RequestSuccess, r.status, r.won
		}
		e := j.encode(typeClose, closed, events.ClosedEventID(id))
		j.closed(e, closed)
		e.release()
	}
}

// abandon settles an attempt whose end nobody saw. j.mu is held.
func (j *Journal) abandon(r *openRequest, a openAttempt) *events.AttemptSettled {
	settled := a.abandoned(r.accept)
	e := j.encode(typeSettle, settled, events.SettledEventID(r.accept.RequestID, settled.Attempt))
	if numbered(r.running, settled.Attempt) < 0 { // it is owed one
		r.begun(a.start)
	}
	j.settled(e, settled)
	e.release()
	return settled
}

// abandoned is the settlement of an attempt whose end nobody saw: what the last note said, or an estimate from the intent.
func (a openAttempt) abandoned(accept events.Accept) *events.AttemptSettled {
	e := &events.AttemptSettled{
		Accept: accept, Outcome: events.AttemptAbandoned, SettledBy: events.SettledByRecovery, FinishedAt: a.start.StartedAt,
		UsageEvidence: events.EvidenceEstimated, Usage: events.Usage{InputTokens: a.start.EstimatedInputTokens},
	}
	e.SetStart(a.start)
	if n := a.note; n != nil {
		e.FinishedAt, e.FirstByteAt, e.Status, e.Model, e.ResponseID = n.At, n.FirstByteAt, n.Status, n.Model, n.ResponseID
		if !n.Usage.IsZero() {
			e.Usage, e.UsageEvidence = n.Usage, events.EvidencePartial
		}
	}
	return e
}

// broadcast wakes everybody who waits.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

func newBroadcast() *broadcast { return &broadcast{ch: make(chan struct{})} }

func (b *broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}

func (b *broadcast) all() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ch)
	b.ch = make(chan struct{})
}
