package journal

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/events"
)

// start reads what is there, ends the old epoch, and begins a new one. Killed anywhere in between, it derives the same
// records from the same state when it runs again.
func (j *Journal) start() error {
	boot, err := j.o.BootID()
	if err != nil {
		return fmt.Errorf("boot id: %w", err)
	}
	j.boot = boot
	if err := j.openSmallFiles(); err != nil {
		return err
	}
	old, err := j.readSegments()
	if err != nil {
		return err
	}
	// What was read may stand in the page cache only. What follows builds on it, so it must not be lost any more.
	for _, s := range j.segments {
		if err := s.file.Sync(); err != nil {
			return fmt.Errorf("sync %s: %w", s.name, err)
		}
	}
	if old.epoch != 0 && !old.sealed {
		if err := j.endEpoch(old); err != nil {
			return err
		}
	}
	return j.beginEpoch(old)
}

// recovered is the state that the segments tell of their last epoch.
type recovered struct {
	j        *Journal
	epoch    uint64
	boot     [16]byte
	sync     Sync
	sealed   bool
	lsn, seq uint64
	counters events.Counters
	open     map[string]*openRequest
	lastAt   time.Time // of the last record that has a time
	holes    []hole
}

// hole is a run of records that are damaged or missing, between two that are there.
type hole struct {
	lsns              uint64
	beforeSeq         uint64
	from, until       time.Time
	firstSeq, lastSeq uint64
	closed            bool // the next published record was seen, so the seqs are known
}

