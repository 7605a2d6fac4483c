package openairesponses

import (
	"encoding/json"
	"strconv"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/events"
)

// streamEncoder writes the events of one response: each item added, its parts opened, filled and closed, the item done, and at the end
// the whole response.
type streamEncoder struct {
	req     *adapters.RequestContext
	facts   *adapters.ProviderResponse
	body    answerBody
	started bool
	seq     int
	names   itemNames
	finish  events.FinishReason

	open      bool
	part      canonical.Part // the open one, with all that has come of it
	id        string         // of its item
	begun     bool           // its inner part was opened
	citations []json.RawMessage
}

// StreamType is server-sent events.
func (Dialect) StreamType(*adapters.RequestContext) string { return adapters.EventStream }

// NewStreamEncoder writes one stream of events.
func (Dialect) NewStreamEncoder(req *adapters.RequestContext, facts *adapters.ProviderResponse) adapters.StreamEncoder {
	return &streamEncoder{req: req, facts: facts, names: itemNames{request: req.ID}}
}

// member is one of an event's.
type member struct {
	name  string
	value any
}

// event appends one frame.
func (s *streamEncoder) event(dst []byte, kind string, members ...member) []byte {
	dst = append(append(dst, "event: "...), kind...)
	dst = append(append(dst, "\ndata: {\"type\":\""...), kind...)
	dst = strconv.AppendInt(append(dst, `","sequence_number":`...), int64(s.seq), 10)
	s.seq++
	for _, m := range members {
		dst = append(append(append(dst, `,"`...), m.name...), `":`...)
		dst = append(dst, canonical.Marshal(m.value)...)
	}
	return append(dst, "}\n\n"...)
}

// inner appends a frame about the open item, or about the part in it that place names: content_index or summary_index.
func (s *streamEncoder) inner(dst []byte, kind, place string, members ...member) []byte {
	all := append(make([]member, 0, 3+len(members)), member{"item_id", s.id}, member{"output_index", len(s.body.Output)})
	if place != "" {
		all = append(all, member{place, 0})
	}
	return s.event(dst, kind, append(all, members...)...)
}

// Event appends the frames of one event. Only the first choice is written: there is no other here.
func (s *streamEncoder) Event(dst []byte, e *canonical.Event) []byte {
	if e.Kind == canonical.Ping {
		return append(dst, ": ping\n\n"...)
	}
	if e.Choice != 0 {
		return dst
	}
	dst = s.start(dst, e)
	switch e.Kind {
	case canonical.PartBegin:
		if e.Part != nil {
			dst = s.begin(dst, *e.Part)
		}
	case canonical.PartDelta:
		if s.open {
			dst = s.more(dst, e)
		}
	case canonical.PartEnd:
		if s.open {
			dst = s.end(dst)
		}
	case canonical.Finish:
		s.finish = e.Finish
	}
	return dst
}

// start appends the first frames, once.
func (s *streamEncoder) start(dst []byte, e *canonical.Event) []byte {
	if s.started {
		return dst
	}
	s.started = true
	s.body = newAnswer(s.req, s.facts, e.Created)
	if e.ServiceTier != "" {
		s.body.ServiceTier = canonical.Marshal(e.ServiceTier)
	}
	dst = s.event(dst, "response.created", member{"response", s.body})
	return s.event(dst, "response.in_progress", member{"response", s.body})
}

