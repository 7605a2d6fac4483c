// Package jsonarray splits a stream that is one JSON array into its elements, each with the very bytes it came in, so that they can
// be passed on untouched and at once.
package jsonarray

import (
	"fmt"
	"io"

	"github.com/tollhouse/tollhouse/adapters/wire"
)

// The names of events. What stands behind the array has none.
const (
	Element = "element" // Data is the element; Raw begins with what stands between it and the one before
	Single  = "single"  // the stream is no array but one value, as an error often is
	Close   = "close"   // the array's closing bracket
)

// Scanner reads elements from a stream. It looks for where they end, and does not check that they are well-formed.
type Scanner struct {
	r     io.Reader
	buf   []byte
	limit int
	start int // of the event being read
	value int // of its element
	at    int // how far it is looked at
	end   int // of what is buffered
	err   error

	state   state
	name    string // of the element being read
	depth   int    // of the element's brackets
	quoted  bool   // in a string
	escaped bool   // behind its backslash
}

type state uint8

const (
	before  state = iota // the array's opening bracket is not yet seen
	between              // two elements
	inside               // an element
	after                // the array
)

// minRead is how much room a read is given at least.
const minRead = 4 << 10

// NewScanner reads from r, with buf as its first buffer; an event longer than limit bytes is an error.
func NewScanner(r io.Reader, buf []byte, limit int) *Scanner {
	return &Scanner{r: r, buf: buf[:cap(buf)], limit: limit}
}

// Buffer returns the buffer in use, which may have grown.
func (s *Scanner) Buffer() []byte { return s.buf }

// Ready returns the next event if it is buffered whole, without reading.
func (s *Scanner) Ready() (wire.Event, bool) {
	for s.at < s.end {
		switch c := s.buf[s.at]; s.state {
		case before, between:
			switch {
			case isSpace(c), c == ',' && s.state == between:
				s.at++
			case c == '[' && s.state == before:
				s.at++
				s.state = between
			case c == ']' && s.state == between:
				s.at++
				s.state = after
				return s.take(Close, nil), true
			default:
				s.name = Element
				if s.state == before {
					s.name = Single
				}
				s.state, s.value, s.depth = inside, s.at, 0
			}
		case inside:
			if !s.whole() {
				return wire.Event{}, false
			}
			s.state = between
			if s.name == Single {
				s.state = after
			}
			return s.take(s.name, s.buf[s.value:s.at]), true
		case after:
			s.at = s.end
			return s.take("", nil), true
		}
	}
	return wire.Event{}, false
}

// whole goes on to the element's end, and reports whether it is there.
func (s *Scanner) whole() bool {
	for s.at < s.end {
		c := s.buf[s.at]
		if s.quoted {
			s.at++
			switch {
			case s.escaped:
				s.escaped = false
			case c == '\\':
				s.escaped = true
			case c == '"':
				if s.quoted = false; s.depth == 0 {
					return true
				}
			}
			continue
		}
		if s.depth == 0 && s.at > s.value && (c == ',' || c == ']' || isSpace(c)) {
			return true // a number or a word ends where something else begins
		}
		s.at++
		switch c {
		case '"':
			s.quoted = true
		case '{', '[':
			s.depth++
		case '}', ']':
			if s.depth--; s.depth <= 0 {
				return true
			}
		}
	}
	return false
}

// take ends the event where the scanner is.
func (s *Scanner) take(name string, data []byte) wire.Event {
	e := wire.Event{Raw: s.buf[s.start:s.at], Name: name, Data: data}
	s.start = s.at
	return e
}

// Fill reads once. It moves the buffer: events returned before are no longer valid. It returns io.EOF at the end.
func (s *Scanner) Fill() error {
	if s.err != nil {
		return s.err
	}
	if s.end-s.start > s.limit {
		return fmt.Errorf("%w: over %d bytes", wire.ErrTooLong, s.limit)
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

// Rest returns what stands behind the last whole event once the stream has ended. It is no element, so it has no data.
func (s *Scanner) Rest() (wire.Event, bool) {
	if s.start == s.end {
		return wire.Event{}, false
	}
	s.at = s.end
	return s.take("", nil), true
}

// makeRoom moves what is not yet an event to the front, and grows the buffer where that is not enough.
func (s *Scanner) makeRoom() {
	if s.start > 0 && (s.start == s.end || len(s.buf)-s.end < minRead) {
		copy(s.buf, s.buf[s.start:s.end])
		s.value -= s.start
		s.at -= s.start
		s.end -= s.start
		s.start = 0
	}
	if len(s.buf)-s.end < minRead {
		grown := make([]byte, max(2*len(s.buf), 2*minRead))
		copy(grown, s.buf[:s.end])
		s.buf = grown
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }
