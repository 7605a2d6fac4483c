package journal

import (
	"encoding/binary"
	"hash/crc32"
	"sync"
)

// Types of records.
const (
	typeOpen   = 1 // published as a checkpoint
	typeBegin  = 2 // accept and the first start
	typeStart  = 3
	typeNote   = 4
	typeSettle = 5 // published
	typeClose  = 6 // published
	typeMark   = 7 // published as a checkpoint
	typeGap    = 8 // published
	typeCarry  = 9
	typeSeal   = 10 // published as a checkpoint; the last of an epoch
)

// flagAccepts marks a close that is also the request's acceptance.
const flagAccepts = 1

func published(kind byte) bool {
	switch kind {
	case typeOpen, typeSettle, typeClose, typeMark, typeGap, typeSeal:
		return true
	}
	return false
}

// A frame is a header and a payload, padded to 8 bytes:
//
//	len u32 | type u8, flags u8, version u16 | lsn u64 | crc32c u32 | 0 u32 | payload
//
// The CRC covers header and payload and is seeded with the segment's nonce. The payload of a published record begins with
// its number and its time: seq u64 | Unix microseconds i64.
const (
	frameHeader   = 24
	frameVersion  = 1
	publishHeader = 16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func frameSize(payload int) int { return (frameHeader + payload + 7) &^ 7 }

// appendFrame appends a whole frame.
func appendFrame(dst []byte, nonce uint32, kind, flags byte, lsn uint64, payload []byte) []byte {
	begin := len(dst)
	var h [frameHeader]byte
	binary.LittleEndian.PutUint32(h[0:], uint32(len(payload)))
	h[4], h[5] = kind, flags
	binary.LittleEndian.PutUint16(h[6:], frameVersion)
	binary.LittleEndian.PutUint64(h[8:], lsn)
	dst = append(append(dst, h[:]...), payload...)
	for (len(dst)-begin)%8 != 0 {
		dst = append(dst, 0)
	}
	seal(dst[begin:begin+frameHeader+len(payload)], nonce)
	return dst
}

// seal writes a frame's CRC.
func seal(frame []byte, nonce uint32) {
	binary.LittleEndian.PutUint32(frame[16:], 0)
	binary.LittleEndian.PutUint32(frame[16:], crc32.Update(nonce, castagnoli, frame))
}

// frame is one that was read.
type frame struct {
	kind, flags byte
	lsn         uint64
	payload     []byte
	size        int // with its padding
}

// parseFrame reads the frame that begins at b[0]; it reports false for anything that is not a whole, undamaged frame.
// It writes into b and restores it.
func parseFrame(b []byte, nonce uint32) (frame, bool) {
	if len(b) < frameHeader {
		return frame{}, false
	}
	n := int(binary.LittleEndian.Uint32(b))
	kind := b[4]
	if n == 0 && kind == 0 || n > maxFramePayload || frameHeader+n > len(b) || kind == 0 || kind > typeSeal {
		return frame{}, false
	}
	whole := b[:frameHeader+n]
	sum := binary.LittleEndian.Uint32(whole[16:])
	var zero [4]byte
	crc := crc32.Update(nonce, castagnoli, whole[:16])
	crc = crc32.Update(crc, castagnoli, zero[:])
	crc = crc32.Update(crc, castagnoli, whole[20:])
	if crc != sum {
		return frame{}, false
	}
	return frame{
		kind: kind, flags: b[5], lsn: binary.LittleEndian.Uint64(b[8:]), payload: whole[frameHeader:],
		size: min(frameSize(n), len(b)),
	}, true
}

// maxFramePayload is more than any record has: an event and its header, or a carry.
const maxFramePayload = 256 << 10

// record is one on its way into the journal.
type record struct {
	kind, flags byte
	buf         []byte
}

var records = sync.Pool{New: func() any { return &record{buf: make([]byte, 0, 4096)} }}

func getRecord(kind byte) *record {
	r := records.Get().(*record)
	r.kind, r.flags, r.buf = kind, 0, r.buf[:0]
	return r
}

func (r *record) release() { records.Put(r) }

// appendPart appends one of several JSON texts in a record, behind its length.
func appendPart(dst []byte, encode func([]byte) []byte) []byte {
	at := len(dst)
	dst = encode(append(dst, 0, 0, 0, 0))
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// cutPart takes the next part off.
func cutPart(b []byte) (part, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := int(binary.LittleEndian.Uint32(b))
	if n < 0 || n > len(b)-4 {
		return nil, nil, false
	}
	return b[4 : 4+n], b[4+n:], true
}
