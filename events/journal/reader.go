package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/events"
)

// Position is a place in the journal: a published record's.
type Position struct{ LSN, Epoch, Seq uint64 }

// Record is one published record. It is sent as it stands.
type Record struct {
	LSN, Epoch, Seq uint64
	Type            string // events.Type…
	EventID         string
	Key             string // the Kafka key
	Time            time.Time
	Payload         []byte // the event's JSON
	Seal            bool   // the last of its epoch
}

// cursor is where the relay reads; it is one reader's.
type cursor struct {
	seg      *segment
	off      int64
	lsn      uint64 // every record up to here has been passed
	returned uint64 // the last that was published
	page     []byte
	size     int // of the payloads that were returned last
	count    int // and how many they were
}

// maxPage is how much is read from a segment at once, at most.
const maxPage = 1 << 20

// Read returns published records whose lsn is `from` or higher, in order, and only such as are durable: what a restart could
// forget is never published (R1). It waits for one until ctx ends, and returns none then. It is for one caller.
func (j *Journal) Read(ctx context.Context, from uint64, maxRecords, maxBytes int) ([]Record, error) {
	for {
		moved := j.moved.wait()
		if j.o.Sync == SyncNone {
			j.wantSync()
		}
		records, err := j.readNow(from, maxRecords, maxBytes)
		if err != nil || len(records) > 0 {
			return records, err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// Below is the lsn up to which the relay may read.
func (j *Journal) below() uint64 {
	if j.o.broken.publishUnsynced {
		return j.written.Load()
	}
	return j.durable.Load()
}

func (j *Journal) readNow(from uint64, maxRecords, maxBytes int) (records []Record, err error) {
	limit := j.below()
	c := &j.cursor
	if c.seg == nil || from > c.lsn+1 || from <= c.returned {
		*c = cursor{lsn: from - 1, page: c.page, size: c.size, count: c.count}
	}
	// Payloads are copied, since the page is read over, but into one piece of memory, which is never used again: a request to a
	// broker that was given up may still be sending from it.
	payloads := make([]byte, 0, c.size)
	records = make([]Record, 0, c.count)
	defer func() { c.size, c.count = len(payloads), len(records) }()
	for size := 0; c.lsn < limit && len(records) < maxRecords && size < maxBytes; {
		if c.seg == nil {
			if c.seg = j.segmentAfter(c.lsn, nil); c.seg == nil {
				return records, nil
			}
			c.off = segmentHeader
		}
		next := j.segmentAfter(c.lsn, c.seg)
		done, err := c.readPage(limit, next, j.endOf(c.seg), func(f frame) bool {
			if rec, ok := parseRecord(f, c.seg.epoch); ok {
				at := len(payloads)
				payloads = append(payloads, rec.Payload...)
				rec.Payload = payloads[at:len(payloads):len(payloads)]
				records, c.returned = append(records, rec), rec.LSN
				size += len(rec.Payload)
			}
			return len(records) < maxRecords && size < maxBytes
		})
		if err != nil {
			return records, err
		}
		if done {
			if next == nil {
				return records, nil
			}
			c.seg, c.off = next, segmentHeader
		}
	}
	return records, nil
}

// segmentAfter returns the first segment, behind `behind` where that is given, in which the record after lsn can stand.
func (j *Journal) segmentAfter(lsn uint64, behind *segment) *segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, s := range j.segments {
		if behind != nil {
			if s.order > behind.order {
				return s
			}
			continue
		}
		// The last segment that begins at or before the record holds it; what follows may hold later ones.
		if i+1 == len(j.segments) || j.segments[i+1].first > lsn+1 {
			return s
		}
	}
	return nil
}

// endOf is where a segment's records end, as far as that is known.
func (j *Journal) endOf(s *segment) int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s == j.cur {
		return s.off
	}
	return s.size
}

// readPage passes the frames of one page of the segment, which ends at segmentEnd. It reports that the segment holds no more.
func (c *cursor) readPage(limit uint64, next *segment, segmentEnd int64, take func(frame) bool) (done bool, err error) {
	want := int(min(segmentEnd-c.off, maxPage))
	if cap(c.page) < want {
		c.page = make([]byte, min(max(want, 2*cap(c.page)), maxPage))
	}
	n, err := c.seg.file.ReadAt(c.page[:max(want, 0)], c.off)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read %s: %w", c.seg.name, err)
	}
	end := c.off+int64(n) >= c.seg.size
	b := c.page[:n]
	at := 0
	for at+frameHeader <= len(b) && c.lsn < limit {
		f, ok := parseFrame(b[at:], c.seg.nonce)
		if !ok {
			if !end && len(b)-at < frameHeader+maxFramePayload {
				break // it may go on behind the page
			}
			at += 8
			continue
		}
		if f.lsn > limit || next != nil && f.lsn >= next.first {
			c.off += int64(at)
			return next != nil && f.lsn >= next.first, nil
		}
		at += f.size
		if f.lsn <= c.lsn {
			continue // seen, in the segment before
		}
		c.lsn = f.lsn
		if !take(f) {
			break
		}
	}
	c.off += int64(at)
	return end && at+frameHeader > len(b), nil
}

func parseRecord(f frame, epoch uint64) (Record, bool) {
	if !published(f.kind) || len(f.payload) < publishHeader {
		return Record{}, false
	}
	r := Record{
		LSN: f.lsn, Epoch: epoch, Seq: binary.LittleEndian.Uint64(f.payload), Seal: f.kind == typeSeal,
		Time:    time.UnixMicro(int64(binary.LittleEndian.Uint64(f.payload[8:]))).UTC(),
		Payload: f.payload[publishHeader:],
	}
	switch f.kind {
	case typeSettle:
		r.Type = events.TypeAttemptSettled
	case typeClose:
		r.Type = events.TypeRequestClosed
	case typeGap:
		r.Type = events.TypeGap
	default:
		r.Type = events.TypeCheckpoint
	}
	// The event id comes first and holds nothing that JSON would escape; the key is what stands before its first slash.
	if rest, ok := bytes.CutPrefix(r.Payload, []byte(`{"event_id":"`)); ok {
		id, _, _ := bytes.Cut(rest, []byte(`"`))
		r.EventID = string(id)
	}
	r.Key, _, _ = strings.Cut(r.EventID, "/")
	return r, r.Key != ""
}