func (j *Journal) readSegments() (*recovered, error) {
	names, err := j.o.FS.List(j.o.Dir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		number, ok := segmentNumber(name)
		if !ok {
			continue
		}
		j.numbers.Store(max(j.numbers.Load(), number))
		if err := j.openSegment(filepath.Join(j.o.Dir, name), number); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(j.segments, func(a, b *segment) int {
		return cmp.Or(cmp.Compare(a.epoch, b.epoch), cmp.Compare(a.order, b.order))
	})
	r := &recovered{j: j, open: map[string]*openRequest{}}
	for _, s := range j.segments {
		if err := r.segment(s); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (j *Journal) openSegment(name string, number uint64) error {
	f, err := j.o.FS.Open(name)
	if err != nil {
		return err
	}
	s := &segment{name: name, number: number, file: f}
	if s.size, err = f.Size(); err == nil {
		err = s.readHeader(j.o.GatewayID)
	}
	if errors.Is(err, errNoSegment) {
		_ = f.Close()
		if s.blank {
			return j.o.FS.Remove(name) // a spare
		}
		// It was one, and what stands in it cannot be read without its header: it is kept, and a gap says that it is missing.
		j.o.Logger.Error("a segment of the journal has a damaged header", "segment", filepath.Base(name))
		j.damaged++
		return j.o.FS.Rename(name, filepath.Join(filepath.Dir(name), "damaged-"+filepath.Base(name)))
	}
	if err != nil {
		_ = f.Close()
		return err
	}
	j.segments = append(j.segments, s)
	return nil
}

// segment reads one segment into the state.
func (r *recovered) segment(s *segment) error {
	b := make([]byte, s.size)
	if n, err := s.file.ReadAt(b, 0); n < len(b) {
		return fmt.Errorf("read %s: %w", s.name, err)
	}
	if s.epoch != r.epoch {
		// What an earlier epoch left open it settled before it was sealed, and nothing of it can be open here.
		*r = recovered{j: r.j, epoch: s.epoch, lsn: s.first - 1, seq: s.seq, counters: s.counters, open: map[string]*openRequest{}}
	}
	r.boot = s.boot
	r.j.id = hex.EncodeToString(s.id[:])
	end, err := scan(b, s.nonce, segmentHeader, func(f frame, _ int, damaged bool) error {
		return r.frame(s, f, damaged)
	})
	s.off = int64(end)
	if n := torn(b[end:], s.last+1); n > 0 {
		r.j.metrics.torn.Add(float64(n))
		r.j.o.Logger.Warn("the journal ends in a torn record", "segment", filepath.Base(s.name), "bytes", n)
	}
	return err
}

func (r *recovered) frame(s *segment, f frame, _ bool) error {
	if f.lsn <= r.lsn { // the same record, written again after a failure
		s.last = max(s.last, f.lsn)
		return nil
	}
	if missing := f.lsn - r.lsn - 1; missing > 0 {
		r.holes = append(r.holes, hole{lsns: missing, beforeSeq: r.seq, from: r.lastAt})
	}
	r.lsn, s.last = f.lsn, f.lsn
	if published(f.kind) {
		if err := r.number(f); err != nil {
			return err
		}
	}
	return r.apply(s, f)
}

// number takes a published record's seq and time.
func (r *recovered) number(f frame) error {
	if len(f.payload) < publishHeader {
		return fmt.Errorf("record %d is too short", f.lsn)
	}
	r.seq = binary.LittleEndian.Uint64(f.payload)
	r.saw(time.UnixMicro(int64(binary.LittleEndian.Uint64(f.payload[8:]))).UTC())
	for i := range r.holes {
		if h := &r.holes[i]; !h.closed {
			h.closed, h.until = true, r.lastAt
			if r.seq > h.beforeSeq+1 {
				h.firstSeq, h.lastSeq = h.beforeSeq+1, r.seq-1
			}
		}
	}
	return nil
}

func (r *recovered) saw(at time.Time) {
	if at.After(r.lastAt) {
		r.lastAt = at
	}
}

// apply changes the state by one record. A record about something that a hole has swallowed changes nothing.
func (r *recovered) apply(s *segment, f frame) error {
	fail := func(err error) error {
		if err != nil {
			return fmt.Errorf("record %d of type %d: %w", f.lsn, f.kind, err)
		}
		return nil
	}
	switch f.kind {
	case typeOpen:
		var m events.Checkpoint
		err := json.Unmarshal(f.payload[publishHeader:], &m)
		r.sync = Sync(m.Sync)
		return fail(err)
	case typeBegin:
		return fail(r.begin(s, f.payload))
	case typeStart:
		var start events.Start
		if err := json.Unmarshal(f.payload, &start); err != nil {
			return fail(err)
		}
		r.started(&start)
		return nil
	case typeNote:
		var n events.Note
		if err := json.Unmarshal(f.payload, &n); err != nil {
			return fail(err)
		}
		if o := r.open[n.RequestID]; o != nil {
			o.noted(&n)
		}
		r.saw(n.At)
		return nil
	case typeCarry:
		return fail(r.carry(s, f.payload))
	case typeSettle:
		e, err := events.Decode(events.TypeAttemptSettled, f.payload[publishHeader:])
		if err != nil {
			return fail(err)
		}
		r.settle(e.(*events.AttemptSettled))
	case typeClose:
		e, err := events.Decode(events.TypeRequestClosed, f.payload[publishHeader:])
		if err != nil {
			return fail(err)
		}
		r.close(e.(*events.RequestClosed), f.flags&flagAccepts != 0)
	case typeSeal:
		r.sealed = true
	}
	return nil
}

func (r *recovered) begin(s *segment, payload []byte) error {
	accept, rest, ok := cutPart(payload)
	if !ok {
		return errors.New("no accept")
	}
	first, _, ok := cutPart(rest)
	if !ok {
		return errors.New("no start")
	}
	o := &openRequest{home: s}
	var start events.Start
	if err := errors.Join(json.Unmarshal(accept, &o.accept), json.Unmarshal(first, &start)); err != nil {
		return err
	}
	r.counters.Accepted++
	r.open[o.accept.RequestID] = o
	r.saw(o.accept.ReceivedAt)
	r.started(&start)
	return nil
}

func (r *recovered) started(start *events.Start) {
	r.counters.Started++
	r.saw(start.StartedAt)
	o := r.open[start.RequestID]
	if o == nil {
		return
	}
	if !start.Beside {
		o.overtaken()
	}
	o.begun(start)
}

func (r *recovered) carry(s *segment, payload []byte) error {
	var c carried
	if err := json.Unmarshal(payload, &c); err != nil {
		return err
	}
	o, err := c.request()
	if err != nil {
		return err
	}
	o.home = s
	r.open[c.Accept.RequestID] = o
	return nil
}

func (r *recovered) settle(e *events.AttemptSettled) {
	r.counters.Settled++
	if e.Outcome == events.AttemptAbandoned {
		r.counters.Abandoned++
	}
	o := r.open[e.RequestID]
	if o == nil {
		return
	}
	if i := numbered(o.owed, e.Attempt); i >= 0 { // by a recovery that did not get to its end
		o.owed = slices.Delete(o.owed, i, i+1)
	} else if !o.settled(e) && e.Attempt > o.attempts { // its start is in a hole
		o.overtaken()
		o.attempts = e.Attempt
	}
	if o.closed && len(o.running)+len(o.owed) == 0 {
		delete(r.open, e.RequestID)
	}
}

func (r *recovered) close(c *events.RequestClosed, accepts bool) {
	r.counters.Closed++
	if accepts {
		r.counters.Accepted++
	}
	if o := r.open[c.RequestID]; o != nil && len(o.running)+len(o.owed) > 0 {
		o.closed = true // a settlement is in a hole: the attempt is still owed one
		return
	}
	delete(r.open, c.RequestID)
}

// endEpoch settles what the dead process left open, names what is lost, and seals its epoch, in a segment of its own: nothing
// is ever appended behind a tear.
func (j *Journal) endEpoch(r *recovered) error {
	if j.acked.Epoch == r.epoch { // a number that Kafka has is never given again, whatever has become of its record
		r.seq, r.lsn = max(r.seq, j.acked.Seq), max(r.lsn, j.acked.LSN)
	}
	j.epoch, j.lsn, j.seq, j.counters, j.open = r.epoch, r.lsn, r.seq, r.counters, r.open
	boot := j.boot
	rebooted := r.boot != digest(boot)
	var err error
	if j.cur, err = j.newSegment(j.lsn+1, j.seq, j.counters); err != nil {
		return err
	}
	for id, o := range j.open {
		if o.closed && !rebooted { // what is damaged now may have been published before: the gap names it
			delete(j.open, id)
			continue
		}
		if !rebooted {
			o.owed = nil // likewise
		}
		o.home.homes++
		o.room = roomFor(len(o.accept.AppendJSON(nil)))
		j.reserved += o.room * int64(1+len(o.owed)+len(o.running))
	}
	j.o.Logger.Info("settling what the last process left open", "epoch", r.epoch, "requests", len(j.open))
	j.settleOpen()
	reason := events.GapJournalCorrupt
	if rebooted {
		reason = events.GapPowerLoss
	}
	for _, h := range r.holes {
		j.gapEvent(&events.Gap{
			Reason: reason, From: orNow(h.from, j), Until: orNow(h.until, j), Count: h.lsns, CountKnown: true,
			FirstSeq: h.firstSeq, LastSeq: h.lastSeq,
		})
	}
	if rebooted && r.sync != SyncAlways {
		// What was started in the last interval before the machine went down cannot be known.
		j.gapEvent(&events.Gap{Reason: reason, From: orNow(r.lastAt, j), Until: j.o.Now()})
	}
	j.mark(events.CheckpointSeal)
	return j.flushDurable()
}

func orNow(at time.Time, j *Journal) time.Time {
	if at.IsZero() {
		return j.o.Now()
	}
	return at
}

// flushDurable writes and syncs before the background does.
func (j *Journal) flushDurable() error {
	if err := j.flush(); err != nil {
		return err
	}
	j.sync()
	if d := j.durable.Load(); d != j.lsn {
		return fmt.Errorf("durable is %d after a sync of %d", d, j.lsn)
	}
	return nil
}

// beginEpoch takes a new number and opens.
func (j *Journal) beginEpoch(r *recovered) error {
	if j.id == "" {
		var id [16]byte
		_, _ = rand.Read(id[:])
		j.id = hex.EncodeToString(id[:])
	}
	j.previous = max(r.epoch, j.readEpoch())
	j.epoch = max(j.previous+1, uint64(j.o.Now().UnixMicro()))
	name := filepath.Join(j.o.Dir, "EPOCH")
	if err := replaceFile(j.o.FS, name, []byte(strconv.FormatUint(j.epoch, 10)+"\n")); err != nil {
		return err
	}
	j.lsn = max(r.lsn, j.lsn, j.acked.LSN)
	j.seq, j.counters, j.reserved, j.sealed = 0, events.Counters{}, 0, false
	j.open = map[string]*openRequest{}
	j.durable.Store(j.lsn)
	j.written.Store(j.lsn)
	var err error
	if j.cur, err = j.newSegment(j.lsn+1, j.seq, j.counters); err != nil {
		return err
	}
	j.mark(events.CheckpointOpen)
	if j.damaged > 0 {
		j.gapEvent(&events.Gap{Reason: events.GapJournalCorrupt, From: orNow(r.lastAt, j), Until: j.o.Now()})
	}
	if j.failOpen.count > 0 {
		j.publishFailOpen()
	}
	return j.flushDurable()
}

func (j *Journal) readEpoch() uint64 {
	f, err := j.o.FS.Open(filepath.Join(j.o.Dir, "EPOCH"))
	if err != nil {
		return 0
	}
	defer f.Close()
	var b [24]byte
	n, _ := f.ReadAt(b[:], 0)
	epoch, _ := strconv.ParseUint(strings.TrimSpace(strings.TrimRight(string(b[:n]), "\x00")), 10, 64)
	return epoch
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
