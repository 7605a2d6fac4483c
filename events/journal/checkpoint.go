package journal

import (
	"encoding/binary"
	"hash/crc32"
	"path/filepath"
	"time"

	"github.com/tollhouse/tollhouse/events"
)

// CHECKPOINT holds two slots of 64 bytes, written in turn, each with its CRC: how far Kafka has everything. It may be old, which
// makes duplicates; it is never early.
const (
	slotSize      = 64
	smallFileSize = 4096
)

func (j *Journal) openSmallFiles() error {
	for name, f := range map[string]*File{"CHECKPOINT": &j.ck, "GAP": &j.gap} {
		opened, err := j.o.FS.Open(filepath.Join(j.o.Dir, name))
		if err != nil {
			return err
		}
		*f = opened
		size, err := opened.Size()
		if err == nil && size < smallFileSize { // allocated, so that a full disk does not matter
			if _, err = opened.WriteAt(make([]byte, smallFileSize-size), size); err == nil {
				err = opened.Sync()
			}
		}
		if err != nil {
			return err
		}
	}
	j.readCheckpoint()
	j.readGap()
	return j.o.FS.SyncDir(j.o.Dir)
}

func putSlot(fields ...uint64) []byte {
	b := make([]byte, 0, slotSize)
	for _, v := range fields {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = b[:slotSize]
	binary.LittleEndian.PutUint32(b[slotSize-4:], crc32.Checksum(b[:slotSize-4], castagnoli))
	return b
}

func getSlot(f File, off int64, fields ...*uint64) bool {
	var b [slotSize]byte
	if n, _ := f.ReadAt(b[:], off); n < slotSize {
		return false
	}
	if binary.LittleEndian.Uint32(b[slotSize-4:]) != crc32.Checksum(b[:slotSize-4], castagnoli) {
		return false
	}
	for i, v := range fields {
		*v = binary.LittleEndian.Uint64(b[8*i:])
	}
	return true
}

func (j *Journal) readCheckpoint() {
	for slot := range 2 {
		var p Position
		if getSlot(j.ck, int64(slot)*slotSize, &p.LSN, &p.Epoch, &p.Seq) && p.LSN > j.acked.LSN {
			j.acked, j.slot = p, 1-slot
		}
	}
	j.synced = j.acked
}

// Acknowledged returns up to where Kafka has everything.
func (j *Journal) Acknowledged() Position {
	j.ackMu.Lock()
	defer j.ackMu.Unlock()
	return j.acked
}

// Acknowledge says that Kafka has acknowledged every published record up to p. What that covers, and nothing open needs, is
// freed, once the checkpoint is on the disk. Where p is the seal of an epoch, the caller has told every partition before.
func (j *Journal) Acknowledge(p Position) error {
	j.ackMu.Lock()
	if p.LSN <= j.acked.LSN {
		j.ackMu.Unlock()
		return nil
	}
	j.acked = p
	due := j.o.Now().Sub(j.savedAt) > time.Second
	j.ackMu.Unlock()
	if due || j.freeable(p.LSN) != nil {
		j.saveCheckpoint()
		return j.freeSegments()
	}
	return nil
}

// saveCheckpoint puts the acknowledged position on the disk. A failure leaves an old one, which costs duplicates.
func (j *Journal) saveCheckpoint() {
	j.ackMu.Lock()
	defer j.ackMu.Unlock()
	if j.acked == j.synced || j.ck == nil {
		return
	}
	j.savedAt = j.o.Now()
	_, err := j.ck.WriteAt(putSlot(j.acked.LSN, j.acked.Epoch, j.acked.Seq), int64(j.slot)*slotSize)
	if err == nil {
		err = j.ck.Sync()
	}
	if err != nil {
		j.o.Logger.Error("the journal's checkpoint cannot be written", "err", err)
		return
	}
	j.slot = 1 - j.slot
	j.synced = j.acked
}

// freeable returns the oldest segment if everything in it is acknowledged up to lsn and nothing open needs it.
func (j *Journal) freeable(lsn uint64) *segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.segments) < 2 {
		return nil
	}
	s := j.segments[0]
	if s == j.cur || s.homes > 0 || s.until > j.durable.Load() || j.segments[1].first > lsn+1 {
		return nil
	}
	return s
}

func (j *Journal) freeSegments() error {
	j.ackMu.Lock()
	synced := j.synced.LSN
	j.ackMu.Unlock()
	for s := j.freeable(synced); s != nil; s = j.freeable(synced) {
		if j.cursor.seg == s {
			j.cursor = cursor{page: j.cursor.page}
		}
		j.mu.Lock()
		j.segments = j.segments[1:]
		j.mu.Unlock()
		if err := j.recycle(s); err != nil {
			return err
		}
	}
	return nil
}

// gapState counts what was served without records.
type gapState struct {
	count, inputTokens, outputTokens uint64
	from, until                      time.Time
}

func (j *Journal) readGap() {
	var from, until uint64
	if getSlot(j.gap, 0, &j.failOpen.count, &j.failOpen.inputTokens, &j.failOpen.outputTokens, &from, &until) {
		j.failOpen.from, j.failOpen.until = time.UnixMicro(int64(from)).UTC(), time.UnixMicro(int64(until)).UTC()
	}
}

// saveGap keeps the count by pwrite into an allocated file: it survives a kill, and a full disk does not matter. j.mu is held.
func (j *Journal) saveGap() {
	g := &j.failOpen
	_, err := j.gap.WriteAt(putSlot(g.count, g.inputTokens, g.outputTokens,
		uint64(g.from.UnixMicro()), uint64(g.until.UnixMicro())), 0)
	if err != nil {
		j.o.Logger.Error("what is served without records cannot be counted on disk", "err", err)
	}
}

// unaccounted is what becomes of a request that the journal cannot take: it is refused, or served and counted as a gap.
func (j *Journal) unaccounted(s *events.Start, why error) (events.Ticket, error) {
	if j.o.WhenFull != Serve {
		return nil, why
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.sealed {
		return nil, why
	}
	g := &j.failOpen
	if g.count == 0 {
		g.from = s.StartedAt
	}
	g.count++
	g.until = s.StartedAt
	g.inputTokens += s.EstimatedInputTokens
	g.outputTokens += s.OutputLimit
	j.metrics.unaccounted.Inc()
	j.saveGap()
	return &ticket{}, nil
}

// publishFailOpen makes the count an event, now that the journal takes records again. j.mu is held.
func (j *Journal) publishFailOpen() {
	g := j.failOpen
	j.failOpen = gapState{}
	j.gapEvent(&events.Gap{
		Reason: events.GapFailOpen, From: g.from, Until: g.until, Count: g.count, CountKnown: true,
		InputTokens: g.inputTokens, OutputTokens: g.outputTokens,
	})
	j.failOpenLSN = j.lsn
}

// forgetFailOpen takes the count off the disk once its event is there: a crash in between says it twice, never not at all.
func (j *Journal) forgetFailOpen() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failOpenLSN != 0 && j.durable.Load() >= j.failOpenLSN {
		j.failOpenLSN = 0
		j.saveGap()
	}
}
