package bedrock

import (
	"encoding/json"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/eventstream"
)

// streamEncoder writes one stream as frames. Indexes are Bedrock's own: a part that Converse cannot show takes none.
type streamEncoder struct {
	facts   *adapters.ProviderResponse
	started bool
	next    int // index of the next block
	shown   bool
	kind    canonical.PartKind // of the open part
	written bool               // a call's input
	stop    string
}

// StreamType is AWS's binary frames.
func (Dialect) StreamType(*adapters.RequestContext) string {
	return "application/vnd.amazon.eventstream"
}

// NewStreamEncoder writes one stream for a client.
func (Dialect) NewStreamEncoder(_ *adapters.RequestContext, facts *adapters.ProviderResponse) adapters.StreamEncoder {
	return &streamEncoder{facts: facts}
}

// Event appends the frames of one event.
func (s *streamEncoder) Event(dst []byte, e *canonical.Event) []byte {
	if e.Choice != 0 { // Converse has one
		return dst
	}
	switch e.Kind {
	case canonical.Start:
		return s.start(dst)
	case canonical.PartBegin:
		s.kind, s.shown, s.written = e.Part.Kind, false, false
		return s.begin(s.start(dst), e.Part)
	case canonical.PartDelta:
		return s.delta(dst, e)
	case canonical.PartEnd:
		if s.kind == canonical.ToolCall && !s.written {
			dst = s.block(dst, "delta", "toolUse", fields{"input": "{}"}) // SDKs read the input as JSON, also that of no parameters
		}
		if s.shown {
			dst = s.frame(dst, "contentBlockStop", fields{"contentBlockIndex": s.next})
			s.next++
		}
		s.shown = false
	case canonical.Finish:
		s.stop = e.StopSequence
	}
	return dst
}

// End appends why it ended, and what it used.
func (s *streamEncoder) End(dst []byte) []byte {
	dst = s.start(dst)
	stop := fields{"stopReason": stopReason(s.facts.FinishReason, s.stop)}
	if s.stop != "" {
		stop["additionalModelResponseFields"] = fields{"stop_sequence": s.stop}
	}
	dst = s.frame(dst, "messageStop", stop)
	return s.frame(dst, "metadata", fields{"usage": encodeUsage(s.facts.Usage), "metrics": encodeMetrics(s.facts)})
}

func (s *streamEncoder) start(dst []byte) []byte {
	if s.started {
		return dst
	}
	s.started = true
	return s.frame(dst, "messageStart", fields{"role": "assistant"})
}

func (s *streamEncoder) frame(dst []byte, name string, payload fields) []byte {
	raw, err := marshal(payload)
	if err != nil { // raw JSON of the provider's that is none: the frame would break the client's stream
		return dst
	}
	return eventstream.AppendEvent(dst, name, raw)
}

// block appends a frame of the open block: its start or a delta.
func (s *streamEncoder) block(dst []byte, member, kind string, value any) []byte {
	name := "contentBlockDelta"
	if member == "start" {
		name = "contentBlockStart"
	}
	s.shown = true
	return s.frame(dst, name, fields{"contentBlockIndex": s.next, member: fields{kind: value}})
}

// begin opens a part: of calls and images with a frame, of text and thoughts with their first delta.
func (s *streamEncoder) begin(dst []byte, p *canonical.Part) []byte {
	switch p.Kind {
	case canonical.ToolCall:
		dst = s.block(dst, "start", "toolUse", fields{"toolUseId": toolUseID(p.Call.ID), "name": p.Call.Name})
		return s.text(dst, p.Call.Arguments)
	case canonical.Image:
		e := requestEncoder{}
		if image, ok := e.media(p)["image"].(fields); ok {
			dst = s.block(dst, "start", "image", fields{"format": image["format"]})
			dst = s.block(dst, "delta", "image", fields{"source": image["source"]})
		}
		return dst
	case canonical.Foreign:
		return s.foreign(dst, p)
	}
	return s.part(s.text(dst, p.Text), p)
}

// delta appends more of the open part.
func (s *streamEncoder) delta(dst []byte, e *canonical.Event) []byte {
	dst = s.text(dst, e.Text)
	if e.Part != nil {
		dst = s.part(dst, e.Part)
	}
	return dst
}

// text appends what is text: said, thought, or a call's input.
func (s *streamEncoder) text(dst []byte, text string) []byte {
	if text == "" {
		return dst
	}
	switch s.kind {
	case canonical.Text, canonical.Refusal:
		return s.block(dst, "delta", "text", text)
	case canonical.Thinking:
		return s.block(dst, "delta", "reasoningContent", fields{"text": text})
	case canonical.ToolCall:
		s.written = true
		return s.block(dst, "delta", "toolUse", fields{"input": text})
	}
	return dst
}

// part appends what is more than text: of a thought, or citations of Bedrock's own.
func (s *streamEncoder) part(dst []byte, p *canonical.Part) []byte {
	if t := p.Thought; t != nil && s.kind == canonical.Thinking {
		dst = s.text(dst, t.Text)
		if t.Signature != "" {
			dst = s.block(dst, "delta", "reasoningContent", fields{"signature": t.Signature})
		}
		if t.Encrypted != "" {
			dst = s.block(dst, "delta", "reasoningContent", fields{"redactedContent": wrap(t.Encrypted)})
		}
	}
	if p.Dialect == Name && len(p.Citations) > 0 && s.kind == canonical.Text {
		_ = array("", p.Citations, func(_ int, value []byte) error {
			dst = s.block(dst, "delta", "citation", json.RawMessage(value))
			return nil
		})
	}
	return dst
}

// foreign appends a call or a result of a tool that Bedrock ran itself, as it came: in pieces, as a stream has them.
func (s *streamEncoder) foreign(dst []byte, p *canonical.Part) []byte {
	kind, inner, err := only("", p.Raw)
	if p.Dialect != Name || err != nil || kind != "toolUse" && kind != "toolResult" {
		return dst
	}
	start, err := members("", inner)
	if err != nil {
		return dst
	}
	input, content := start["input"], start["content"]
	delete(start, "input")
	delete(start, "content")
	dst = s.block(dst, "start", kind, start)
	if kind == "toolUse" {
		return s.block(dst, "delta", kind, fields{"input": string(input)})
	}
	if len(content) == 0 {
		return dst
	}
	return s.block(dst, "delta", kind, content)
}
