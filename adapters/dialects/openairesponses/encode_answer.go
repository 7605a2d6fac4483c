package openairesponses

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// answerBody is a response object. It repeats what was asked for, as OpenAI's does, and nothing of it is kept.
type answerBody struct {
	ID                string            `json:"id"`
	Object            string            `json:"object"`
	CreatedAt         int64             `json:"created_at"`
	Status            string            `json:"status"`
	Background        bool              `json:"background"`
	Error             json.RawMessage   `json:"error"`
	IncompleteDetails *incomplete       `json:"incomplete_details"`
	Instructions      json.RawMessage   `json:"instructions"`
	MaxOutputTokens   json.RawMessage   `json:"max_output_tokens"`
	Model             string            `json:"model"`
	Output            []json.RawMessage `json:"output"`
	ParallelToolCalls json.RawMessage   `json:"parallel_tool_calls"`
	PreviousResponse  json.RawMessage   `json:"previous_response_id"`
	Reasoning         json.RawMessage   `json:"reasoning"`
	ServiceTier       json.RawMessage   `json:"service_tier"`
	Store             bool              `json:"store"`
	Temperature       json.RawMessage   `json:"temperature"`
	Text              json.RawMessage   `json:"text"`
	ToolChoice        json.RawMessage   `json:"tool_choice"`
	Tools             json.RawMessage   `json:"tools"`
	TopLogprobs       json.RawMessage   `json:"top_logprobs"`
	TopP              json.RawMessage   `json:"top_p"`
	Truncation        json.RawMessage   `json:"truncation"`
	Usage             *usageBody        `json:"usage"`
	User              json.RawMessage   `json:"user"`
	Metadata          json.RawMessage   `json:"metadata"`
}

type incomplete struct {
	Reason string `json:"reason"`
}

