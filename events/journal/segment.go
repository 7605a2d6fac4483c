package journal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strings"

	"github.com/tollhouse/tollhouse/events"
)

// A segment is a file of fixed size, allocated and written before it is used, so that a full disk fails when one is made
// and never in the middle of an append. Its header, 128 bytes, tells whose and which it is:
//
//	magic 8 | version u32 | nonce u32 | epoch u64 | first lsn u64 | seq before it u64 | five counters u64 |
//	journal id 16 | boot 16 | order u64 | gateway u32 | crc u32
type segment struct {
	name     string
	number   uint64 // of the file's name
	order    uint64 // of use: it only rises
	file     File
	size     int64
	nonce    uint32
	epoch    uint64
	first    uint64 // lsn
	seq      uint64 // of the last published record before it
	counters events.Counters
	id       [16]byte
	boot     [16]byte
	off      int64 // where the next frame goes
	last     uint64
	homes    int    // open requests that need it
	blank    bool   // its header was never written, or has been taken away
	until    uint64 // the lsn by which the last of those that are gone went
}

const (
	segmentHeader = 128
	segmentPrefix = "seg-"
	// spares is how many segments are made in advance, keptSpares how many of those that are not needed any more are kept.
	spares     = 1
	keptSpares = 4
)

var segmentMagic = [8]byte{'T', 'O', 'L', 'L', 'J', 'R', 'N', 1}

func segmentName(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%s%012d", segmentPrefix, number))
}

func segmentNumber(name string) (n uint64, ok bool) {
	digits, ok := strings.CutPrefix(filepath.Base(name), segmentPrefix)
	if !ok {
		return 0, false
	}
	_, err := fmt.Sscanf(digits, "%012d", &n)
	return n, err == nil
}

// digest makes any id fit a header.
func digest(s string) (d [16]byte) {
	sum := sha256.Sum256([]byte(s))
	copy(d[:], sum[:])
	return d
}

// allocate makes a file of zeros that are on the disk.
func allocate(fs FS, name string, size int64) (File, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	zeros := make([]byte, 1<<20)
	for off := int64(0); off < size && err == nil; off += int64(len(zeros)) {
		_, err = f.WriteAt(zeros[:min(int64(len(zeros)), size-off)], off)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = fs.SyncDir(filepath.Dir(name))
	}
	if err != nil {
		_ = f.Close()
		_ = fs.Remove(name)
		return nil, fmt.Errorf("allocate %s: %w", name, err)
	}
	return f, nil
}

// begin writes the header, which makes an allocated file a segment.
func (s *segment) begin(gateway string) error {
	s.off, s.last = segmentHeader, s.first-1
	for {
		var nonce [4]byte
		_, _ = rand.Read(nonce[:])
		s.nonce = binary.LittleEndian.Uint32(nonce[:]) | 1
		h := s.header(gateway)
		if h[segmentHeader-1] == 0 {
			continue // a header's last byte is never zero: by that one that was being written is known
		}
		_, err := s.file.WriteAt(h, 0)
		return err
	}
}

func (s *segment) header(gateway string) []byte {
	h := make([]byte, 0, segmentHeader)
	h = append(h, segmentMagic[:]...)
	le := binary.LittleEndian
	h = le.AppendUint32(h, frameVersion)
	h = le.AppendUint32(h, s.nonce)
	c := s.counters
	for _, v := range []uint64{s.epoch, s.first, s.seq, c.Accepted, c.Closed, c.Started, c.Settled, c.Abandoned} {
		h = le.AppendUint64(h, v)
	}
	h = append(append(h, s.id[:]...), s.boot[:]...)
	h = le.AppendUint64(h, s.order)
	h = le.AppendUint32(h, crc32.Checksum([]byte(gateway), castagnoli))
	return le.AppendUint32(h, crc32.Checksum(h, castagnoli))
}

var errNoSegment = errors.New("not a segment")

// errOtherGateway is returned for a directory that another gateway's id has written.
var errOtherGateway = errors.New("the directory belongs to another gateway.id")

// readHeader reads what begin wrote. A file without a valid header was allocated and never used.
func (s *segment) readHeader(gateway string) error {
	var h [segmentHeader]byte
	if n, err := s.file.ReadAt(h[:], 0); n < len(h) {
		s.blank = true // cut off while it was allocated
		return errors.Join(errNoSegment, err)
	}
	// A header that was being written has no end yet, one that was being taken away no beginning: in neither does anything stand
	// behind it that is needed.
	s.blank = h[0] == 0 || h[segmentHeader-1] == 0
	le := binary.LittleEndian
	if [8]byte(h[:8]) != segmentMagic || le.Uint32(h[segmentHeader-4:]) != crc32.Checksum(h[:segmentHeader-4], castagnoli) {
		return errNoSegment
	}
	if v := le.Uint32(h[8:]); v != frameVersion {
		return fmt.Errorf("%s has format version %d, which this version cannot read", s.name, v)
	}
	if le.Uint32(h[segmentHeader-8:]) != crc32.Checksum([]byte(gateway), castagnoli) {
		return errOtherGateway
	}
	s.nonce = le.Uint32(h[12:])
	for i, v := range []*uint64{
		&s.epoch, &s.first, &s.seq, &s.counters.Accepted, &s.counters.Closed, &s.counters.Started,
		&s.counters.Settled, &s.counters.Abandoned,
	} {
		*v = le.Uint64(h[16+8*i:])
	}
	copy(s.id[:], h[80:])
	copy(s.boot[:], h[96:])
	s.order = le.Uint64(h[112:])
	s.off, s.last = segmentHeader, s.first-1
	return nil
}

