package gemini

import (
	"slices"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/events"
)

// NewStreamDecoder decodes one stream.
func (Dialect) NewStreamDecoder() adapters.StreamDecoder { return &streamDecoder{} }

// streamDecoder cuts chunks into parts. Gemini has no marks for where a part begins and ends: a part goes on as long as text follows
// text, or thoughts follow thoughts.
type streamDecoder struct {
	started bool
	id      string
	made    ids
	choices []*decodedChoice
}

type decodedChoice struct {
	index  int
	next   int                // index of the next part
	open   canonical.PartKind // of the part that goes on; empty: none
	calls  bool
	native string
	reason events.FinishReason // where it is not Gemini's word that says it
}

// Event decodes one chunk.
func (d *streamDecoder) Event(_ string, data []byte, emit func(*canonical.Event)) error {
	if len(data) == 0 {
		return nil
	}
	c, err := readChunk(data)
	if err != nil {
		return err
	}
	if c.id != "" {
		d.id = c.id
	}
	if !d.started {
		d.started = true
		emit(&canonical.Event{Kind: canonical.Start, Created: c.created})
	}
	for i := range c.candidates {
		one := &c.candidates[i]
		to := d.choice(one.index)
		for j := range one.parts {
			d.part(to, &one.parts[j], emit)
		}
		if one.citations != nil && to.open == canonical.Text {
			to.delta(emit, "", &canonical.Part{Kind: canonical.Text, Citations: one.citations, Dialect: Name})
		}
		if one.finish != "" {
			to.native = one.finish
		}
	}
	if c.blocked {
		d.choice(0).reason = events.FinishContentFilter
	}
	return nil
}

func (d *streamDecoder) choice(index int) *decodedChoice {
	for _, c := range d.choices {
		if c.index == index {
			return c
		}
	}
	c := &decodedChoice{index: index}
	d.choices = append(d.choices, c)
	return c
}

func (d *streamDecoder) part(c *decodedChoice, p *canonical.Part, emit func(*canonical.Event)) {
	switch p.Kind {
	case canonical.Text:
		c.goOn(canonical.Text, emit)
		if p.Signature != "" {
			c.delta(emit, p.Text, &canonical.Part{Kind: canonical.Text, Signature: p.Signature})
		} else {
			c.delta(emit, p.Text, nil)
		}
	case canonical.Thinking:
		c.goOn(canonical.Thinking, emit)
		if s := p.Thought.Signature; s != "" {
			c.delta(emit, p.Thought.Text, &canonical.Part{Kind: canonical.Thinking, Thought: &canonical.Thought{Signature: s}})
		} else {
			c.delta(emit, p.Thought.Text, nil)
		}
	case canonical.ToolCall:
		c.calls = true
		d.made.name(p.Call, d.id)
		arguments := p.Call.Arguments
		begun := *p
		begun.Call = &canonical.Call{ID: p.Call.ID, Name: p.Call.Name}
		c.begin(&begun, emit)
		if arguments != "" {
			c.delta(emit, arguments, nil)
		}
		c.end(emit)
	default: // whole at once
		c.begin(p, emit)
		c.end(emit)
	}
}

// goOn makes sure that a part of this kind is open.
func (c *decodedChoice) goOn(kind canonical.PartKind, emit func(*canonical.Event)) {
	if c.open == kind {
		return
	}
	p := &canonical.Part{Kind: kind}
	if kind == canonical.Thinking {
		p.Thought = &canonical.Thought{Summary: true}
	}
	c.begin(p, emit)
}

func (c *decodedChoice) begin(p *canonical.Part, emit func(*canonical.Event)) {
	c.end(emit)
	c.open = p.Kind
	emit(&canonical.Event{Kind: canonical.PartBegin, Choice: c.index, Index: c.next, Part: p})
	c.next++
}

func (c *decodedChoice) delta(emit func(*canonical.Event), text string, p *canonical.Part) {
	emit(&canonical.Event{Kind: canonical.PartDelta, Choice: c.index, Index: c.next - 1, Text: text, Part: p})
}

func (c *decodedChoice) end(emit func(*canonical.Event)) {
	if c.open != "" {
		emit(&canonical.Event{Kind: canonical.PartEnd, Choice: c.index, Index: c.next - 1})
	}
	c.open = ""
}

// End ends the open parts and says why each choice ended: Gemini may send more behind a finish reason.
func (d *streamDecoder) End(emit func(*canonical.Event)) {
	slices.SortFunc(d.choices, func(a, b *decodedChoice) int { return a.index - b.index })
	for _, c := range d.choices {
		c.end(emit)
		reason := c.reason
		if reason == "" {
			reason = finish(c.native, c.calls)
		}
		emit(&canonical.Event{Kind: canonical.Finish, Choice: c.index, Finish: reason})
	}
}