// begin opens the item of a part. What comes whole is done at once.
func (s *streamEncoder) begin(dst []byte, p canonical.Part) []byte {
	s.open, s.part, s.begun, s.citations = true, p, false, nil
	text := ""
	switch p.Kind {
	case canonical.Text, canonical.Refusal:
		s.id = s.names.name("msg")
		text, s.part.Text, s.part.Citations = p.Text, "", nil
		dst = s.added(dst, messageItem{"message", s.id, "in_progress", "assistant", []outContent{}})
		dst = s.opened(dst)
		dst = s.cite(dst, &p)
	case canonical.Thinking:
		t := canonical.Thought{}
		if p.Thought != nil {
			t = *p.Thought
		}
		text, t.Text = t.Text, ""
		s.part.Thought = &t
		if s.id = s.names.name("rs"); t.ID != "" {
			s.id = t.ID
		}
		dst = s.added(dst, outThought{Type: "reasoning", ID: s.id, Status: "in_progress", Summary: []outContent{}})
	case canonical.ToolCall:
		c := *p.Call
		text, c.Arguments = c.Arguments, ""
		s.part.Call = &c
		s.id = s.names.name(callPrefix(&c))
		dst = s.added(dst, calledItem(&c, s.id, "in_progress"))
	default:
		s.open = false
		for _, item := range answerItems(&p, &s.names, nil) {
			dst = s.sudden(dst, item)
		}
		return dst
	}
	return s.text(dst, text)
}

func (s *streamEncoder) added(dst []byte, item any) []byte {
	return s.event(dst, "response.output_item.added", member{"output_index", len(s.body.Output)}, member{"item", item})
}

// done appends the end of an item, and keeps it for the end of all.
func (s *streamEncoder) done(dst []byte, item any) []byte {
	raw := json.RawMessage(canonical.Marshal(item))
	dst = s.event(dst, "response.output_item.done", member{"output_index", len(s.body.Output)}, member{"item", raw})
	s.body.Output = append(s.body.Output, raw)
	return dst
}

// sudden appends an item that comes whole.
func (s *streamEncoder) sudden(dst []byte, item any) []byte {
	return s.done(s.added(dst, item), item)
}

// summary reports whether what is being thought is shown as a summary.
func (s *streamEncoder) summary() bool { return s.part.Thought != nil && s.part.Thought.Summary }

// opened opens the part inside the item, once.
func (s *streamEncoder) opened(dst []byte) []byte {
	if s.begun {
		return dst
	}
	s.begun = true
	empty := ""
	switch {
	case s.part.Kind == canonical.Thinking && s.summary():
		return s.inner(dst, "response.reasoning_summary_part.added", "summary_index", member{"part", outContent{Type: "summary_text", Text: &empty}})
	case s.part.Kind == canonical.Thinking:
		return s.inner(dst, "response.content_part.added", "content_index", member{"part", outContent{Type: "reasoning_text", Text: &empty}})
	}
	return s.inner(dst, "response.content_part.added", "content_index", member{"part", saidContent(&s.part, noLogprobs)})
}

// more takes a delta: text, and what else is known of the part by now.
func (s *streamEncoder) more(dst []byte, e *canonical.Event) []byte {
	dst = s.text(dst, e.Text)
	p := e.Part
	if p == nil {
		return dst
	}
	if p.Signature != "" {
		s.part.Signature = p.Signature
	}
	if t := p.Thought; t != nil && s.part.Kind == canonical.Thinking {
		dst = s.text(dst, t.Text)
		s.part.Thought.Signature += t.Signature
		s.part.Thought.Encrypted += t.Encrypted
	}
	return s.cite(dst, p)
}

// text appends more of the open part's text.
func (s *streamEncoder) text(dst []byte, text string) []byte {
	if text == "" {
		return dst
	}
	switch s.part.Kind {
	case canonical.Text:
		s.part.Text += text
		return s.inner(dst, "response.output_text.delta", "content_index", member{"delta", text}, member{"logprobs", noLogprobs})
	case canonical.Refusal:
		s.part.Text += text
		return s.inner(dst, "response.refusal.delta", "content_index", member{"delta", text})
	case canonical.Thinking:
		s.part.Thought.Text += text
		dst = s.opened(dst)
		if s.summary() {
			return s.inner(dst, "response.reasoning_summary_text.delta", "summary_index", member{"delta", text})
		}
		return s.inner(dst, "response.reasoning_text.delta", "content_index", member{"delta", text})
	}
	s.part.Call.Arguments += text
	kind := "response.function_call_arguments.delta"
	if s.part.Call.Custom {
		kind = "response.custom_tool_call_input.delta"
	}
	return s.inner(dst, kind, "", member{"delta", text})
}

