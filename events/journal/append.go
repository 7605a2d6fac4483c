package journal

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/events"
)

// chunk is a run of frames of one segment on their way to the disk.
type chunk struct {
	seg  *segment // nil: they wait for a segment
	off  int64
	buf  []byte
	last uint64
}

// encoded is an event ready to be numbered: everything but its seq.
type encoded struct {
	*record
	seqAt int
}

// encode makes an event's record outside of the lock.
func (j *Journal) encode(kind byte, e events.Event, id string) encoded {
	rec := getRecord(kind)
	n := e.Number()
	n.EventID, n.GatewayID, n.Epoch, n.Seq = id, j.o.GatewayID, j.epoch, 0
	rec.buf = append(rec.buf, make([]byte, publishHeader)...)
	binary.LittleEndian.PutUint64(rec.buf[8:], uint64(e.Time().UnixMicro()))
	var at int
	rec.buf, at = e.AppendJSON(rec.buf)
	if len(rec.buf) > events.MaxPayload {
		j.o.Logger.Error("an event is larger than its limit", "event", id, "bytes", len(rec.buf))
	}
	return encoded{rec, at}
}

// publish numbers an encoded event and appends it. j.mu is held.
func (j *Journal) publish(e encoded) {
	// The number moves only behind the record: a segment that begins with it says where its predecessor ended.
	binary.LittleEndian.PutUint64(e.buf, j.seq+1)
	events.PatchSeq(e.buf, e.seqAt, j.seq+1)
	j.append(e.record)
	j.seq++
}

// append numbers a record and copies it. j.mu is held.
func (j *Journal) append(rec *record) uint64 {
	size := int64(frameSize(len(rec.buf)))
	if j.cur != nil && j.cur.off+size > j.cur.size {
		j.rotate()
	}
	j.lsn++
	j.file(rec.kind, rec.flags, j.lsn, rec.buf)
	return j.lsn
}

// file puts a frame behind the last one. j.mu is held.
func (j *Journal) file(kind, flags byte, lsn uint64, payload []byte) {
	var c *chunk
	if n := len(j.chunks); n > 0 && j.chunks[n-1].seg == j.cur {
		c = j.chunks[n-1]
	} else {
		c = newChunk()
		if c.seg = j.cur; j.cur != nil {
			c.off = j.cur.off
		}
		j.chunks = append(j.chunks, c)
	}
	wake := j.pending
	switch {
	case kind == typeNote:
		wake = j.notes
	case (kind == typeBegin || kind == typeStart) && j.o.Sync != SyncNone:
		wake = nil // whoever appends it waits for it, and writes it
	}
	select {
	case wake <- struct{}{}:
	default:
	}
	nonce := uint32(0)
	if j.cur != nil {
		nonce = j.cur.nonce
	}
	before := len(c.buf)
	c.buf = appendFrame(c.buf, nonce, kind, flags, lsn, payload)
	c.last = lsn
	if j.cur != nil {
		j.cur.off += int64(len(c.buf) - before)
		j.cur.last = lsn
	}
}

// chunks are pooled: where nobody else writes at the same time, each request has one of its own until it is durable.
var chunks = sync.Pool{New: func() any { return &chunk{buf: make([]byte, 0, 4<<10)} }}

// maxPooledChunk keeps a burst from holding its memory for ever.
const maxPooledChunk = 256 << 10

func newChunk() *chunk { return chunks.Get().(*chunk) }

func (c *chunk) release() {
	if cap(c.buf) <= maxPooledChunk {
		c.seg, c.buf = nil, c.buf[:0]
		chunks.Put(c)
	}
}

// rotate goes on in the next segment. Where there is none to be had, records wait in memory. j.mu is held.
func (j *Journal) rotate() {
	next, err := j.newSegment(j.lsn+1, j.seq, j.counters)
	if err != nil {
		j.fail(err)
		j.cur = nil
		return
	}
	j.cur = next
	j.carry()
}

// carry re-appends what is still open and stands in a segment long behind, so that the segment can go: the oldest first, and no more than
// half a segment, since the rest is for what has to be written. What is left the next segment takes. j.mu is held.
func (j *Journal) carry() {
	if len(j.segments) < 3 {
		return
	}
	oldest := j.segments[len(j.segments)-3].order
	var behind []*openRequest
	for _, r := range j.open {
		if r.home.order <= oldest {
			behind = append(behind, r)
		}
	}
	slices.SortFunc(behind, func(a, b *openRequest) int { return cmp.Compare(a.home.order, b.home.order) })
	for _, r := range behind {
		payload, err := json.Marshal(r.carried())
		if err != nil {
			j.o.Logger.Error("carry", "err", err)
			continue
		}
		if j.cur.off+int64(frameSize(len(payload))) > j.cur.size/2 || !j.hasRoom(len(payload)) {
			return
		}
		j.lsn++
		j.file(typeCarry, 0, j.lsn, payload)
		j.leave(r)
		j.enter(r)
	}
}

