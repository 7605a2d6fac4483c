// Package journal is the gateway's local write-ahead log: intent before spend, facts after. A fact gets its identity and
// its number here, once; all later stages copy.
//
// The protocol is: nothing is published that is not durable (R1); no call goes upstream without a ticket, which only
// Begin and Start make (R2); what has been started can always be settled, because its room is reserved (R3).
package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollhouse/tollhouse/events"
)

// Sync is how far an intent must have got before its call may go upstream.
type Sync string

// Levels.
const (
	SyncBatch  Sync = "batch"  // written: it survives the death of the process, and of the machine after ≤ 10 ms and one fsync
	SyncAlways Sync = "always" // fdatasynced: it survives the death of the machine
	SyncNone   Sync = "none"   // in memory: what a killed process had started in its last millisecond is lost
)

// WhenFull is what becomes of new work when the journal cannot take it.
type WhenFull string

// Choices.
const (
	Refuse WhenFull = "refuse" // nothing is served that cannot be accounted for
	Serve  WhenFull = "serve"  // it is served, and the loss is counted and becomes a gap event
)

// Options of a journal; zero values are the defaults.
type Options struct {
	Dir          string
	GatewayID    string
	Version      string // of the program, for the record
	Sync         Sync
	MaxBytes     int64 // of all segments; 8 GiB
	SegmentBytes int64 // 16 MiB
	WhenFull     WhenFull
	SyncEvery    time.Duration // between two fdatasyncs; 10 ms
	MarkEvery    time.Duration // between two checkpoints; 10 s
	Logger       *slog.Logger
	Registerer   prometheus.Registerer
	Now          func() time.Time
	FS           FS                     // the operating system's files
	BootID       func() (string, error) // changes with every start of the machine

	broken rules // only for tests that show that a rule is needed
}

// rules that a test can take out.
type rules struct{ publishUnsynced, ticketWithoutWrite, reserveNothing, settleTwice bool }

// Limits that are not configured.
const (
	reservePerAttempt = 32 << 10 // for the settlement of an attempt, and again for the closing of a request
	acceptWithin      = 8 << 10  // of that; a larger acceptance, which each of them repeats, has more reserved
	maxLag            = time.Second
	writeEvery        = time.Millisecond
	notesEvery        = 10 * time.Millisecond // for notes alone, which refine an estimate
	retryEvery        = time.Second
)

func (o *Options) fill() error {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&o.SyncEvery, 10*time.Millisecond)
	set(&o.MarkEvery, 10*time.Second)
	if o.Sync == "" {
		o.Sync = SyncBatch
	}
	if o.WhenFull == "" {
		o.WhenFull = Refuse
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 8 << 30
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 16 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FS == nil {
		o.FS = osFS{}
	}
	if o.BootID == nil {
		o.BootID = bootID
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.Dir == "" || o.GatewayID == "":
		return errors.New("journal: directory and gateway id must be given")
	case o.Sync != SyncBatch && o.Sync != SyncAlways && o.Sync != SyncNone:
		return fmt.Errorf("journal: sync: %q is not batch, always or none", o.Sync)
	case o.SegmentBytes < 4*events.MaxPayload || o.MaxBytes < 4*o.SegmentBytes:
		return fmt.Errorf("journal: max_bytes: %d is less than four segments of %d", o.MaxBytes, o.SegmentBytes)
	}
	return nil
}

