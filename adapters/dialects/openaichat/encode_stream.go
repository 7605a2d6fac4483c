package openaichat

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// streamEncoder writes chunks. Each has the same id, time and model.
type streamEncoder struct {
	req     *adapters.RequestContext
	facts   *adapters.ProviderResponse
	created int64
	choices map[int]*sentChoice
	// whole: a call goes out when it is whole, as in Mistral's streams, whose SDKs take no pieces.
	whole bool
}

// sentChoice is what a choice's client has been told.
type sentChoice struct {
	kind  canonical.PartKind // of the open part
	calls int
	role  bool

	held      *outCall // the open call, where calls go out whole
	arguments []byte   // of it
}

// StreamType is server-sent events.
func (Dialect) StreamType(*adapters.RequestContext) string { return adapters.EventStream }

// NewStreamEncoder writes one stream of chunks.
func (Dialect) NewStreamEncoder(req *adapters.RequestContext, facts *adapters.ProviderResponse) adapters.StreamEncoder {
	return &streamEncoder{req: req, facts: facts, choices: map[int]*sentChoice{}, whole: fromMistral(req.Header)}
}

// fromMistral reports whether the client is one of Mistral's own SDKs, which share OpenAI's route.
func fromMistral(client http.Header) bool {
	return strings.HasPrefix(client.Get("User-Agent"), "mistral-client-")
}

type chunkBody struct {
	ID      string        `json:"id"`
	Object  string        `json:"object"`
	Created int64         `json:"created"`
	Model   string        `json:"model"`
	Choices []chunkChoice `json:"choices"`
	Usage   *usageBody    `json:"usage,omitempty"`
}

type chunkChoice struct {
	Index        int             `json:"index"`
	Delta        chunkDelta      `json:"delta"`
	Logprobs     json.RawMessage `json:"logprobs"`
	FinishReason *string         `json:"finish_reason"`
}

type chunkDelta struct {
	Role             string      `json:"role,omitempty"`
	Content          *string     `json:"content,omitempty"`
	Refusal          string      `json:"refusal,omitempty"`
	ReasoningContent string      `json:"reasoning_content,omitempty"`
	ToolCalls        []outCall   `json:"tool_calls,omitempty"`
	Images           []mediaPart `json:"images,omitempty"`
}

func (e *streamEncoder) chunk(dst []byte, choices []chunkChoice, usage *usageBody) []byte {
	b := chunkBody{
		ID: answerID(e.facts, e.req), Object: "chat.completion.chunk", Created: e.created, Model: modelOf(e.facts),
		Choices: choices, Usage: usage,
	}
	dst = append(dst, "data: "...)
	dst = append(dst, canonical.Marshal(b)...)
	return append(dst, "\n\n"...)
}

// text writes what most chunks are, as chunk would: without what encoding/json leaves behind for each.
func (e *streamEncoder) text(dst []byte, choice int, text string) []byte {
	dst = append(dst, `data: {"id":`...)
	dst = canonical.AppendString(dst, answerID(e.facts, e.req))
	dst = append(dst, `,"object":"chat.completion.chunk","created":`...)
	dst = strconv.AppendInt(dst, e.created, 10)
	dst = canonical.AppendString(append(dst, `,"model":`...), modelOf(e.facts))
	dst = strconv.AppendInt(append(dst, `,"choices":[{"index":`...), int64(choice), 10)
	dst = canonical.AppendString(append(dst, `,"delta":{"content":`...), text)
	return append(dst, `},"logprobs":null,"finish_reason":null}]}`+"\n\n"...)
}

// delta writes a chunk of one choice; the first says whose it is.
func (e *streamEncoder) delta(dst []byte, choice int, d chunkDelta, finish *string) []byte {
	if c := e.choice(choice); !c.role {
		c.role = true
		d.Role = "assistant"
		if d.Content == nil && len(d.ToolCalls) == 0 {
			empty := ""
			d.Content = &empty
		}
	}
	return e.chunk(dst, []chunkChoice{{Index: choice, Delta: d, Logprobs: json.RawMessage("null"), FinishReason: finish}}, nil)
}

