package canonical

import "github.com/tollhouse/tollhouse/events"

// EventKind is what a stream's event says.
type EventKind uint8

// Kinds of events. A stream is Start, then for each choice parts, one after the other, each begun and ended, then Finish; parts of
// one choice never overlap: a decoder whose dialect lets them keeps back what comes out of turn. What the facts hold is not
// an event: an encoder takes usage, and the rest, from them at the end.
const (
	Start     EventKind = iota + 1 // the first event, before any part
	PartBegin                      // Part: its kind and what is known of it: a call's id and name
	PartDelta                      // Text: more of the part's text, thought or arguments. Part.Signature, Part.Thought: more of those
	PartEnd                        // the part is whole
	Finish                         // of one choice: Finish, StopSequence
	Ping                           // keeps the connection alive
)

// Event is one step of a streamed answer.
type Event struct {
	Kind   EventKind
	Choice int
	Index  int   // of the part in its choice, from 0, in the order of their begins
	Part   *Part // of PartBegin; of PartDelta where more than text comes: a signature, citations, encrypted thoughts
	Text   string

	Finish       events.FinishReason
	StopSequence string

	Created     int64 // of Start; Unix seconds; 0: unknown
	ServiceTier string
}
