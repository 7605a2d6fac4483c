package anthropic

import (
	"encoding/json"
	"errors"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// decoder turns Anthropic's events, which are nearly the canonical ones, into those.
type decoder struct {
	started bool
	open    bool
	index   int // of the last part begun
	stop    events.FinishReason
	stopSeq string
	said    canonical.Event // the one that is being emitted: most are deltas
}

// NewStreamDecoder decodes one stream of events.
func (Dialect) NewStreamDecoder() adapters.StreamDecoder { return &decoder{index: -1} }

type streamEvent struct {
	Type  string          `json:"type"`
	Block json.RawMessage `json:"content_block"`
	Delta struct {
		Type         string          `json:"type"`
		Text         string          `json:"text"`
		PartialJSON  string          `json:"partial_json"`
		Thinking     string          `json:"thinking"`
		Signature    string          `json:"signature"`
		Citation     json.RawMessage `json:"citation"`
		StopReason   string          `json:"stop_reason"`
		StopSequence string          `json:"stop_sequence"`
	} `json:"delta"`
}

// Event decodes one event.
func (d *decoder) Event(_ string, data []byte, emit func(*canonical.Event)) error {
	if len(data) == 0 {
		return nil
	}
	if text, ok := words(data); ok {
		if text != "" {
			d.said = canonical.Event{Kind: canonical.PartDelta, Index: d.index, Text: text}
			emit(&d.said)
		}
		return nil
	}
	var e streamEvent
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	switch e.Type {
	case "message_start":
		d.started = true
		emit(&canonical.Event{Kind: canonical.Start})
	case "ping":
		emit(&canonical.Event{Kind: canonical.Ping})
	case "content_block_start":
		return d.begin(e.Block, emit)
	case "content_block_delta":
		d.delta(&e, emit)
	case "content_block_stop":
		d.end(emit)
	case "message_delta":
		d.stop, d.stopSeq = finish(e.Delta.StopReason), e.Delta.StopSequence
	}
	return nil
}

// words reads what most events are, a delta of text alone, without what encoding/json leaves behind for each.
func words(data []byte) (text string, ok bool) {
	isDelta := false
	err := jsonscan.Members(data, 0, func(key []byte, start, end int) error {
		value := data[start:end]
		switch string(key) {
		case "type":
			isDelta = string(value) == `"content_block_delta"`
		case "delta":
			return jsonscan.Members(value, 0, func(key []byte, start, end int) error {
				switch string(key) {
				case "type":
				case "text", "partial_json", "thinking":
					text, ok = jsonscan.String(value[start:end])
				default:
					return errMore
				}
				return nil
			})
		}
		return nil
	})
	return text, ok && isDelta && err == nil
}

// errMore ends the look at an event that is not text alone.
var errMore = errors.New("there is more to it")

func (d *decoder) begin(raw json.RawMessage, emit func(*canonical.Event)) error {
	p, err := decodeBlock("content_block", raw)
	if err != nil {
		return err
	}
	d.end(emit)
	d.index++
	d.open = true
	said := ""
	switch p.Kind {
	case canonical.ToolCall:
		p.Call.Arguments = "" // an empty object stands for what is to come
	case canonical.Text:
		said, p.Text = p.Text, ""
	case canonical.Thinking:
		said, p.Thought.Text = p.Thought.Text, ""
	}
	emit(&canonical.Event{Kind: canonical.PartBegin, Index: d.index, Part: &p})
	if said != "" {
		emit(&canonical.Event{Kind: canonical.PartDelta, Index: d.index, Text: said})
	}
	return nil
}

func (d *decoder) delta(e *streamEvent, emit func(*canonical.Event)) {
	out := canonical.Event{Kind: canonical.PartDelta, Index: d.index}
	switch e.Delta.Type {
	case "text_delta":
		out.Text = e.Delta.Text
	case "input_json_delta":
		out.Text = e.Delta.PartialJSON
	case "thinking_delta":
		out.Text = e.Delta.Thinking
	case "signature_delta":
		out.Part = &canonical.Part{Kind: canonical.Thinking, Thought: &canonical.Thought{Signature: e.Delta.Signature}}
	case "citations_delta":
		out.Part = &canonical.Part{Kind: canonical.Text, Citations: e.Delta.Citation, Dialect: Name}
	}
	if out.Text != "" || out.Part != nil {
		emit(&out)
	}
}

func (d *decoder) end(emit func(*canonical.Event)) {
	if d.open {
		d.open = false
		emit(&canonical.Event{Kind: canonical.PartEnd, Index: d.index})
	}
}

// End emits the end of what is open, and why the model stopped.
func (d *decoder) End(emit func(*canonical.Event)) {
	if !d.started {
		emit(&canonical.Event{Kind: canonical.Start})
	}
	d.end(emit)
	emit(&canonical.Event{Kind: canonical.Finish, Finish: d.stop, StopSequence: d.stopSeq})
}
