package cohere

import (
	"encoding/json"
	"strconv"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/events"
)

// streamEncoder writes one stream for a client of Cohere. Contents, calls and citations are counted apart, each from 0.
type streamEncoder struct {
	req                        *adapters.RequestContext
	facts                      *adapters.ProviderResponse
	started                    bool
	kind                       canonical.PartKind // of the open part; empty where it has no place here
	contents, calls, citations int
	finish                     events.FinishReason
	stopSequence               string
}

// StreamType is server-sent events.
func (Dialect) StreamType(*adapters.RequestContext) string { return adapters.EventStream }

// NewStreamEncoder writes one stream.
func (Dialect) NewStreamEncoder(req *adapters.RequestContext, facts *adapters.ProviderResponse) adapters.StreamEncoder {
	return &streamEncoder{req: req, facts: facts}
}

// Event appends the frames of one event. Only the first choice is written: Cohere has no other.
func (s *streamEncoder) Event(dst []byte, e *canonical.Event) []byte {
	if e.Kind == canonical.Ping {
		return append(dst, ": ping\n\n"...)
	}
	if e.Choice != 0 {
		return dst
	}
	dst = s.start(dst)
	switch e.Kind {
	case canonical.PartBegin:
		return s.begin(dst, e.Part)
	case canonical.PartDelta:
		dst = s.delta(dst, e.Text)
		if p := e.Part; p != nil {
			if p.Thought != nil {
				dst = s.delta(dst, p.Thought.Text)
			}
			dst = s.cite(dst, p)
		}
	case canonical.PartEnd:
		return s.end(dst)
	case canonical.Finish:
		s.finish, s.stopSequence = e.Finish, e.StopSequence
	}
	return dst
}

// start appends the first frame, once.
func (s *streamEncoder) start(dst []byte) []byte {
	if s.started {
		return dst
	}
	s.started = true
	dst = append(dst, "event: message-start\ndata: {\"id\":"...)
	dst = appendText(dst, answerID(s.req, s.facts))
	return append(dst, `,"type":"message-start","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}`+"\n\n"...)
}

func (s *streamEncoder) begin(dst []byte, p *canonical.Part) []byte {
	s.kind = ""
	switch {
	case p == nil:
	case p.Kind == canonical.Text || p.Kind == canonical.Refusal:
		s.kind = canonical.Text
		dst = frame(dst, "content-start", s.contents)
		dst = append(dst, `,"delta":{"message":{"content":{"type":"text","text":""}}}`...)
		dst = s.delta(closed(dst), p.Text)
		dst = s.cite(dst, p)
	case p.Kind == canonical.Thinking && p.Thought != nil && p.Thought.Encrypted != "": // nothing of it can be shown
	case p.Kind == canonical.Thinking:
		s.kind = canonical.Thinking
		dst = frame(dst, "content-start", s.contents)
		dst = closed(append(dst, `,"delta":{"message":{"content":{"type":"thinking","thinking":""}}}`...))
		if p.Thought != nil {
			dst = s.delta(dst, p.Thought.Text)
		}
	case p.Kind == canonical.ToolCall && p.Call != nil:
		s.kind = canonical.ToolCall
		dst = frame(dst, "tool-call-start", s.calls)
		dst = appendText(append(dst, `,"delta":{"message":{"tool_calls":{"id":`...), p.Call.ID)
		dst = appendText(append(dst, `,"type":"function","function":{"name":`...), p.Call.Name)
		dst = closed(append(dst, `,"arguments":""}}}}`...))
		dst = s.delta(dst, p.Call.Arguments)
	}
	return dst
}

// delta appends more of the open part.
func (s *streamEncoder) delta(dst []byte, text string) []byte {
	if text == "" {
		return dst
	}
	switch s.kind {
	case canonical.Text:
		dst = append(frame(dst, "content-delta", s.contents), `,"delta":{"message":{"content":{"text":`...)
	case canonical.Thinking:
		dst = append(frame(dst, "content-delta", s.contents), `,"delta":{"message":{"content":{"thinking":`...)
	case canonical.ToolCall:
		dst = append(frame(dst, "tool-call-delta", s.calls), `,"delta":{"message":{"tool_calls":{"function":{"arguments":`...)
		return closed(append(appendText(dst, text), "}}}}"...))
	default:
		return dst
	}
	return closed(append(appendText(dst, text), "}}}"...))
}

// cite appends citations that are in Cohere's own writing; no other's name places in the text as these do.
func (s *streamEncoder) cite(dst []byte, p *canonical.Part) []byte {
	if p.Dialect != Name || p.Citations == nil {
		return dst
	}
	_ = array("", p.Citations, func(_ int, citation []byte) error {
		dst = append(frame(dst, "citation-start", s.citations), `,"delta":{"message":{"citations":`...)
		dst = closed(append(append(dst, citation...), "}}"...))
		dst = closed(frame(dst, "citation-end", s.citations))
		s.citations++
		return nil
	})
	return dst
}

func (s *streamEncoder) end(dst []byte) []byte {
	switch s.kind {
	case canonical.Text, canonical.Thinking:
		dst = closed(frame(dst, "content-end", s.contents))
		s.contents++
	case canonical.ToolCall:
		dst = closed(frame(dst, "tool-call-end", s.calls))
		s.calls++
	}
	s.kind = ""
	return dst
}

// End appends message-end, with the usage of the facts, and [DONE].
func (s *streamEncoder) End(dst []byte) []byte {
	dst = s.start(dst)
	reason := s.facts.FinishReason
	if reason == "" {
		reason = s.finish
	}
	out := struct {
		Type  string `json:"type"`
		Delta struct {
			FinishReason string    `json:"finish_reason"`
			Usage        wireUsage `json:"usage"`
		} `json:"delta"`
	}{Type: "message-end"}
	out.Delta.FinishReason, out.Delta.Usage = native(reason, s.stopSequence), encodeUsage(s.facts.Usage)
	raw, _ := json.Marshal(out) // strings and numbers only: it cannot fail
	dst = append(append(dst, "event: message-end\ndata: "...), raw...)
	return append(dst, "\n\ndata: [DONE]\n\n"...)
}

// frame begins an event with an index; closed ends it.
func frame(dst []byte, kind string, index int) []byte {
	dst = append(append(dst, "event: "...), kind...)
	dst = append(append(dst, "\ndata: {\"type\":\""...), kind...)
	return strconv.AppendInt(append(dst, `","index":`...), int64(index), 10)
}

func closed(dst []byte) []byte { return append(dst, "}\n\n"...) }

func appendText(dst []byte, s string) []byte {
	raw, _ := marshal(s) // a string: it cannot fail
	return append(dst, raw...)
}