// Journal is one gateway's, open in one process. Its methods may be called by many goroutines.
type Journal struct {
	o       Options
	metrics metrics
	id      string // of this journal, made with its first segment
	epoch   uint64
	boot    string
	unlock  func()

	// mu is held for as long as it takes to number a record and copy it.
	mu          sync.Mutex
	cur         *segment
	chunks      []*chunk // appended and not yet written, in order
	lsn         uint64   // of the last record
	seq         uint64   // of the last published record of this epoch
	counters    events.Counters
	open        map[string]*openRequest
	reserved    int64
	segments    []*segment // in order; the last is cur
	failure     error      // the disk does not take records
	sealed      bool
	refusing    bool            // since the last admission
	damaged     int             // segments that could not be read when it was opened
	marked      events.Counters // as of the last mark
	failOpen    gapState        // what was served without records, not yet an event
	failOpenLSN uint64          // of that event, until the count on disk is taken back

	// write is held while chunks are written; retained is what is written and not yet durable.
	write    sync.Mutex
	retained []*chunk
	syncing  sync.Mutex

	spare     chan *segment // made in the background, or not needed any more
	needSpare chan struct{}
	spareErr  error // under mu
	numbers   atomic.Uint64
	previous  uint64 // epoch

	written      atomic.Uint64
	durable      atomic.Uint64
	unsyncedFrom atomic.Int64 // when the oldest record above durable was written, Unix ns; 0: none
	moved        *broadcast   // whenever durable moves, or the journal fails
	syncNow      chan struct{}
	pending      chan struct{} // something waits to be written
	notes        chan struct{} // a note does
	dirty        chan struct{} // something waits to be durable
	stop         chan struct{}
	background   sync.WaitGroup

	ackMu   sync.Mutex
	acked   Position // what the relay said last
	synced  Position // the last of these that is on disk
	slot    int
	savedAt time.Time
	ck      File
	gap     File
	cursor  cursor
}

// Open takes the directory for this process, settles what an earlier process left open, and begins a new epoch.
func Open(o Options) (*Journal, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	if err := o.FS.MkdirAll(o.Dir); err != nil {
		return nil, err
	}
	unlock, err := o.FS.Lock(filepath.Join(o.Dir, "LOCK"))
	if err != nil {
		return nil, err
	}
	j := &Journal{
		o: o, metrics: newMetrics(), unlock: unlock, open: map[string]*openRequest{}, spare: make(chan *segment, keptSpares),
		moved: newBroadcast(), syncNow: make(chan struct{}, 1), stop: make(chan struct{}),
		pending: make(chan struct{}, 1), notes: make(chan struct{}, 1), dirty: make(chan struct{}, 1), needSpare: make(chan struct{}, 1),
	}
	if err := j.start(); err != nil {
		j.closeFiles()
		unlock()
		return nil, fmt.Errorf("journal: %w", err)
	}
	if o.Registerer != nil {
		j.metrics.register(o.Registerer, j)
	}
	j.background.Add(3)
	go j.writeLoop()
	go j.syncLoop()
	go j.spareLoop()
	return j, nil
}

// Begin keeps a request's acceptance and the intent of its first attempt as one record, and returns when it is there at the
// journal's level. Where it returns an error, the request is closed again.
func (j *Journal) Begin(ctx context.Context, a *events.Accept, s *events.Start) (events.Ticket, error) {
	rec := getRecord(typeBegin)
	rec.buf = appendPart(rec.buf, a.AppendJSON)
	room := roomFor(len(rec.buf))
	rec.buf = appendPart(rec.buf, s.AppendJSON)
	defer rec.release()

	j.mu.Lock()
	if err := j.admit(2*room + int64(len(rec.buf))); err != nil {
		j.mu.Unlock()
		return j.unaccounted(s, err)
	}
	lsn := j.append(rec)
	start := *s
	r := &openRequest{accept: *a, room: room}
	r.begun(&start)
	j.enter(r)
	j.open[a.RequestID] = r
	j.reserved += 2 * room
	j.counters.Accepted++
	j.counters.Started++
	j.mu.Unlock()
	if err := j.await(ctx, lsn); err != nil {
		j.undo(s, true)
		return nil, err
	}
	return &ticket{}, nil
}

