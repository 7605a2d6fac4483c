package adaptertest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire/eventstream"
)

// Stream is a stream that a person wrote: its events as they stand on the wire, in order.
type Stream struct {
	Type   string // its content type
	Events []string
}

// ReadStream reads a stream out of a fixture: server-sent events as they are, the frames of a binary event stream, a frame a line:
// its event or exception, a colon and its payload; or an array, a line a piece.
func ReadStream(text string) Stream {
	if strings.HasPrefix(text, "[") { // Gemini's, an element a piece
		return Stream{"application/json", strings.SplitAfter(text, "\n")}
	}
	first, _, _ := strings.Cut(text, ":")
	switch first {
	case "", "data", "event":
		s := Stream{Type: adapters.EventStream}
		for event := range strings.SplitAfterSeq(text, "\n\n") {
			if event != "" {
				s.Events = append(s.Events, event)
			}
		}
		return s
	}
	s := Stream{Type: eventstream.ContentType}
	for line := range strings.Lines(text) {
		name, payload, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if name == "" {
			continue
		}
		appendFrame := eventstream.AppendEvent
		if strings.HasSuffix(name, "Exception") {
			appendFrame = eventstream.AppendException
		}
		s.Events = append(s.Events, string(appendFrame(nil, name, []byte(payload))))
	}
	return s
}

// String is the stream's bytes.
func (s Stream) String() string { return strings.Join(s.Events, "") }

// Frames writes a binary event stream as ReadStream reads it. The error says what is no frame.
func Frames(stream []byte) (string, error) {
	var out strings.Builder
	scanner := eventstream.NewScanner(bytes.NewReader(stream), nil, len(stream)+1)
	read := 0
	for {
		e, ok := scanner.Ready()
		if ok {
			read += len(e.Raw)
			fmt.Fprintf(&out, "%s: %s\n", e.Name, e.Data)
			continue
		}
		if err := scanner.Fill(); errors.Is(err, io.EOF) && read == len(stream) {
			return out.String(), nil
		} else if err != nil {
			return out.String(), fmt.Errorf("after %d of %d bytes: %w", read, len(stream), err)
		}
	}
}
