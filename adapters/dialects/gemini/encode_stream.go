package gemini

import (
	"encoding/json"
	"net/url"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/events"
)

// StreamType is server-sent events where the client asked for them, else an array.
func (Dialect) StreamType(req *adapters.RequestContext) string {
	if inArray(req) {
		return "application/json"
	}
	return adapters.EventStream
}

func inArray(req *adapters.RequestContext) bool {
	query, _ := url.ParseQuery(req.RawQuery) // what cannot be read is not alt=sse
	return query.Get("alt") != "sse"
}

// NewStreamEncoder writes one stream for a client.
func (Dialect) NewStreamEncoder(req *adapters.RequestContext, facts *adapters.ProviderResponse) adapters.StreamEncoder {
	return &streamEncoder{req: req, facts: facts, array: inArray(req)}
}

// streamEncoder writes text and thoughts as they come. Gemini has calls only whole, so their arguments are gathered.
type streamEncoder struct {
	req    *adapters.RequestContext
	facts  *adapters.ProviderResponse
	array  bool
	frames int

	choices []*encodedChoice
}

type encodedChoice struct {
	index   int
	part    canonical.Part // the open one
	text    []byte         // gathered of it
	grounds json.RawMessage
	reason  events.FinishReason
}

func (s *streamEncoder) choice(index int) *encodedChoice {
	for _, c := range s.choices {
		if c.index == index {
			return c
		}
	}
	c := &encodedChoice{index: index}
	s.choices = append(s.choices, c)
	return c
}

// Event writes what one event adds to the answer.
func (s *streamEncoder) Event(dst []byte, e *canonical.Event) []byte {
	if e.Kind == canonical.Start || e.Kind == canonical.Ping {
		return dst
	}
	c := s.choice(e.Choice)
	switch e.Kind {
	case canonical.PartBegin:
		c.begin(e.Part)
		return s.said(dst, c, c.part.Text, c.add(e.Part))
	case canonical.PartDelta:
		signature := c.add(e.Part)
		return s.said(dst, c, e.Text, signature)
	case canonical.PartEnd:
		return s.whole(dst, c)
	case canonical.Finish:
		c.reason = e.Finish
	}
	return dst
}

// begin keeps what is known of a part: the event is valid during the call only.
func (c *encodedChoice) begin(p *canonical.Part) {
	c.part, c.text = *p, c.text[:0]
	switch {
	case p.Call != nil:
		call := *p.Call
		c.part.Call = &call
		c.text = append(c.text, call.Arguments...)
	case p.Thought != nil:
		c.part.Text = p.Thought.Text
	case p.Media != nil:
		media := *p.Media
		c.part.Media = &media
		c.text = append(c.text, media.Data...)
	}
	c.part.Raw = append(json.RawMessage(nil), p.Raw...)
}

// add takes what else a delta brings, and returns a signature.
func (c *encodedChoice) add(p *canonical.Part) (signature string) {
	if p == nil {
		return ""
	}
	if p.Citations != nil && p.Dialect == Name {
		c.grounds = append(json.RawMessage(nil), p.Citations...)
	}
	if p.Thought != nil {
		return p.Thought.Signature
	}
	return p.Signature
}

// said writes more of a text or of thoughts, and gathers what cannot go out yet.
func (s *streamEncoder) said(dst []byte, c *encodedChoice, text, signature string) []byte {
	switch c.part.Kind {
	case canonical.Text, canonical.Refusal:
		if text == "" && signature == "" {
			return dst
		}
		o := &object{}
		o.set("text", text)
		sign(o, signature)
		return s.frame(dst, candidateOf(c.index, []any{o}, "", nil))
	case canonical.Thinking:
		if text == "" && signature == "" {
			return dst
		}
		return s.frame(dst, candidateOf(c.index, []any{thoughtPart(text, signature)}, "", nil))
	}
	c.text = append(c.text, text...)
	if signature != "" {
		c.part.Signature = signature
	}
	return dst
}

// whole writes a part that goes out at its end.
func (s *streamEncoder) whole(dst []byte, c *encodedChoice) []byte {
	p := c.part
	c.part = canonical.Part{}
	switch {
	case p.Kind == canonical.ToolCall:
		p.Call.Arguments = string(c.text)
	case p.Media != nil:
		p.Media.Data = string(c.text)
	case p.Kind != canonical.Foreign:
		return dst
	}
	written := answerPart(&p)
	if written == nil {
		return dst
	}
	return s.frame(dst, candidateOf(c.index, []any{written}, "", nil))
}

// End writes the last chunk: why each candidate ended, and what all of it took.
func (s *streamEncoder) End(dst []byte) []byte {
	candidates := make([]any, 0, len(s.choices))
	for _, c := range s.choices {
		o := &object{}
		o.set("text", "")
		candidates = append(candidates, candidateOf(c.index, []any{o}, c.reason, c.grounds))
	}
	dst = s.write(dst, candidates, usageOf(s.facts.Usage))
	if s.array {
		dst = append(dst, "\n]\n"...)
	}
	return dst
}

func (s *streamEncoder) frame(dst []byte, candidate *object) []byte {
	return s.write(dst, []any{candidate}, nil)
}

func (s *streamEncoder) write(dst []byte, candidates []any, usage *object) []byte {
	out := &object{}
	out.set("candidates", candidates)
	if usage != nil {
		out.set("usageMetadata", usage)
	}
	identify(out, s.req, s.facts)
	switch {
	case !s.array:
		dst = append(dst, "data: "...)
	case s.frames == 0:
		dst = append(dst, '[')
	default:
		dst = append(dst, ",\n"...)
	}
	s.frames++
	dst = append(dst, encode(out)...)
	if !s.array {
		dst = append(dst, "\r\n\r\n"...)
	}
	return dst
}