// Start keeps the intent of a later attempt. Where it returns an error, that attempt is settled again, unless the error matches
// events.ErrNotStarted.
func (j *Journal) Start(ctx context.Context, s *events.Start) (events.Ticket, error) {
	rec := getRecord(typeStart)
	rec.buf = s.AppendJSON(rec.buf)
	defer rec.release()

	j.mu.Lock()
	r := j.open[s.RequestID]
	if r == nil {
		j.mu.Unlock()
		return &ticket{}, nil // a request that runs without records
	}
	if err := j.admit(r.room + int64(len(rec.buf))); err != nil {
		j.mu.Unlock()
		return nil, fmt.Errorf("%w: %w", events.ErrNotStarted, err)
	}
	if len(r.running) > 0 && !s.Beside {
		j.o.Logger.Error("an attempt was started while another is open", "request", s.RequestID, "attempt", s.Attempt)
	}
	lsn := j.append(rec)
	start := *s
	r.begun(&start)
	j.reserved += r.room
	j.counters.Started++
	j.mu.Unlock()
	if err := j.await(ctx, lsn); err != nil {
		j.undo(s, false)
		return nil, err
	}
	return &ticket{}, nil
}

// undo settles an attempt that never got its ticket: nothing was sent.
func (j *Journal) undo(s *events.Start, request bool) {
	now := j.o.Now()
	j.mu.Lock()
	r := j.open[s.RequestID]
	j.mu.Unlock()
	if r == nil {
		return
	}
	settled := &events.AttemptSettled{
		Accept: r.accept, Outcome: events.AttemptCancelled, UsageEvidence: events.EvidenceNone, FinishedAt: now,
		SettledBy: events.SettledByGateway,
	}
	settled.SetStart(s)
	if !request {
		j.Settle(settled)
		return
	}
	j.SettleAndClose(settled, &events.RequestClosed{
		Accept: r.accept, Status: 503, Outcome: events.RequestFailed, ErrorCode: "accounting_unavailable", Attempts: 1, ClosedAt: now,
	})
}

// Refuse keeps a request that was accepted and refused before any attempt.
func (j *Journal) Refuse(a *events.Accept, c *events.RequestClosed) error {
	c.Accept = *a
	rec := j.encode(typeClose, c, events.ClosedEventID(a.RequestID))
	rec.flags = flagAccepts
	defer rec.release()
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.admit(int64(len(rec.buf))); err != nil {
		return err
	}
	j.publish(rec)
	j.counters.Accepted++
	j.counters.Closed++
	return nil
}

// Note keeps the progress of a running attempt, where there is room that is not reserved: it only makes an estimate better.
func (j *Journal) Note(n *events.Note) {
	rec := getRecord(typeNote)
	rec.buf = n.AppendJSON(rec.buf)
	defer rec.release()
	j.mu.Lock()
	defer j.mu.Unlock()
	r := j.open[n.RequestID]
	if r == nil || j.failure != nil || !j.hasRoom(len(rec.buf)) {
		return
	}
	note := *n
	if r.noted(&note) {
		j.append(rec)
	}
}

// Settle closes an attempt.
func (j *Journal) Settle(e *events.AttemptSettled) {
	rec := j.encode(typeSettle, e, events.SettledEventID(e.RequestID, e.Attempt))
	defer rec.release()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.settled(rec, e)
}

// Close closes a request.
func (j *Journal) Close(c *events.RequestClosed) {
	rec := j.encode(typeClose, c, events.ClosedEventID(c.RequestID))
	defer rec.release()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed(rec, c)
}

// SettleAndClose appends both together.
func (j *Journal) SettleAndClose(e *events.AttemptSettled, c *events.RequestClosed) {
	settle := j.encode(typeSettle, e, events.SettledEventID(e.RequestID, e.Attempt))
	defer settle.release()
	closing := j.encode(typeClose, c, events.ClosedEventID(c.RequestID))
	defer closing.release()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.settled(settle, e)
	j.closed(closing, c)
}