// enter gives an open request the segment that its record has just been put into. j.mu is held.
func (j *Journal) enter(r *openRequest) {
	if r.home = j.cur; r.home == nil { // the record waits for a segment, which will be a later one
		r.home = j.segments[len(j.segments)-1]
	}
	r.home.homes++
}

// leave frees a request's segment of it, from the moment that the last record, which makes it free, is on the disk: gone before that,
// a crash would lose both. j.mu is held.
func (j *Journal) leave(r *openRequest) {
	r.home.homes--
	r.home.until = max(r.home.until, j.lsn)
}

// used is how many bytes the segments take, less what is free in the last. j.mu is held.
func (j *Journal) used() int64 {
	n := int64(len(j.segments)) * j.o.SegmentBytes
	if j.cur != nil {
		n -= j.cur.size - j.cur.off
	}
	return n
}

// room is what they may take: one segment is always the spare, and as much again may stand empty at segments' ends.
func (j *Journal) room() int64 { return j.o.MaxBytes - 2*j.o.SegmentBytes }

// roomFor is what is reserved where an acceptance has so many bytes: a settlement or a closing repeats it, and has up to 16 KiB of its own
// (names, usage, candidates).
func roomFor(accept int) int64 { return reservePerAttempt + max(int64(accept-acceptWithin), 0) }

// hasRoom says whether there is room for what need not be written, beside all that is reserved. j.mu is held.
func (j *Journal) hasRoom(n int) bool {
	return j.used()+j.reserved+int64(frameSize(n)) <= j.room() || j.o.broken.reserveNothing
}

// admit says whether new work can be accounted for to its end. j.mu is held.
func (j *Journal) admit(need int64) error {
	var why error
	switch since := j.unsyncedFrom.Load(); {
	case j.sealed:
		why = errors.New("the journal is sealed")
	case j.failure != nil:
		why = j.failure
	case j.spareErr != nil:
		why = j.spareErr
	case j.used()+j.reserved+need > j.room() && !j.o.broken.reserveNothing:
		why = fmt.Errorf("the journal is full: %d bytes used, %d reserved, %d allowed", j.used(), j.reserved, j.room())
	case since != 0 && j.o.Sync != SyncNone && time.Duration(j.o.Now().UnixNano()-since) > maxLag:
		why = errors.New("the journal's disk does not keep up")
	default:
		if j.failOpen.count > 0 {
			j.publishFailOpen()
		}
		if j.refusing {
			j.refusing = false
			j.o.Logger.Info("the journal takes new work again")
		}
		return nil
	}
	if !j.refusing {
		j.refusing = true
		j.o.Logger.Error("the journal takes no new work", "err", why)
	}
	return fmt.Errorf("%w: %w", events.ErrAccountingUnavailable, why)
}

// await waits until a record is at the journal's level.
func (j *Journal) await(ctx context.Context, lsn uint64) error {
	switch {
	case j.o.broken.ticketWithoutWrite, j.o.Sync == SyncNone:
		return nil
	case j.o.Sync == SyncBatch:
		if j.written.Load() >= lsn {
			return nil
		}
		if err := j.flush(); err != nil {
			return fmt.Errorf("%w: %w", events.ErrAccountingUnavailable, err)
		}
		return nil
	}
	j.wantSync()
	return j.awaitDurable(ctx, lsn)
}

// awaitDurable waits until everything up to lsn is on the disk.
func (j *Journal) awaitDurable(ctx context.Context, lsn uint64) error {
	for {
		moved := j.moved.wait()
		if j.durable.Load() >= lsn {
			return nil
		}
		j.mu.Lock()
		failure := j.failure
		j.mu.Unlock()
		if failure != nil {
			return fmt.Errorf("%w: %w", events.ErrAccountingUnavailable, failure)
		}
		j.wantSync()
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-j.stop:
			return fmt.Errorf("%w: the journal is stopped", events.ErrAccountingUnavailable)
		}
	}
}

func (j *Journal) wantSync() {
	select {
	case j.syncNow <- struct{}{}:
	default:
	}
}

