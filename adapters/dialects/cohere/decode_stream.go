package cohere

import (
	"encoding/json"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// streamDecoder decodes one stream. Cohere counts contents and calls apart, each from 0, and opens and closes each; only the plan
// just comes. One part is open at a time: what comes for another waits until its turn.
type streamDecoder struct {
	open    *openPart
	waiting []*openPart
	next    int // index of the next part
	finish  events.FinishReason
}

// openPart is a part from its begin to its end.
type openPart struct {
	kind  string // content, call or plan
	at    uint64 // Cohere's index, by kind
	index int    // ours
	part  canonical.Part
	held  []canonical.Event // deltas of one that waits
	ended bool
}

// NewStreamDecoder decodes one stream of Cohere's.
func (Dialect) NewStreamDecoder() adapters.StreamDecoder { return &streamDecoder{} }

// delta is what an event says of a part.
type delta struct {
	kind, id, name        string
	text, plan, arguments string
	citation              []byte
	finish                string
}

// read goes down to the members that carry something, whatever objects they stand in.
func (d *delta) read(value []byte) error {
	return object("delta", value, func(name string, value []byte) error {
		switch name {
		case "message", "content", "tool_calls", "function":
			if value[0] == '{' {
				return d.read(value)
			}
		case "citations":
			d.citation = value
		case "type":
			d.kind, _ = jsonscan.String(value)
		case "id":
			d.id, _ = jsonscan.String(value)
		case "name":
			d.name, _ = jsonscan.String(value)
		case "text", "thinking":
			d.text, _ = jsonscan.String(value)
		case "tool_plan":
			d.plan, _ = jsonscan.String(value)
		case "arguments":
			d.arguments, _ = jsonscan.String(value)
		case "finish_reason":
			d.finish, _ = jsonscan.String(value)
		}
		return nil
	})
}

// Event decodes one event.
func (s *streamDecoder) Event(name string, data []byte, emit func(*canonical.Event)) error {
	if len(data) == 0 || data[0] != '{' { // a comment, [DONE]
		return nil
	}
	kind, at := name, uint64(0)
	var d delta
	err := object("the event", data, func(name string, value []byte) error {
		switch name {
		case "type":
			kind, _ = jsonscan.String(value)
		case "index":
			at, _ = jsonscan.Uint(value)
		case "delta":
			if value[0] == '{' {
				return d.read(value)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.decode(kind, at, &d, emit)
	return nil
}

func (s *streamDecoder) decode(kind string, at uint64, d *delta, emit func(*canonical.Event)) {
	switch kind {
	case "message-start":
		emit(&canonical.Event{Kind: canonical.Start})
	case "message-end":
		s.finish = finish(d.finish)
	case "tool-plan-delta":
		s.begin("plan", 0, canonical.Part{Kind: canonical.Text}, emit)
		s.delta("plan", 0, canonical.Event{Text: d.plan}, emit)
	case "content-start":
		part := canonical.Part{Kind: canonical.Text}
		if d.kind == "thinking" {
			part = canonical.Part{Kind: canonical.Thinking, Thought: &canonical.Thought{}}
		}
		s.begin("content", at, part, emit)
		s.delta("content", at, canonical.Event{Text: d.text}, emit)
	case "content-delta":
		s.delta("content", at, canonical.Event{Text: d.text}, emit)
	case "content-end":
		s.end("content", at, emit)
	case "tool-call-start":
		s.begin("call", at, canonical.Part{Kind: canonical.ToolCall, Call: &canonical.Call{ID: d.id, Name: d.name}}, emit)
		s.delta("call", at, canonical.Event{Text: d.arguments}, emit)
	case "tool-call-delta":
		s.delta("call", at, canonical.Event{Text: d.arguments}, emit)
	case "tool-call-end":
		s.end("call", at, emit)
	case "citation-start":
		// A citation has an index of its own; it is of the text that is open, which it is sent within.
		if o := s.open; o != nil && o.part.Kind == canonical.Text && len(d.citation) > 0 {
			raw := json.RawMessage(d.citation)
			if raw[0] == '{' {
				raw = rawArray([]json.RawMessage{raw})
			}
			part := &canonical.Part{Kind: canonical.Text, Citations: raw, Dialect: Name}
			s.delta(o.kind, o.at, canonical.Event{Part: part}, emit)
		}
	}
}

// begin opens a part, or lets it wait. A plan, which nobody closes, ends where anything else begins.
func (s *streamDecoder) begin(kind string, at uint64, part canonical.Part, emit func(*canonical.Event)) {
	if s.find(kind, at) != nil {
		return
	}
	if s.open != nil && s.open.kind == "plan" {
		s.end("plan", 0, emit)
	}
	o := &openPart{kind: kind, at: at, index: s.next, part: part}
	s.next++
	if s.open != nil {
		s.waiting = append(s.waiting, o)
		return
	}
	s.open = o
	emit(&canonical.Event{Kind: canonical.PartBegin, Index: o.index, Part: &o.part})
}

func (s *streamDecoder) find(kind string, at uint64) *openPart {
	if s.open != nil && s.open.kind == kind && s.open.at == at {
		return s.open
	}
	for _, o := range s.waiting {
		if o.kind == kind && o.at == at && !o.ended {
			return o
		}
	}
	return nil
}

func (s *streamDecoder) delta(kind string, at uint64, e canonical.Event, emit func(*canonical.Event)) {
	o := s.find(kind, at)
	if o == nil || e.Text == "" && e.Part == nil {
		return
	}
	e.Kind, e.Index = canonical.PartDelta, o.index
	if o != s.open {
		o.held = append(o.held, e)
		return
	}
	emit(&e)
}

// end closes a part, and lets those that waited have their turn.
func (s *streamDecoder) end(kind string, at uint64, emit func(*canonical.Event)) {
	o := s.find(kind, at)
	if o == nil {
		return
	}
	o.ended = true
	for s.open != nil && s.open.ended {
		emit(&canonical.Event{Kind: canonical.PartEnd, Index: s.open.index})
		s.open = nil
		if len(s.waiting) == 0 {
			return
		}
		s.open, s.waiting = s.waiting[0], s.waiting[1:]
		emit(&canonical.Event{Kind: canonical.PartBegin, Index: s.open.index, Part: &s.open.part})
		for i := range s.open.held {
			emit(&s.open.held[i])
		}
		s.open.held = nil
	}
}

// End closes what is open, and says why the answer ended.
func (s *streamDecoder) End(emit func(*canonical.Event)) {
	for s.open != nil {
		s.end(s.open.kind, s.open.at, emit)
	}
	emit(&canonical.Event{Kind: canonical.Finish, Finish: s.finish})
}
