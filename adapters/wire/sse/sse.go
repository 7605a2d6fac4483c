// Package sse splits a stream of server-sent events into events, each with the very bytes it came in, so that they can be
// passed on untouched.
package sse

import (
	"bytes"
	"fmt"
	"io"

	"github.com/tollhouse/tollhouse/adapters/wire"
)

// Event is one event: Name is its field event, Data its data lines joined by \n, and what stands between two (comments, blank
// lines) has neither.
type Event = wire.Event

// Scanner reads events from a stream. Lines end with LF, CRLF or CR.
type Scanner struct {
	r      io.Reader
	buf    []byte
	limit  int
	start  int // of the event being read
	line   int // of its current line
	end    int // of what is buffered
	err    error
	joined []byte            // scratch for events of several data lines
	names  map[string]string // each event name is made a string once
}

// minRead is how much room a read is given at least.
const minRead = 4 << 10

// NewScanner reads from r, with buf as its first buffer; an event longer than limit bytes is an error.
func NewScanner(r io.Reader, buf []byte, limit int) *Scanner {
	return &Scanner{r: r, buf: buf[:cap(buf)], limit: limit}
}

// Buffer returns the buffer in use, which may have grown.
func (s *Scanner) Buffer() []byte { return s.buf }

// Ready returns the next event if it is buffered whole, without reading.
func (s *Scanner) Ready() (Event, bool) {
	for {
		line, next, ok := s.nextLine()
		if !ok {
			return Event{}, false
		}
		begin := s.line
		s.line = next
		if len(line) == 0 {
			return s.take(begin, next), true
		}
	}
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

// Rest returns what stands behind the last whole event once the stream has ended: an event whose blank line is missing.
// It reports false where there is nothing.
func (s *Scanner) Rest() (Event, bool) {
	if s.start == s.end {
		return Event{}, false
	}
	return s.take(s.end, s.end), true
}

// makeRoom moves what is not yet an event to the front, and grows the buffer where that is not enough.
func (s *Scanner) makeRoom() {
	if s.start > 0 && (s.start == s.end || len(s.buf)-s.end < minRead) {
		copy(s.buf, s.buf[s.start:s.end])
		s.line -= s.start
		s.end -= s.start
		s.start = 0
	}
	if len(s.buf)-s.end < minRead {
		grown := make([]byte, max(2*len(s.buf), 2*minRead))
		copy(grown, s.buf[:s.end])
		s.buf = grown
	}
}

// nextLine finds the line that begins at s.line, without its end.
func (s *Scanner) nextLine() (line []byte, next int, ok bool) {
	rest := s.buf[s.line:s.end]
	lf := bytes.IndexByte(rest, '\n')
	until := rest
	if lf >= 0 {
		until = rest[:lf]
	}
	cr := bytes.IndexByte(until, '\r')
	switch {
	case cr >= 0 && cr == len(rest)-1 && s.err == nil:
		return nil, 0, false // whether an LF follows is not known yet
	case cr >= 0 && lf == cr+1:
		return rest[:cr], s.line + lf + 1, true
	case cr >= 0:
		return rest[:cr], s.line + cr + 1, true
	case lf >= 0:
		return rest[:lf], s.line + lf + 1, true
	}
	return nil, 0, false
}

// take ends the event at `end`; its lines stand before `lines`.
func (s *Scanner) take(lines, end int) Event {
	e := Event{Raw: s.buf[s.start:end]}
	for rest := s.buf[s.start:lines]; len(rest) > 0; {
		var line []byte
		line, rest = cutLine(rest)
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "data":
			if e.Data == nil {
				if e.Data = value; value == nil {
					e.Data = []byte{}
				}
				continue
			}
			joined := append(s.joined[:0], e.Data...)
			s.joined = append(append(joined, '\n'), value...)
			e.Data = s.joined
		case "event":
			e.Name = s.intern(value)
		}
	}
	s.start, s.line = end, end
	return e
}

// cutLine returns the first line without its end, and what follows.
func cutLine(b []byte) (line, rest []byte) {
	line = b
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		line, rest = b[:i], b[i+1:]
	}
	i := bytes.IndexByte(line, '\r')
	switch {
	case i < 0:
		return line, rest
	case i == len(line)-1:
		return line[:i], b[min(len(line)+1, len(b)):]
	}
	return b[:i], b[i+1:]
}

// intern returns the name as a string; a stream has few of them, and each is made once.
func (s *Scanner) intern(name []byte) string {
	if len(name) == 0 {
		return ""
	}
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
