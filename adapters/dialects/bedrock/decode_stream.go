package bedrock

import (
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// streamDecoder decodes one stream. Text and thoughts have no start of their own: their first delta opens them. Blocks come one
// after the other; where one begins before the last was stopped, that one is ended.
type streamDecoder struct {
	started bool
	open    bool
	block   int // Bedrock's index of the open part
	kind    canonical.PartKind
	next    int // our index of the next part

	sealed []byte // of a redacted thought, which may come in pieces of base64
	held   *heldBlock

	finish       events.FinishReason
	stopSequence string
	finished     bool
}

// heldBlock is a block that only makes sense whole: an image, or what a tool of the provider's own was asked and gave back.
type heldBlock struct {
	kind    string
	fields  fields
	input   []byte
	content []json.RawMessage
}

// NewStreamDecoder decodes one stream.
func (Dialect) NewStreamDecoder() adapters.StreamDecoder { return &streamDecoder{} }

// Event decodes one event. What it gives to emit is built anew each time, so nothing of data is kept.
func (s *streamDecoder) Event(name string, data []byte, emit func(*canonical.Event)) error {
	if s.finished { // the usage, and what has no place behind the end
		return nil
	}
	start, _, err := jsonscan.Object(data, nil)
	if err != nil {
		return badAnswer(err)
	}
	index, body := 0, []byte(nil)
	err = object(name, data[start:], func(member string, value []byte) error {
		switch member {
		case "contentBlockIndex":
			n, _ := jsonscan.Uint(value)
			index = int(n)
		case "start", "delta":
			body = value
		case "stopReason":
			native, _ := jsonscan.String(value)
			s.finish = finish(native)
		case "additionalModelResponseFields":
			s.stopSequence = stopSequence(value)
		}
		return nil
	})
	if err != nil {
		return badAnswer(err)
	}
	switch name {
	case "messageStart":
		s.start(emit)
	case "contentBlockStart":
		err = s.blockStart(index, body, emit)
	case "contentBlockDelta":
		err = s.blockDelta(index, body, emit)
	case "contentBlockStop":
		s.close(emit)
	case "messageStop":
		s.End(emit)
	}
	return badAnswer(err)
}

// End emits what is still owed.
func (s *streamDecoder) End(emit func(*canonical.Event)) {
	if s.finished {
		return
	}
	s.finished = true
	s.start(emit)
	s.close(emit)
	emit(&canonical.Event{Kind: canonical.Finish, Finish: s.finish, StopSequence: s.stopSequence})
}

func (s *streamDecoder) start(emit func(*canonical.Event)) {
	if !s.started {
		s.started = true
		emit(&canonical.Event{Kind: canonical.Start})
	}
}

// begin opens a part, if it is not the one that is open.
func (s *streamDecoder) begin(block int, p *canonical.Part, emit func(*canonical.Event)) {
	if s.open && s.block == block && s.kind == p.Kind {
		return
	}
	s.start(emit)
	s.close(emit)
	s.open, s.block, s.kind = true, block, p.Kind
	emit(&canonical.Event{Kind: canonical.PartBegin, Index: s.next, Part: p})
}

func (s *streamDecoder) delta(e canonical.Event, emit func(*canonical.Event)) {
	e.Kind, e.Index = canonical.PartDelta, s.next
	emit(&e)
}

// close ends the open part, if there is one.
func (s *streamDecoder) close(emit func(*canonical.Event)) {
	if s.held != nil {
		s.release(emit)
	}
	if !s.open {
		return
	}
	if len(s.sealed) > 0 {
		t := &canonical.Thought{Encrypted: unwrap(base64.StdEncoding.EncodeToString(s.sealed))}
		s.delta(canonical.Event{Part: &canonical.Part{Kind: canonical.Thinking, Thought: t}}, emit)
		s.sealed = nil
	}
	emit(&canonical.Event{Kind: canonical.PartEnd, Index: s.next})
	s.open = false
	s.next++
}

func (s *streamDecoder) blockStart(block int, body []byte, emit func(*canonical.Event)) error {
	kind, inner, err := only("start", body)
	if err != nil {
		return err
	}
	s.close(emit)
	if kind == "toolUse" {
		p, err := decodeBlock("start", kind, inner)
		if err != nil {
			return err
		}
		if p.Kind == canonical.ToolCall {
			s.begin(block, &p, emit)
			return nil
		}
	}
	s.held = &heldBlock{kind: kind, fields: fields{}}
	return object("start", inner, func(name string, value []byte) error {
		s.held.fields[name] = json.RawMessage(compact(value))
		return nil
	})
}

func (s *streamDecoder) blockDelta(block int, body []byte, emit func(*canonical.Event)) error {
	kind, inner, err := only("delta", body)
	if err != nil {
		return err
	}
	if s.held != nil {
		return s.hold(kind, inner)
	}
	switch kind {
	case "text":
		var text string
		if err := readText("delta.text", inner, &text); err != nil || text == "" {
			return err
		}
		s.begin(block, &canonical.Part{Kind: canonical.Text}, emit)
		s.delta(canonical.Event{Text: text}, emit)
	case "toolUse":
		if !s.open || s.kind != canonical.ToolCall {
			return errors.New("the input of a call that was not begun")
		}
		return object("delta.toolUse", inner, func(name string, value []byte) error {
			var text string
			if err := readText("delta.toolUse."+name, value, &text); err != nil || name != "input" || text == "" {
				return err
			}
			s.delta(canonical.Event{Text: text}, emit)
			return nil
		})
	case "reasoningContent":
		return s.thought(block, inner, emit)
	case "citation":
		cited := &canonical.Part{Kind: canonical.Text, Dialect: Name, Citations: json.RawMessage("[" + compact(inner) + "]")}
		s.begin(block, &canonical.Part{Kind: canonical.Text}, emit)
		s.delta(canonical.Event{Part: cited}, emit)
	}
	return nil
}

func (s *streamDecoder) thought(block int, value []byte, emit func(*canonical.Event)) error {
	return object("delta.reasoningContent", value, func(name string, value []byte) error {
		var text string
		if err := readText("delta.reasoningContent."+name, value, &text); err != nil || text == "" {
			return err
		}
		s.begin(block, &canonical.Part{Kind: canonical.Thinking, Thought: &canonical.Thought{}}, emit)
		switch name {
		case "text":
			s.delta(canonical.Event{Text: text}, emit)
		case "signature":
			s.delta(canonical.Event{Part: &canonical.Part{Kind: canonical.Thinking, Thought: &canonical.Thought{Signature: text}}}, emit)
		case "redactedContent":
			raw, err := base64.StdEncoding.DecodeString(text)
			s.sealed = append(s.sealed, raw...)
			return err
		}
		return nil
	})
}

func (s *streamDecoder) hold(kind string, inner []byte) error {
	switch kind {
	case "toolUse":
		return object("delta.toolUse", inner, func(name string, value []byte) error {
			var text string
			err := readText("delta.toolUse."+name, value, &text)
			s.held.input = append(s.held.input, text...)
			return err
		})
	case "toolResult":
		return array("delta.toolResult", inner, func(_ int, value []byte) error {
			s.held.content = append(s.held.content, json.RawMessage(compact(value)))
			return nil
		})
	}
	return object("delta", inner, func(name string, value []byte) error { // of an image: its source
		s.held.fields[name] = json.RawMessage(compact(value))
		return nil
	})
}

// release emits a held block as one part.
func (s *streamDecoder) release(emit func(*canonical.Event)) {
	h := s.held
	s.held = nil
	switch {
	case h.kind == "toolUse":
		h.fields["input"] = arguments(string(h.input))
	case h.kind == "toolResult" && h.content != nil:
		h.fields["content"] = h.content
	}
	raw, err := marshal(fields{h.kind: h.fields})
	if err != nil {
		return
	}
	parts, err := decodeBlocks("delta", append(append([]byte{'['}, raw...), ']'))
	if err != nil || len(parts) != 1 {
		return
	}
	parts[0].Field = ""
	s.begin(-1, &parts[0], emit)
}
