// Package wire has what every framing of a stream has in common; the framings are below it.
package wire

import "errors"

// What errors of a Scanner match.
var (
	ErrTooLong   = errors.New("a stream event is too long")        // it is over the limit
	ErrMalformed = errors.New("a stream event is not well formed") // no further event can be found
)

// Event is one event of a stream, or what stands between two. All its slices are valid until the next read.
type Event struct {
	Raw  []byte // every byte, with what ends it
	Name string // the event's type, where the framing has one
	Data []byte // its payload; nil where there is none
}

// Scanner splits a stream into events, each with the very bytes it came in.
type Scanner interface {
	// Ready returns the next event if it is buffered whole, without reading.
	Ready() (Event, bool)
	// Fill reads once. It moves the buffer: events returned before are no longer valid. It returns io.EOF at the end, and
	// an error that matches ErrTooLong for an event over the limit, or ErrMalformed.
	Fill() error
	// Rest returns what stands behind the last whole event once the stream has ended.
	Rest() (Event, bool)
	// Buffer returns the buffer in use, which may have grown.
	Buffer() []byte
}
