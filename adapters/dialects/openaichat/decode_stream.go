package openaichat

import (
	"encoding/json"
	"errors"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

// decoder turns chunks into canonical events. A chunk says only what is new; where a part begins and ends is read from what kind of
// thing comes next.
type decoder struct {
	started bool
	choices map[int]*openChoice
	order   []int
}

// openChoice is where one choice stands.
type openChoice struct {
	index  int
	parts  int // begun
	kind   canonical.PartKind
	open   bool
	tool   int          // index of the open call
	begun  map[int]bool // calls, by their index
	finish string
}

// NewStreamDecoder decodes one stream of chunks.
func (Dialect) NewStreamDecoder() adapters.StreamDecoder {
	return &decoder{choices: map[int]*openChoice{}}
}

type streamedChunk struct {
	Created     int64  `json:"created"`
	ServiceTier string `json:"service_tier"`
	Choices     []struct {
		Index        int      `json:"index"`
		Delta        received `json:"delta"`
		FinishReason string   `json:"finish_reason"`
	} `json:"choices"`
}

// errOutOfTurn is returned where arguments come for a call that another has followed: nothing that could be done with them would be true.
var errOutOfTurn = errors.New("a tool call's arguments came after the next call had begun")

// Event decodes one chunk.
func (d *decoder) Event(_ string, data []byte, emit func(*canonical.Event)) error {
	if len(data) == 0 {
		emit(&canonical.Event{Kind: canonical.Ping})
		return nil
	}
	if string(data) == "[DONE]" {
		return nil
	}
	if text, ok := words(data); ok && d.started {
		d.choice(0).text(canonical.Text, text, emit)
		return nil
	}
	var c streamedChunk
	if err := json.Unmarshal(data, &c); err != nil {
		return err
	}
	if !d.started {
		d.started = true
		emit(&canonical.Event{Kind: canonical.Start, Created: c.Created, ServiceTier: c.ServiceTier})
	}
	for i := range c.Choices {
		choice := d.choice(c.Choices[i].Index)
		if err := choice.delta(&c.Choices[i].Delta, emit); err != nil {
			return err
		}
		if word := c.Choices[i].FinishReason; word != "" {
			choice.finish = word
		}
	}
	return nil
}

// words reads what most chunks are, more text of the first choice alone, without what encoding/json leaves behind for each.
func words(data []byte) (text string, ok bool) {
	choices := 0
	more := func() error { ok = false; return errMore }
	delta := func(value []byte) error {
		return jsonscan.Members(value, 0, func(key []byte, start, end int) error {
			switch member := value[start:end]; string(key) {
			case "content":
				text, ok = jsonscan.String(member)
			default:
				if string(member) != "null" && string(member) != `"assistant"` {
					return more()
				}
			}
			return nil
		})
	}
	choice := func(value []byte) error {
		if choices++; choices > 1 {
			return more()
		}
		return jsonscan.Members(value, 0, func(key []byte, start, end int) error {
			switch member := value[start:end]; string(key) {
			case "index":
				if string(member) != "0" {
					return more()
				}
			case "finish_reason":
				if string(member) != "null" {
					return more()
				}
			case "delta":
				return delta(member)
			}
			return nil
		})
	}
	err := jsonscan.Members(data, 0, func(key []byte, start, end int) error {
		if string(key) != "choices" || data[start] != '[' {
			return nil
		}
		return jsonscan.Elements(data, start, func(start, end int) error { return choice(data[start:end]) })
	})
	return text, ok && err == nil
}

// errMore ends the look at a chunk that is not text alone.
var errMore = errors.New("there is more to it")

func (d *decoder) choice(index int) *openChoice {
	c := d.choices[index]
	if c == nil {
		c = &openChoice{index: index, begun: map[int]bool{}}
		d.choices[index] = c
		d.order = append(d.order, index)
	}
	return c
}

// delta emits what one delta says.
func (c *openChoice) delta(m *received, emit func(*canonical.Event)) error {
	if t := m.ReasoningContent + m.Reasoning; t != "" {
		c.text(canonical.Thinking, t, emit)
	}
	content, err := decodeContent("delta.content", m.Content)
	if err != nil {
		return err
	}
	for _, p := range content {
		if p.Kind == canonical.Text {
			c.text(canonical.Text, p.Text, emit)
		}
	}
	c.text(canonical.Refusal, m.Refusal, emit)
	for _, t := range m.ToolCalls {
		if err := c.call(t, emit); err != nil {
			return err
		}
	}
	if m.Function != nil {
		zero := 0
		return c.call(call{Index: &zero, ID: legacyID(m.Function.Name), Function: m.Function}, emit)
	}
	for _, image := range m.Images {
		if p, ok := image.canonical(); ok {
			c.begin(p, emit)
		}
	}
	return nil
}

func (c *openChoice) text(kind canonical.PartKind, text string, emit func(*canonical.Event)) {
	if text == "" {
		return
	}
	if !c.open || c.kind != kind {
		p := canonical.Part{Kind: kind}
		if kind == canonical.Thinking {
			p.Thought = &canonical.Thought{}
		}
		c.begin(p, emit)
	}
	emit(&canonical.Event{Kind: canonical.PartDelta, Choice: c.index, Index: c.parts - 1, Text: text})
}

// call begins a call, or goes on with the open one. Some vendors give no index: then an id begins the next.
func (c *openChoice) call(t call, emit func(*canonical.Event)) error {
	index := c.tool
	switch {
	case t.Index != nil:
		index = *t.Index
	case t.ID != "":
		index = len(c.begun)
	}
	known := t.canonical()
	if !c.begun[index] {
		c.begun[index], c.tool = true, index
		p := t.part("")
		p.Call = &canonical.Call{ID: known.ID, Name: known.Name, Custom: known.Custom}
		c.begin(p, emit)
		c.tool = index
	} else if !c.open || c.kind != canonical.ToolCall || c.tool != index {
		if known.Arguments == "" {
			return nil
		}
		return errOutOfTurn
	}
	if known.Arguments != "" {
		emit(&canonical.Event{Kind: canonical.PartDelta, Choice: c.index, Index: c.parts - 1, Text: known.Arguments})
	}
	return nil
}

func (c *openChoice) begin(p canonical.Part, emit func(*canonical.Event)) {
	c.end(emit)
	c.open, c.kind = true, p.Kind
	emit(&canonical.Event{Kind: canonical.PartBegin, Choice: c.index, Index: c.parts, Part: &p})
	c.parts++
}

func (c *openChoice) end(emit func(*canonical.Event)) {
	if c.open {
		c.open = false
		emit(&canonical.Event{Kind: canonical.PartEnd, Choice: c.index, Index: c.parts - 1})
	}
}

// End emits the ends of what is open. A finish reason waits for it: some vendors send content behind it.
func (d *decoder) End(emit func(*canonical.Event)) {
	if !d.started {
		emit(&canonical.Event{Kind: canonical.Start})
	}
	for _, index := range d.order {
		c := d.choices[index]
		c.end(emit)
		emit(&canonical.Event{Kind: canonical.Finish, Choice: index, Finish: finish(c.finish)})
	}
}