// settled appends a settlement, unless the attempt was settled before or never begun: a fact is written once.
func (j *Journal) settled(rec encoded, e *events.AttemptSettled) {
	r := j.open[e.RequestID]
	if (r == nil || !r.settled(e)) && !j.o.broken.settleTwice {
		j.metrics.ignored.Inc()
		return
	}
	if r != nil {
		j.reserved -= r.room
	}
	j.publish(rec)
	j.counters.Settled++
	if e.Outcome == events.AttemptAbandoned {
		j.counters.Abandoned++
	}
}

// closed appends a closing, likewise.
func (j *Journal) closed(rec encoded, c *events.RequestClosed) {
	r := j.open[c.RequestID]
	if r == nil {
		j.metrics.ignored.Inc()
		return
	}
	if len(r.running) > 0 { // whoever closes a request has settled its attempts
		j.o.Logger.Error("a request was closed with an attempt open", "request", c.RequestID)
		return
	}
	delete(j.open, c.RequestID)
	j.reserved -= r.room
	j.publish(rec)
	j.leave(r)
	j.counters.Closed++
}

// ticket is good for one call.
type ticket struct{ used atomic.Bool }

var errUsedTicket = errors.New("the ticket was used before")

// Redeem uses the ticket up.
func (t *ticket) Redeem() error {
	if t.used.Swap(true) {
		return errUsedTicket
	}
	return nil
}

// Epoch returns the number of this start.
func (j *Journal) Epoch() uint64 { return j.epoch }

// Seal ends the epoch: no more is taken on, what is open is settled as abandoned, and everything is made durable. The relay may
// go on reading; Stop ends the journal itself.
func (j *Journal) Seal() error {
	j.mu.Lock()
	if !j.sealed {
		j.settleOpen()
		j.mark(events.CheckpointSeal)
		j.sealed = true
	}
	last := j.lsn
	j.mu.Unlock()
	return j.awaitDurable(context.Background(), last)
}

// Stop ends the background work and closes the files. What was not sealed is settled by the next start.
func (j *Journal) Stop() error {
	close(j.stop)
	j.background.Wait()
	err := j.flush()
	j.sync()
	j.saveCheckpoint()
	j.closeFiles()
	j.unlock()
	return err
}

func (j *Journal) closeFiles() {
	for _, s := range j.segments {
		if s.file != nil {
			_ = s.file.Close()
		}
	}
	for len(j.spare) > 0 {
		s := <-j.spare
		_ = s.file.Close()
	}
	for _, f := range []File{j.ck, j.gap} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// Stats tells where the journal stands.
type Stats struct {
	Bytes, MaxBytes            int64
	OpenRequests, OpenAttempts int
	Appended, Durable          uint64 // lsn
	Unpublished                uint64 // records not yet acknowledged by Kafka, at most
	FailOpen                   uint64 // requests served without records
}

// Stats tells where the journal stands.
func (j *Journal) Stats() Stats {
	acked := j.Acknowledged()
	j.mu.Lock()
	defer j.mu.Unlock()
	s := Stats{
		Bytes: j.used() + j.reserved, MaxBytes: j.o.MaxBytes, OpenRequests: len(j.open), Appended: j.lsn,
		OpenAttempts: int(j.counters.Started - j.counters.Settled), Durable: j.durable.Load(), FailOpen: j.failOpen.count,
	}
	if acked.Epoch == j.epoch {
		s.Unpublished = j.seq - acked.Seq
	} else {
		s.Unpublished = j.lsn - min(acked.LSN, j.lsn)
	}
	return s
}

// Healthy returns an error where the journal takes no new work, or soon will not: it is 95 % full, or its disk fails.
func (j *Journal) Healthy() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failure != nil {
		return fmt.Errorf("%w: %w", events.ErrAccountingUnavailable, j.failure)
	}
	if used := j.used() + j.reserved; used*100 > j.room()*95 {
		return fmt.Errorf("%w: the journal is full to %d of %d bytes", events.ErrAccountingUnavailable, used, j.room())
	}
	return nil
}
