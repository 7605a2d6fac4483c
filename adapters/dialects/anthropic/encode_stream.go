package anthropic

import (
	"encoding/json"
	"strconv"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// streamEncoder writes the events of one message: each block begun, filled and ended, with indexes that rise by one.
type streamEncoder struct {
	req   *adapters.RequestContext
	facts *adapters.ProviderResponse
	block int // index of the last block begun
	kind  canonical.PartKind
	open  bool
	stop  string
	seq   string
}

// StreamType is server-sent events.
func (Dialect) StreamType(*adapters.RequestContext) string { return adapters.EventStream }

// NewStreamEncoder writes one stream of events.
func (Dialect) NewStreamEncoder(req *adapters.RequestContext, facts *adapters.ProviderResponse) adapters.StreamEncoder {
	return &streamEncoder{req: req, facts: facts, block: -1, stop: "end_turn"}
}

func frame(dst []byte, name string, v any) []byte {
	dst = append(append(dst, "event: "...), name...)
	dst = append(append(dst, "\ndata: "...), canonical.Marshal(v)...)
	return append(dst, "\n\n"...)
}

type blockEvent struct {
	Type  string          `json:"type"`
	Index int             `json:"index"`
	Block json.RawMessage `json:"content_block,omitempty"`
	Delta any             `json:"delta,omitempty"`
}

type delta struct {
	Type      string          `json:"type"`
	Signature string          `json:"signature,omitempty"`
	Citation  json.RawMessage `json:"citation,omitempty"`
}

// Event writes what one event says. Another choice than the first has no place here.
func (e *streamEncoder) Event(dst []byte, ev *canonical.Event) []byte {
	if ev.Choice != 0 {
		return dst
	}
	switch ev.Kind {
	case canonical.Start:
		return frame(dst, "message_start", map[string]any{"type": "message_start", "message": answerBody{
			ID: answerID(e.facts, e.req), Type: "message", Role: "assistant", Model: modelOf(e.facts),
			Content: []json.RawMessage{}, Usage: usageOf(e.facts),
		}})
	case canonical.PartBegin:
		return e.begin(dst, ev.Part)
	case canonical.PartDelta:
		return e.delta(dst, ev)
	case canonical.PartEnd:
		if !e.open {
			return dst
		}
		e.open = false
		return frame(dst, "content_block_stop", blockEvent{Type: "content_block_stop", Index: e.block})
	case canonical.Finish:
		e.stop, e.seq = stopWord(ev.Finish, ev.StopSequence), ev.StopSequence
	case canonical.Ping:
		return frame(dst, "ping", map[string]string{"type": "ping"})
	}
	return dst
}

func (e *streamEncoder) begin(dst []byte, p *canonical.Part) []byte {
	raw, ok := encodeBlock(*p)
	if e.open = ok; !ok {
		return dst
	}
	if p.Kind == canonical.ToolCall { // what it is called with comes in deltas
		raw = canonical.Marshal(block{Type: "tool_use", ID: p.Call.ID, Name: p.Call.Name, Input: json.RawMessage("{}")})
	}
	e.block++
	e.kind = p.Kind
	dst = frame(dst, "content_block_start", blockEvent{Type: "content_block_start", Index: e.block, Block: raw})
	if p.Kind == canonical.ToolCall && p.Call.Arguments != "" {
		return e.more(dst, `"input_json_delta","partial_json":`, p.Call.Arguments)
	}
	return dst
}

func (e *streamEncoder) send(dst []byte, d delta) []byte {
	return frame(dst, "content_block_delta", blockEvent{Type: "content_block_delta", Index: e.block, Delta: d})
}

// more writes what most events are, as send would: without what encoding/json leaves behind for each.
func (e *streamEncoder) more(dst []byte, kind, text string) []byte {
	dst = append(dst, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"...)
	dst = strconv.AppendInt(dst, int64(e.block), 10)
	dst = append(append(dst, `,"delta":{"type":`...), kind...)
	return append(canonical.AppendString(dst, text), "}}\n\n"...)
}

func (e *streamEncoder) delta(dst []byte, ev *canonical.Event) []byte {
	if !e.open {
		return dst
	}
	if ev.Text != "" {
		switch e.kind {
		case canonical.Text, canonical.Refusal:
			dst = e.more(dst, `"text_delta","text":`, ev.Text)
		case canonical.Thinking:
			dst = e.more(dst, `"thinking_delta","thinking":`, ev.Text)
		case canonical.ToolCall:
			dst = e.more(dst, `"input_json_delta","partial_json":`, ev.Text)
		}
	}
	switch p := ev.Part; {
	case p == nil:
	case p.Thought != nil && p.Thought.Signature != "":
		dst = e.send(dst, delta{Type: "signature_delta", Signature: p.Thought.Signature})
	case p.Citations != nil && p.Dialect == Name:
		dst = e.send(dst, delta{Type: "citations_delta", Citation: p.Citations})
	}
	return dst
}

// End writes why the model stopped and what was counted, and the last event.
func (e *streamEncoder) End(dst []byte) []byte {
	dst = frame(dst, "message_delta", map[string]any{
		"type":  "message_delta",
		"delta": map[string]any{"stop_reason": e.stop, "stop_sequence": orNil(e.seq)},
		"usage": usageOf(e.facts),
	})
	return frame(dst, "message_stop", map[string]string{"type": "message_stop"})
}
