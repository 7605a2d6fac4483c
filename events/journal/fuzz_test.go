package journal

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

// Whatever stands in a segment, reading it ends, and yields only frames whose checksum is right.
func FuzzScan(f *testing.F) {
	const nonce = 7
	frames := appendFrame(appendFrame(nil, nonce, typeSettle, 0, 1, []byte("one")), nonce, typeClose, flagAccepts, 2, bytes.Repeat([]byte("2"), 99))
	f.Add(frames, uint32(nonce))
	f.Add(frames[:len(frames)-9], uint32(nonce))
	f.Add(frames[8:], uint32(nonce))
	f.Add(frames, uint32(nonce+1))
	f.Add(make([]byte, 200), uint32(nonce))
	f.Fuzz(func(t *testing.T, b []byte, nonce uint32) {
		before := bytes.Clone(b)
		last := -1
		end, err := scan(b, nonce, 0, func(fr frame, off int, _ bool) error {
			whole := bytes.Clone(b[off : off+frameHeader+len(fr.payload)])
			sum := binary.LittleEndian.Uint32(whole[16:])
			binary.LittleEndian.PutUint32(whole[16:], 0)
			if crc32.Update(nonce, castagnoli, whole) != sum || off <= last || fr.kind == 0 || fr.kind > typeSeal {
				t.Errorf("a frame at %d behind %d that is none", off, last)
			}
			last = off
			return nil
		})
		if err != nil || end > len(b)+8 || !bytes.Equal(b, before) {
			t.Errorf("it ends at %d of %d, %v", end, len(b), err)
		}
		_ = torn(b, 3)
	})
}

// A slot of CHECKPOINT or GAP is read as it was written, or not at all.
func FuzzSlot(f *testing.F) {
	f.Add(putSlot(1, 2, 3), uint64(1), uint64(2), uint64(3))
	f.Add([]byte("short"), uint64(0), uint64(0), uint64(0))
	f.Add(make([]byte, slotSize), uint64(0), uint64(0), uint64(0))
	f.Fuzz(func(t *testing.T, raw []byte, a, b, c uint64) {
		var x, y, z uint64
		if getSlot(memoryFile(raw), 0, &x, &y, &z) && !bytes.Equal(putSlot(x, y, z)[:24], raw[:24]) {
			t.Errorf("%d %d %d were read from %x", x, y, z, raw)
		}
		if !getSlot(memoryFile(putSlot(a, b, c)), 0, &x, &y, &z) || x != a || y != b || z != c {
			t.Errorf("%d %d %d were read for %d %d %d", x, y, z, a, b, c)
		}
	})
}

// inMemory is a file that is only read.
type inMemory struct {
	File
	content *bytes.Reader
}

func (f inMemory) ReadAt(p []byte, off int64) (int, error) { return f.content.ReadAt(p, off) }

func memoryFile(b []byte) File { return inMemory{content: bytes.NewReader(b)} }
