package openairesponses

import (
	"encoding/json"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// streamDecoder decodes one stream. Each item, and each part in it, is opened and closed by events of its own; one part is open at a time
// in the model: what comes for another waits until its turn.
type streamDecoder struct {
	started bool
	open    *openPart
	waiting []*openPart
	next    int // index of the next part
	end     ending
	items   map[int]*openItem
}

// openItem is an item between its first event and its last.
type openItem struct {
	id    string
	parts int // begun
}

// openPart is a part from its begin to its end.
type openPart struct {
	place place
	index int // ours
	part  canonical.Part
	text  bool              // a delta came
	held  []canonical.Event // of one that waits
	ended bool
}

// place is where a part stands in the output: its item, and which part of it, as the provider counts.
type place struct {
	item, part int
	kind       canonical.PartKind
	summary    bool
}

// NewStreamDecoder decodes one stream.
func (Dialect) NewStreamDecoder() adapters.StreamDecoder {
	return &streamDecoder{items: map[int]*openItem{}}
}

// streamEvent is what is decoded of an event.
type streamEvent struct {
	Type         string          `json:"type"`
	OutputIndex  int             `json:"output_index"`
	ContentIndex int             `json:"content_index"`
	SummaryIndex int             `json:"summary_index"`
	Delta        string          `json:"delta"`
	Text         string          `json:"text"`
	Refusal      string          `json:"refusal"`
	Arguments    string          `json:"arguments"`
	Input        string          `json:"input"`
	Item         json.RawMessage `json:"item"`
	Part         *contentPart    `json:"part"`
	Annotation   json.RawMessage `json:"annotation"`
	Response     *wireAnswer     `json:"response"`
}

// at is the place of a part that the event is about.
func (e *streamEvent) at(kind canonical.PartKind) place {
	return place{item: e.OutputIndex, part: e.ContentIndex, kind: kind}
}

// Event decodes one event.
func (d *streamDecoder) Event(name string, data []byte, emit func(*canonical.Event)) error {
	if len(data) == 0 {
		emit(&canonical.Event{Kind: canonical.Ping})
		return nil
	}
	if data[0] != '{' { // [DONE]
		return nil
	}
	e := streamEvent{Type: name}
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	if !d.started {
		d.started = true
		start := canonical.Event{Kind: canonical.Start}
		if e.Response != nil {
			start.Created, start.ServiceTier = e.Response.created(), e.Response.ServiceTier
		}
		emit(&start)
	}
	d.decode(&e, emit)
	return nil
}

func (d *streamDecoder) decode(e *streamEvent, emit func(*canonical.Event)) {
	thought := func() canonical.Part {
		return canonical.Part{Kind: canonical.Thinking, Thought: &canonical.Thought{ID: d.item(e.OutputIndex).id}}
	}
	switch e.Type {
	case "response.output_item.added":
		d.added(e, emit)
	case "response.output_item.done":
		d.done(e, emit)
	case "response.content_part.added":
		if e.Part == nil {
			return
		}
		switch e.Part.Type {
		case "output_text":
			d.begin(e.at(canonical.Text), canonical.Part{Kind: canonical.Text}, emit)
		case "refusal":
			d.begin(e.at(canonical.Refusal), canonical.Part{Kind: canonical.Refusal}, emit)
		case "reasoning_text":
			d.begin(e.at(canonical.Thinking), thought(), emit)
		}
	case "response.output_text.delta":
		d.more(e.at(canonical.Text), canonical.Part{Kind: canonical.Text}, e.Delta, emit)
	case "response.output_text.done":
		d.whole(e.at(canonical.Text), canonical.Part{Kind: canonical.Text}, e.Text, emit)
	case "response.output_text.annotation.added":
		if p := d.find(e.at(canonical.Text)); p != nil && !canonical.Null(e.Annotation) {
			cited := canonical.Marshal([]json.RawMessage{e.Annotation})
			d.send(p, canonical.Event{Part: &canonical.Part{Kind: canonical.Text, Citations: cited, Dialect: Name}}, emit)
		}
	case "response.refusal.delta":
		d.more(e.at(canonical.Refusal), canonical.Part{Kind: canonical.Refusal}, e.Delta, emit)
	case "response.refusal.done":
		d.whole(e.at(canonical.Refusal), canonical.Part{Kind: canonical.Refusal}, e.Refusal, emit)
	case "response.reasoning_text.delta":
		d.more(e.at(canonical.Thinking), thought(), e.Delta, emit)
	case "response.reasoning_summary_part.added", "response.reasoning_summary_text.delta":
		p := thought()
		p.Thought.Summary = true
		at := place{item: e.OutputIndex, part: e.SummaryIndex, kind: canonical.Thinking, summary: true}
		d.more(at, p, e.Delta, emit)
	case "response.function_call_arguments.delta", "response.custom_tool_call_input.delta":
		if p := d.find(place{item: e.OutputIndex, kind: canonical.ToolCall}); p != nil && e.Delta != "" {
			d.send(p, canonical.Event{Text: e.Delta}, emit)
		}
	case "response.completed", "response.incomplete":
		if r := e.Response; r != nil {
			d.end.status = r.Status
			if r.Incomplete != nil {
				d.end.reason = r.Incomplete.Reason
			}
		}
	}
}

func (d *streamDecoder) item(index int) *openItem {
	it := d.items[index]
	if it == nil {
		it = &openItem{}
		d.items[index] = it
	}
	return it
}

// added opens an item. A call is a part by itself; the parts of others come in events of their own.
func (d *streamDecoder) added(e *streamEvent, emit func(*canonical.Event)) {
	var it item
	if json.Unmarshal(e.Item, &it) != nil {
		return
	}
	o := d.item(e.OutputIndex)
	o.id = it.ID
	d.end.calls = d.end.calls || clientTool(it.Type)
	if it.Type == "function_call" || it.Type == "custom_tool_call" {
		p := it.call("")
		arguments := p.Call.Arguments
		p.Call.Arguments = ""
		d.more(place{item: e.OutputIndex, kind: canonical.ToolCall}, p, arguments, emit)
	}
}

// done closes an item with all its parts. What of it came in no event before is taken from the item itself.
func (d *streamDecoder) done(e *streamEvent, emit func(*canonical.Event)) {
	var it item
	if json.Unmarshal(e.Item, &it) != nil {
		d.endItem(e.OutputIndex, emit)
		return
	}
	o := d.item(e.OutputIndex)
	switch it.Type {
	case "function_call", "custom_tool_call":
		p := it.call("")
		arguments := p.Call.Arguments
		p.Call.Arguments = ""
		d.whole(place{item: e.OutputIndex, kind: canonical.ToolCall}, p, arguments, emit)
	case "reasoning", "message", "image_generation_call":
		begun := o.parts
		d.endItem(e.OutputIndex, emit)
		parts, _ := decodeOutput(e.Item)
		for i, p := range parts {
			encrypted := p.Kind == canonical.Thinking && (p.Thought.Encrypted != "" || p.Thought.Signature != "")
			if encrypted && i < begun { // its text came in deltas
				p.Thought = &canonical.Thought{Signature: p.Thought.Signature, Encrypted: p.Thought.Encrypted}
			} else if begun > 0 && !encrypted || p.Kind == canonical.Foreign {
				continue
			}
			d.sudden(e.OutputIndex, p, emit)
		}
	}
	d.endItem(e.OutputIndex, emit)
}

// sudden is a part that comes whole.
func (d *streamDecoder) sudden(item int, p canonical.Part, emit func(*canonical.Event)) {
	at := place{item: item, part: d.item(item).parts, kind: p.Kind}
	text := p.Text
	switch {
	case p.Kind == canonical.Text || p.Kind == canonical.Refusal:
		p.Text = ""
	case p.Kind == canonical.Thinking && p.Thought.Encrypted == "":
		t := *p.Thought
		text, t.Text = t.Text, ""
		p.Thought = &t
	}
	d.more(at, p, text, emit)
	d.endPart(d.find(at), emit)
}

// more adds to a part, which begins where it has not.
func (d *streamDecoder) more(at place, part canonical.Part, text string, emit func(*canonical.Event)) {
	d.begin(at, part, emit)
	if p := d.find(at); p != nil && text != "" {
		d.send(p, canonical.Event{Text: text}, emit)
	}
}

// whole is the text of a part at its end: it is what came in deltas, unless none came.
func (d *streamDecoder) whole(at place, part canonical.Part, text string, emit func(*canonical.Event)) {
	d.begin(at, part, emit)
	if p := d.find(at); p != nil && !p.text && text != "" {
		d.send(p, canonical.Event{Text: text}, emit)
	}
}

// begin opens a part, or lets it wait. Within an item one part ends where the next begins.
func (d *streamDecoder) begin(at place, part canonical.Part, emit func(*canonical.Event)) {
	if d.find(at) != nil {
		return
	}
	d.endItem(at.item, emit)
	d.item(at.item).parts++
	d.end.refuse = d.end.refuse || part.Kind == canonical.Refusal
	p := &openPart{place: at, index: d.next, part: part}
	d.next++
	if d.open != nil {
		d.waiting = append(d.waiting, p)
		return
	}
	d.open = p
	emit(&canonical.Event{Kind: canonical.PartBegin, Index: p.index, Part: &p.part})
}

func (d *streamDecoder) find(at place) *openPart {
	if d.open != nil && d.open.place == at {
		return d.open
	}
	for _, p := range d.waiting {
		if p.place == at && !p.ended {
			return p
		}
	}
	return nil
}

func (d *streamDecoder) send(p *openPart, e canonical.Event, emit func(*canonical.Event)) {
	p.text = p.text || e.Text != ""
	e.Kind, e.Index = canonical.PartDelta, p.index
	if p != d.open {
		p.held = append(p.held, e)
		return
	}
	emit(&e)
}

// endItem closes the parts of an item.
func (d *streamDecoder) endItem(item int, emit func(*canonical.Event)) {
	for _, p := range d.waiting {
		if p.place.item == item {
			p.ended = true
		}
	}
	if d.open != nil && d.open.place.item == item {
		d.endPart(d.open, emit)
	}
}

// endPart closes a part, and lets those that waited have their turn.
func (d *streamDecoder) endPart(p *openPart, emit func(*canonical.Event)) {
	if p == nil {
		return
	}
	p.ended = true
	for d.open != nil && d.open.ended {
		emit(&canonical.Event{Kind: canonical.PartEnd, Index: d.open.index})
		d.open = nil
		if len(d.waiting) == 0 {
			return
		}
		d.open, d.waiting = d.waiting[0], d.waiting[1:]
		emit(&canonical.Event{Kind: canonical.PartBegin, Index: d.open.index, Part: &d.open.part})
		for i := range d.open.held {
			emit(&d.open.held[i])
		}
		d.open.held = nil
	}
}

// End closes what is open, and says why the answer ended.
func (d *streamDecoder) End(emit func(*canonical.Event)) {
	if !d.started {
		emit(&canonical.Event{Kind: canonical.Start})
	}
	for d.open != nil {
		d.endPart(d.open, emit)
	}
	emit(&canonical.Event{Kind: canonical.Finish, Finish: d.end.finish()})
}