// flush writes everything that has been appended: whoever comes first writes for all.
func (j *Journal) flush() error {
	j.write.Lock()
	defer j.write.Unlock()
	j.mu.Lock()
	pending := j.chunks
	j.chunks = nil
	failure := j.failure
	j.mu.Unlock()
	if failure != nil {
		j.mu.Lock()
		j.chunks = append(pending, j.chunks...)
		j.mu.Unlock()
		return failure
	}
	for i, c := range pending {
		if c.seg == nil {
			return j.failover(pending[i:], errors.New("no segment"))
		}
		if _, err := c.seg.file.WriteAt(c.buf, c.off); err != nil {
			return j.failover(pending[i:], err)
		}
		if len(j.retained) == 0 {
			j.unsyncedFrom.Store(j.o.Now().UnixNano())
		}
		j.retained = append(j.retained, c)
		j.written.Store(c.last)
	}
	if len(pending) > 0 {
		select {
		case j.dirty <- struct{}{}:
		default:
		}
	}
	return nil
}

// failover goes on in a new segment after a write or a sync failed: a file is never trusted again after it failed once. What
// is not durable is still in memory and goes into the new segment with the same lsn. j.write is held.
func (j *Journal) failover(unwritten []*chunk, cause error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	waiting := append(append(j.retained, unwritten...), j.chunks...)
	j.retained, j.chunks = nil, nil
	durable := j.durable.Load()
	var frames []frame
	for _, c := range waiting {
		nonce := uint32(0)
		if c.seg != nil {
			nonce = c.seg.nonce
		}
		_, _ = scan(c.buf, nonce, 0, func(f frame, _ int, _ bool) error {
			if f.lsn > durable {
				frames = append(frames, f)
			}
			return nil
		})
	}
	j.o.Logger.Error("the journal's disk failed; going on in a new segment", "err", cause, "records", len(frames))
	j.cur = nil
	seq, counters := j.before(frames)
	next, err := j.newSegment(durable+1, seq, counters)
	if err != nil {
		j.fail(errors.Join(cause, err))
	} else {
		j.cur, j.failure = next, nil
	}
	for _, f := range frames {
		if j.cur != nil && j.cur.off+int64(f.size) > j.cur.size {
			if j.cur, err = j.newSegment(f.lsn, seq, counters); err != nil {
				j.fail(err)
				j.cur = nil
			}
		}
		j.file(f.kind, f.flags, f.lsn, f.payload)
		tally(f, &seq, &counters, 1)
	}
	j.homes()
	if j.failure != nil {
		return j.failure
	}
	// Written by the next flush, which everybody who waits for these records calls or waits for.
	pending := j.chunks
	j.chunks = nil
	for i, c := range pending {
		if _, err := c.seg.file.WriteAt(c.buf, c.off); err != nil {
			j.chunks = append(j.chunks, pending[i:]...)
			j.fail(err)
			return err
		}
		j.retained = append(j.retained, c)
		j.written.Store(c.last)
	}
	return nil
}

// before is where the epoch's numbers and counters stood before these frames, the last that were appended.
func (j *Journal) before(frames []frame) (seq uint64, counters events.Counters) {
	seq, counters = j.seq, j.counters
	for _, f := range frames {
		tally(f, &seq, &counters, ^uint64(0))
	}
	return seq, counters
}

// tally adds one frame's part to numbers and counters, or, with −1 in two's complement, takes it out.
func tally(f frame, seq *uint64, c *events.Counters, one uint64) {
	if published(f.kind) {
		*seq += one
	}
	switch f.kind {
	case typeBegin:
		c.Accepted += one
		c.Started += one
	case typeStart:
		c.Started += one
	case typeSettle:
		c.Settled += one
		if bytes.Contains(f.payload, []byte(`"outcome":"abandoned"`)) {
			c.Abandoned += one
		}
	case typeClose:
		c.Closed += one
		if f.flags&flagAccepts != 0 {
			c.Accepted += one
		}
	}
}

// homes gives every open request the oldest segment there is: after a failure nobody looks which of its records moved.
func (j *Journal) homes() {
	for _, r := range j.open {
		r.home.homes--
		r.home = j.segments[0]
		r.home.homes++
	}
}

// fail stops the taking on of work. j.mu is held.
func (j *Journal) fail(err error) {
	if j.failure == nil {
		j.o.Logger.Error("the journal cannot be written; no new work is taken", "err", err)
	}
	j.failure = err
	j.moved.all()
}

// pause waits, unless the journal stops.
func (j *Journal) pause(d time.Duration) bool {
	select {
	case <-j.stop:
		return false
	case <-time.After(d):
		return true
	}
}