// cite appends citations that are in OpenAI's own writing; no other's name places in the text as these do.
func (s *streamEncoder) cite(dst []byte, p *canonical.Part) []byte {
	var cited []json.RawMessage
	if p.Dialect != Name || s.part.Kind != canonical.Text || json.Unmarshal(p.Citations, &cited) != nil {
		return dst
	}
	for _, c := range cited {
		dst = s.inner(dst, "response.output_text.annotation.added", "content_index", member{"annotation_index", len(s.citations)}, member{"annotation", c})
		s.citations = append(s.citations, c)
	}
	return dst
}

// end closes the open part and its item, and sends the signature that must come back behind it.
func (s *streamEncoder) end(dst []byte) []byte {
	s.open = false
	p := &s.part
	switch p.Kind {
	case canonical.Text:
		if p.Dialect = ""; s.citations != nil {
			p.Dialect, p.Citations = Name, canonical.Marshal(s.citations)
		}
		dst = s.inner(dst, "response.output_text.done", "content_index", member{"text", p.Text}, member{"logprobs", noLogprobs})
		dst = s.saidDone(dst)
	case canonical.Refusal:
		dst = s.inner(dst, "response.refusal.done", "content_index", member{"refusal", p.Text})
		dst = s.saidDone(dst)
	case canonical.Thinking:
		dst = s.thoughtDone(dst)
	case canonical.ToolCall:
		dst = s.callDone(dst)
	}
	if p.Signature != "" {
		dst = s.sudden(dst, signatureItem(p.Signature, &s.names))
	}
	return dst
}

func (s *streamEncoder) saidDone(dst []byte) []byte {
	c := saidContent(&s.part, noLogprobs)
	dst = s.inner(dst, "response.content_part.done", "content_index", member{"part", c})
	return s.done(dst, messageItem{"message", s.id, "completed", "assistant", []outContent{c}})
}

func (s *streamEncoder) thoughtDone(dst []byte) []byte {
	t := s.part.Thought
	switch {
	case !s.begun:
	case t.Summary:
		dst = s.inner(dst, "response.reasoning_summary_text.done", "summary_index", member{"text", t.Text})
		dst = s.inner(dst, "response.reasoning_summary_part.done", "summary_index", member{"part", outContent{Type: "summary_text", Text: &t.Text}})
	default:
		dst = s.inner(dst, "response.reasoning_text.done", "content_index", member{"text", t.Text})
		dst = s.inner(dst, "response.content_part.done", "content_index", member{"part", outContent{Type: "reasoning_text", Text: &t.Text}})
	}
	return s.done(dst, thoughtItem(t, s.id))
}

func (s *streamEncoder) callDone(dst []byte) []byte {
	c := s.part.Call
	if c.Custom {
		dst = s.inner(dst, "response.custom_tool_call_input.done", "", member{"input", c.Arguments})
		return s.done(dst, calledItem(c, s.id, "completed"))
	}
	if c.Arguments == "" { // clients read it as JSON
		dst = s.text(dst, "{}")
	}
	dst = s.inner(dst, "response.function_call_arguments.done", "", member{"name", c.Name}, member{"arguments", c.Arguments})
	return s.done(dst, calledItem(c, s.id, "completed"))
}

// End appends the whole response, with how it ended and what was counted. Nothing comes behind it.
func (s *streamEncoder) End(dst []byte) []byte {
	dst = s.start(dst, &canonical.Event{})
	reason := s.facts.FinishReason
	if reason == "" {
		reason = s.finish
	}
	// What was not known when the stream began is known now.
	s.body.Model = modelOf(s.facts)
	kind := s.body.finish(reason, s.facts)
	return s.event(dst, kind, member{"response", s.body})
}