func (e *streamEncoder) choice(index int) *sentChoice {
	c := e.choices[index]
	if c == nil {
		c = &sentChoice{}
		e.choices[index] = c
	}
	return c
}

// Event writes what one event says.
func (e *streamEncoder) Event(dst []byte, ev *canonical.Event) []byte {
	switch ev.Kind {
	case canonical.Start:
		e.created = createdAt(ev.Created, e.req)
		return e.delta(dst, 0, chunkDelta{}, nil)
	case canonical.PartBegin:
		c := e.choice(ev.Choice)
		c.kind = ev.Part.Kind
		return e.begin(dst, c, ev)
	case canonical.PartDelta:
		return e.more(dst, e.choice(ev.Choice), ev)
	case canonical.PartEnd:
		return e.release(dst, e.choice(ev.Choice), ev)
	case canonical.Finish:
		word := finishWord(ev.Finish)
		return e.delta(dst, ev.Choice, chunkDelta{}, &word)
	case canonical.Ping:
		return append(dst, ": ping\n\n"...)
	}
	return dst
}

func (e *streamEncoder) begin(dst []byte, c *sentChoice, ev *canonical.Event) []byte {
	switch p := ev.Part; p.Kind {
	case canonical.ToolCall:
		out := encodeCall(*p)
		index := c.calls
		c.calls++
		out.Index = &index
		if out.Function != nil {
			out.Function.Arguments = p.Call.Arguments
		}
		if e.whole && out.Function != nil {
			c.held, c.arguments = &out, append(c.arguments[:0], p.Call.Arguments...)
			return dst
		}
		return e.delta(dst, ev.Choice, chunkDelta{ToolCalls: []outCall{out}}, nil)
	case canonical.Image:
		if url := p.Media.AsURL(); url != "" {
			return e.delta(dst, ev.Choice, chunkDelta{Images: []mediaPart{{Type: "image_url", Image: &imageURL{URL: url}}}}, nil)
		}
	}
	return dst
}

// release writes the call that was held until it was whole.
func (e *streamEncoder) release(dst []byte, c *sentChoice, ev *canonical.Event) []byte {
	if c.held == nil {
		return dst
	}
	call := *c.held
	c.held = nil
	call.Function.Arguments = string(c.arguments)
	return e.delta(dst, ev.Choice, chunkDelta{ToolCalls: []outCall{call}}, nil)
}

func (e *streamEncoder) more(dst []byte, c *sentChoice, ev *canonical.Event) []byte {
	if c.held != nil {
		c.arguments = append(c.arguments, ev.Text...)
		if ev.Part != nil {
			c.held.Extra = signed(ev.Part.Signature)
		}
		return dst
	}
	if c.kind == canonical.ToolCall {
		index := c.calls - 1
		out := outCall{Index: &index}
		if ev.Part != nil {
			out.Extra = signed(ev.Part.Signature)
		}
		if ev.Text == "" && out.Extra == nil {
			return dst
		}
		out.Function = &outFunction{Arguments: ev.Text}
		return e.delta(dst, ev.Choice, chunkDelta{ToolCalls: []outCall{out}}, nil)
	}
	if ev.Text == "" {
		return dst
	}
	if c.kind == canonical.Text && c.role {
		return e.text(dst, ev.Choice, ev.Text)
	}
	d := chunkDelta{}
	switch c.kind {
	case canonical.Text:
		d.Content = &ev.Text
	case canonical.Refusal:
		d.Refusal = ev.Text
	case canonical.Thinking:
		d.ReasoningContent = ev.Text
	default:
		return dst
	}
	return e.delta(dst, ev.Choice, d, nil)
}

// End writes the usage, where the client asked for it, and [DONE].
func (e *streamEncoder) End(dst []byte) []byte {
	if e.req.IncludeUsage {
		dst = e.chunk(dst, []chunkChoice{}, usageOf(e.facts))
	}
	return append(dst, "data: [DONE]\n\n"...)
}
