package eventstream

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/tollhouse/tollhouse/adapters/wire"
)

// Scanner reads frames from a stream. The Name of an event is its event type or its exception type, Data its payload.
type Scanner struct {
	r     io.Reader
	buf   []byte
	limit int
	start int   // of the frame being read
	end   int   // of what is buffered
	bad   error // the frame being read is none, and so nothing behind it can be found
	err   error
	names map[string]string // each name is made a string once
}

var _ wire.Scanner = (*Scanner)(nil)

// minRead is how much room a read is given at least.
const minRead = 4 << 10

// NewScanner reads from r, with buf as its first buffer; a frame longer than limit bytes is an error.
func NewScanner(r io.Reader, buf []byte, limit int) *Scanner {
	return &Scanner{r: r, buf: buf[:cap(buf)], limit: limit}
}

// Buffer returns the buffer in use, which may have grown.
func (s *Scanner) Buffer() []byte { return s.buf }

// Rest reports nothing: a frame that is not whole has no checksum that it could be believed by.
func (s *Scanner) Rest() (wire.Event, bool) { return wire.Event{}, false }

// Ready returns the next frame if it is buffered whole, without reading. What is no frame is reported by Fill.
func (s *Scanner) Ready() (wire.Event, bool) {
	rest := s.buf[s.start:s.end]
	if s.bad != nil || len(rest) < preludeLen {
		return wire.Event{}, false
	}
	total, headers, err := prelude(rest)
	switch {
	case err != nil:
		s.bad = err
		return wire.Event{}, false
	case total > s.limit:
		s.bad = fmt.Errorf("%w: %d bytes, over %d", wire.ErrTooLong, total, s.limit)
		return wire.Event{}, false
	case len(rest) < total:
		return wire.Event{}, false
	}
	e, err := s.frame(rest[:total:total], headers)
	if err != nil {
		s.bad = err
		return wire.Event{}, false
	}
	s.start += total
	return e, true
}

// frame reads a whole frame. Raw keeps the buffer's capacity, so that frames that stand in a row can be passed on as one piece.
func (s *Scanner) frame(b []byte, headers int) (wire.Event, error) {
	sum := len(b) - checksumLen
	if crc32.ChecksumIEEE(b[:sum]) != binary.BigEndian.Uint32(b[sum:]) {
		return wire.Event{}, fmt.Errorf("%w: its checksum is wrong", wire.ErrMalformed)
	}
	e := wire.Event{Raw: s.buf[s.start : s.start+len(b)], Data: b[preludeLen+headers : sum]}
	err := eachHeader(b[preludeLen:preludeLen+headers], func(name, value []byte) {
		switch string(name) {
		case eventType, exceptionType:
			e.Name = s.intern(value)
		case errorCode:
			e.Name = ErrorPrefix + string(value)
		case errorMessage:
			if len(e.Data) == 0 {
				e.Data = value
			}
		}
	})
	return e, err
}

// Fill reads once. It moves the buffer: events returned before are no longer valid. It returns io.EOF at the end, also within a
// frame: whoever reads the stream knows whether it may end there.
func (s *Scanner) Fill() error {
	if s.bad != nil {
		return s.bad
	}
	if s.err != nil {
		return s.err
	}
	s.makeRoom()
	n, err := s.r.Read(s.buf[s.end:])
	s.end += n
	if err != nil {
		s.err = err
	}
	if n > 0 {
		return nil
	}
	return err
}

// makeRoom moves what is not yet a frame to the front, and grows the buffer where that is not enough. It grows with what has
// come, not by the length that a frame claims.
func (s *Scanner) makeRoom() {
	if s.start > 0 && (s.start == s.end || len(s.buf)-s.end < minRead) {
		copy(s.buf, s.buf[s.start:s.end])
		s.end -= s.start
		s.start = 0
	}
	if len(s.buf)-s.end < minRead {
		grown := make([]byte, max(2*len(s.buf), 2*minRead))
		copy(grown, s.buf[:s.end])
		s.buf = grown
	}
}

// intern returns the name as a string; a stream has few of them, and each is made once.
func (s *Scanner) intern(name []byte) string {
	if known, ok := s.names[string(name)]; ok {
		return known
	}
	made := string(name)
	if s.names == nil {
		s.names = make(map[string]string, 8)
	}
	if len(s.names) < 64 {
		s.names[made] = made
	}
	return made
}