// scan calls visit for each undamaged frame of a segment's bytes, from offset on, in order. hole reports that damaged bytes stand
// before the frame. It returns where the last frame ends.
func scan(b []byte, nonce uint32, off int, visit func(f frame, off int, hole bool) error) (end int, err error) {
	end = off
	hole := false
	for off+frameHeader <= len(b) {
		f, ok := parseFrame(b[off:], nonce)
		if !ok {
			hole = true
			off += 8
			continue
		}
		if err := visit(f, off, hole); err != nil {
			return end, err
		}
		hole = false
		off += f.size
		end = off
	}
	return end, nil
}

// torn is how many bytes of the record lsn stand in b, which does not hold the whole of it. What else stands there is from before the
// segment was used again.
func torn(b []byte, lsn uint64) int {
	if len(b) < frameHeader || binary.LittleEndian.Uint64(b[8:]) != lsn {
		return 0
	}
	return min(frameSize(int(binary.LittleEndian.Uint32(b))), len(b))
}

// newSegment takes the spare, or makes one where there is none yet. Its header says where numbers and counters stood before its first
// record. j.mu is held.
func (j *Journal) newSegment(first, seq uint64, counters events.Counters) (*segment, error) {
	var s *segment
	select {
	case s = <-j.spare:
	default:
		number := j.nextNumber()
		name := segmentName(j.o.Dir, number)
		f, err := allocate(j.o.FS, name, j.o.SegmentBytes)
		if err != nil {
			return nil, err
		}
		s = &segment{name: name, number: number, file: f, size: j.o.SegmentBytes}
	}
	s.epoch, s.first, s.seq, s.counters = j.epoch, first, seq, counters
	s.boot = digest(j.boot)
	s.order = 1
	if n := len(j.segments); n > 0 {
		s.order = j.segments[n-1].order + 1
	}
	s.id = digest(j.id)
	if raw, err := hex.DecodeString(j.id); err == nil && len(raw) == len(s.id) {
		copy(s.id[:], raw)
	}
	if err := s.begin(j.o.GatewayID); err != nil {
		_ = s.file.Close()
		_ = j.o.FS.Remove(s.name)
		return nil, err
	}
	j.segments = append(j.segments, s)
	select {
	case j.needSpare <- struct{}{}:
	default:
	}
	return s, nil
}

func (j *Journal) nextNumber() uint64 { return j.numbers.Add(1) }

// spareLoop keeps one segment ready, so that nobody waits for one to be written.
func (j *Journal) spareLoop() {
	defer j.background.Done()
	for {
		select {
		case <-j.stop:
			return
		case <-j.needSpare:
		}
		for len(j.spare) < spares {
			number := j.nextNumber()
			name := segmentName(j.o.Dir, number)
			f, err := allocate(j.o.FS, name, j.o.SegmentBytes)
			j.spareFailed(err)
			if err == nil {
				j.keepSpare(&segment{name: name, number: number, file: f, size: j.o.SegmentBytes})
			} else if !j.pause(retryEvery) {
				return
			}
		}
	}
}

// keepSpare takes a file that is no segment as one to come, or removes it where there are enough.
func (j *Journal) keepSpare(s *segment) {
	select {
	case j.spare <- s:
	default:
		_ = s.file.Close()
		_ = j.o.FS.Remove(s.name)
	}
}

// recycle makes a segment that is not needed any more a spare: its blocks are allocated and written, and making new ones costs the disk
// as much as the records themselves. Without its header it is no segment, on the disk before anything else happens to it; the
// frames in it are of another nonce than the next use's and never read again.
func (j *Journal) recycle(s *segment) error {
	_, err := s.file.WriteAt(make([]byte, segmentHeader), 0)
	if err == nil {
		err = s.file.Sync()
	}
	j.mu.Lock()
	room := int64(len(j.segments)+len(j.spare)+1)*j.o.SegmentBytes <= j.o.MaxBytes
	j.mu.Unlock()
	if err != nil || !room || s.size != j.o.SegmentBytes {
		_ = s.file.Close()
		return j.o.FS.Remove(s.name)
	}
	j.keepSpare(&segment{name: s.name, number: s.number, file: s.file, size: s.size})
	return nil
}

func (j *Journal) spareFailed(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil && j.spareErr == nil {
		j.o.Logger.Error("the journal cannot make its next segment; no new work is taken", "err", err)
	}
	j.spareErr = err
}