type usageBody struct {
	InputTokens  uint64 `json:"input_tokens"`
	InputDetails struct {
		CachedTokens     uint64 `json:"cached_tokens"`
		CacheWriteTokens uint64 `json:"cache_write_tokens"`
	} `json:"input_tokens_details"`
	OutputTokens  uint64 `json:"output_tokens"`
	OutputDetails struct {
		ReasoningTokens uint64 `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	TotalTokens uint64 `json:"total_tokens"`
}

// usageOf writes what was counted, an estimate among it: a client that reads usage finds some.
func usageOf(facts *adapters.ProviderResponse) *usageBody {
	u := facts.Usage
	if u == nil {
		u = &events.Usage{}
	}
	b := &usageBody{InputTokens: u.InputTokens, OutputTokens: u.OutputTokens, TotalTokens: u.InputTokens + u.OutputTokens}
	b.InputDetails.CachedTokens, b.InputDetails.CacheWriteTokens = u.CacheReadTokens, u.CacheWriteTokens
	b.OutputDetails.ReasoningTokens = u.ReasoningTokens
	return b
}

// echoed are the members of a request that its answer repeats, each with what stands there where the client gave none.
var echoed = map[string]json.RawMessage{
	"instructions": null, "max_output_tokens": null, "parallel_tool_calls": json.RawMessage("true"), "previous_response_id": null,
	"reasoning": json.RawMessage(`{"effort":null,"summary":null}`), "temperature": json.RawMessage("1"),
	"text": json.RawMessage(`{"format":{"type":"text"}}`), "tool_choice": json.RawMessage(`"auto"`), "tools": json.RawMessage("[]"),
	"top_logprobs": json.RawMessage("0"), "top_p": json.RawMessage("1"), "truncation": json.RawMessage(`"disabled"`), "user": null,
	"metadata": json.RawMessage("{}"), "service_tier": null,
}

var null = json.RawMessage("null")

// newAnswer makes a response object that has no output yet.
func newAnswer(req *adapters.RequestContext, facts *adapters.ProviderResponse, created int64) answerBody {
	given := map[string]json.RawMessage{}
	_, _, _ = jsonscan.Object(req.Body, func(key []byte, start, end int) error {
		if _, ok := echoed[string(key)]; ok && string(req.Body[start:end]) != "null" {
			given[string(key)] = req.Body[start:end]
		}
		return nil
	})
	echo := func(name string) json.RawMessage {
		if value := given[name]; value != nil {
			return value
		}
		return echoed[name]
	}
	return answerBody{
		ID: answerID(facts, req), Object: "response", CreatedAt: createdAt(created, req), Status: "in_progress", Error: null,
		Instructions: echo("instructions"), MaxOutputTokens: echo("max_output_tokens"), Model: modelOf(facts), Output: []json.RawMessage{},
		ParallelToolCalls: echo("parallel_tool_calls"), PreviousResponse: echo("previous_response_id"), Reasoning: echo("reasoning"),
		ServiceTier: echo("service_tier"), Temperature: echo("temperature"), Text: echo("text"), ToolChoice: echo("tool_choice"),
		Tools: echo("tools"), TopLogprobs: echo("top_logprobs"), TopP: echo("top_p"), Truncation: echo("truncation"), User: echo("user"),
		Metadata: echo("metadata"),
	}
}

func answerID(facts *adapters.ProviderResponse, req *adapters.RequestContext) string {
	if facts.ResponseID != "" {
		return facts.ResponseID
	}
	return "resp_" + req.ID
}

func modelOf(facts *adapters.ProviderResponse) string {
	if facts.Model != "" {
		return facts.Model
	}
	return facts.SentModel
}

func createdAt(said int64, req *adapters.RequestContext) int64 {
	if said != 0 {
		return said
	}
	if req.ReceivedAt.IsZero() {
		return time.Now().Unix()
	}
	return req.ReceivedAt.Unix()
}

// finish ends a response object: how it ended, and what was counted. It returns the event that says so in a stream.
func (b *answerBody) finish(reason events.FinishReason, facts *adapters.ProviderResponse) string {
	b.Status, b.Usage = "completed", usageOf(facts)
	switch reason {
	case events.FinishLength:
		b.Status, b.IncompleteDetails = "incomplete", &incomplete{"max_output_tokens"}
	case events.FinishContentFilter:
		b.Status, b.IncompleteDetails = "incomplete", &incomplete{"content_filter"}
	case events.FinishError:
		b.Status = "failed"
		b.Error = json.RawMessage(`{"code":"server_error","message":"the provider ended its answer with an error"}`)
	}
	return "response." + b.Status
}

// EncodeAnswer writes a response. Only the first choice is written: there is no other here.
func (Dialect) EncodeAnswer(r *canonical.Response, req *adapters.RequestContext, facts *adapters.ProviderResponse) []byte {
	b := newAnswer(req, facts, r.Created)
	if r.ServiceTier != "" {
		b.ServiceTier = canonical.Marshal(r.ServiceTier)
	}
	reason := facts.FinishReason
	if len(r.Choices) > 0 {
		choice := &r.Choices[0]
		names := itemNames{req.ID, 0}
		for i := range choice.Parts {
			for _, item := range answerItems(&choice.Parts[i], &names, logprobsOf(choice.Logprobs)) {
				b.Output = append(b.Output, canonical.Marshal(item))
			}
		}
		if reason == "" {
			reason = choice.Finish
		}
	}
	b.finish(reason, facts)
	return canonical.Marshal(b)
}

// logprobsOf takes the list out of the object in which Chat has it.
func logprobsOf(chat json.RawMessage) json.RawMessage {
	var l struct {
		Content json.RawMessage `json:"content"`
	}
	if json.Unmarshal(chat, &l) != nil || canonical.Null(l.Content) {
		return noLogprobs
	}
	return l.Content
}

// itemNames gives each item of an answer an id, in their order.
type itemNames struct {
	request string
	next    int
}

func (n *itemNames) name(prefix string) string {
	n.next++
	return prefix + "_" + strings.TrimPrefix(n.request, "req_") + "_" + strconv.Itoa(n.next-1)
}

// messageItem is what was said, as an item of an answer.
type messageItem struct {
	Type    string       `json:"type"`
	ID      string       `json:"id"`
	Status  string       `json:"status"`
	Role    string       `json:"role"`
	Content []outContent `json:"content"`
}

type imageItem struct {
	Type   string `json:"type"`
	ID     string `json:"id"`
	Status string `json:"status"`
	Result string `json:"result"`
}

// answerItems writes one part of an answer: an item, and behind it one for the signature that must come back with it.
func answerItems(p *canonical.Part, names *itemNames, logprobs json.RawMessage) (items []any) {
	switch p.Kind {
	case canonical.Text, canonical.Refusal:
		items = append(items, messageItem{"message", names.name("msg"), "completed", "assistant", []outContent{saidContent(p, logprobs)}})
	case canonical.Thinking:
		items = append(items, thoughtItem(p.Thought, names.name("rs")))
	case canonical.ToolCall:
		items = append(items, calledItem(p.Call, names.name(callPrefix(p.Call)), "completed"))
	case canonical.Image:
		if p.Media.Data != "" {
			items = append(items, imageItem{"image_generation_call", names.name("ig"), "completed", p.Media.Data})
		}
	case canonical.Foreign:
		if p.Dialect == Name {
			items = append(items, p.Raw)
		}
	}
	if p.Signature != "" {
		items = append(items, signatureItem(p.Signature, names))
	}
	return items
}

func callPrefix(c *canonical.Call) string {
	if c.Custom {
		return "ctc"
	}
	return "fc"
}

func calledItem(c *canonical.Call, id, status string) outCall {
	arguments := c.Arguments
	if arguments == "" && !c.Custom && status == "completed" {
		arguments = "{}" // clients read it as JSON
	}
	out := callItem(c, arguments)
	out.ID, out.Status = id, status
	return out
}

// noLogprobs stands where none are known.
var noLogprobs = json.RawMessage("[]")

// saidContent is a text or a refusal with all the members that OpenAI writes.
func saidContent(p *canonical.Part, logprobs json.RawMessage) outContent {
	if p.Kind == canonical.Refusal {
		return outContent{Type: "refusal", Refusal: &p.Text}
	}
	c := outContent{Type: "output_text", Text: &p.Text, Annotations: json.RawMessage("[]"), Logprobs: logprobs}
	if p.Dialect == Name && p.Citations != nil {
		c.Annotations = p.Citations
	}
	return c
}

// thoughtItem is what was thought: a summary, or the thought itself, and what must come back of it.
func thoughtItem(thought *canonical.Thought, id string) outThought {
	t := unsealThought(*thought)
	out := outThought{Type: "reasoning", ID: id, Status: "completed", Summary: []outContent{}}
	switch {
	case t.Text == "":
	case t.Summary:
		out.Summary = append(out.Summary, outContent{Type: "summary_text", Text: &t.Text})
	default:
		out.Content = append(out.Content, outContent{Type: "reasoning_text", Text: &t.Text})
	}
	switch {
	case t.ID != "": // it came from this dialect
		out.ID, out.Encrypted = t.ID, t.Encrypted
	case t.Encrypted != "":
		out.Encrypted = seal(sealRedacted, t.Encrypted)
	case t.Signature != "":
		out.Encrypted = seal(sealSignature, t.Signature)
	}
	return out
}

// signatureItem carries the signature of the item before it.
func signatureItem(signature string, names *itemNames) outThought {
	return outThought{Type: "reasoning", ID: names.name("rs"), Status: "completed", Summary: []outContent{}, Encrypted: seal(sealPart, signature)}
}
