package openairesponses

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// requestBody is a request as it is written.
type requestBody struct {
	Model             string            `json:"model"`
	Instructions      string            `json:"instructions,omitempty"`
	Input             []any             `json:"input"`
	Stream            bool              `json:"stream,omitempty"`
	Tools             []json.RawMessage `json:"tools,omitempty"`
	ToolChoice        any               `json:"tool_choice,omitempty"`
	ParallelToolCalls *bool             `json:"parallel_tool_calls,omitempty"`
	Text              *outText          `json:"text,omitempty"`
	Reasoning         *outReasoning     `json:"reasoning,omitempty"`
	Include           []string          `json:"include,omitempty"`
	MaxOutputTokens   json.Number       `json:"max_output_tokens,omitempty"`
	Temperature       json.Number       `json:"temperature,omitempty"`
	TopP              json.Number       `json:"top_p,omitempty"`
	TopLogprobs       json.Number       `json:"top_logprobs,omitempty"`
	ServiceTier       string            `json:"service_tier,omitempty"`
	User              string            `json:"user,omitempty"`
	Metadata          map[string]string `json:"metadata,omitempty"`
	PromptCacheKey    string            `json:"prompt_cache_key,omitempty"`
	Store             *bool             `json:"store,omitempty"`
}

type outText struct {
	Format    *outFormat `json:"format,omitempty"`
	Verbosity string     `json:"verbosity,omitempty"`
}

type outFormat struct {
	Type        string          `json:"type"`
	Name        string          `json:"name,omitempty"`
	Description string          `json:"description,omitempty"`
	Schema      json.RawMessage `json:"schema,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

type outReasoning struct {
	Effort  string `json:"effort,omitempty"`
	Summary string `json:"summary,omitempty"`
}

// encoder writes one request and keeps what it could not carry.
type encoder struct {
	lost   []canonical.Loss
	custom map[string]bool // ids of calls whose tools take free text: their results are items of another type
}

func (e *encoder) lose(field string, hint bool) {
	e.lost = append(e.lost, canonical.Loss{Field: field, Hint: hint})
}

func (e *encoder) loseIf(lost bool, field string, hint bool) {
	if lost {
		e.lose(field, hint)
	}
}

// EncodeRequest writes a request for a response, which the provider is not to keep unless that was asked for.
func (Dialect) EncodeRequest(r *canonical.Request) ([]byte, []canonical.Loss, error) {
	e := &encoder{custom: map[string]bool{}}
	b := requestBody{
		Model: r.Model, Stream: r.Stream, Input: []any{}, MaxOutputTokens: r.MaxOutputTokens, Temperature: r.Temperature, TopP: r.TopP,
		TopLogprobs: r.TopLogprobs, User: r.User, Metadata: r.Metadata, PromptCacheKey: r.PromptCacheKey,
	}
	for i := range r.Messages {
		e.loseIf(r.Messages[i].Name != "", fmt.Sprintf("messages[%d].name", i), true)
	}
	messages := r.Messages
	if len(messages) > 0 && plainSystem(&messages[0]) {
		b.Instructions, messages = messages[0].Parts[0].Text, messages[1:]
	}
	for i := range messages {
		b.Input = append(b.Input, e.items(&messages[i])...)
	}
	e.tools(r, &b)
	e.text(r, &b)
	e.reasoning(r.Reasoning, &b)
	switch r.ServiceTier {
	case "", "auto", "default", "flex", "priority", "scale":
		b.ServiceTier = r.ServiceTier
	default:
		e.lose("service_tier", true)
	}
	if r.Logprobs != nil && *r.Logprobs {
		b.Include = append(b.Include, includeLogprobs)
	}
	e.absent(r)
	others := e.others(r.Others, &b)
	return e.join(canonical.Marshal(b), others), e.lost, nil
}

// plainSystem is a system message that instructions can hold.
func plainSystem(m *canonical.Message) bool {
	return m.Role == canonical.System && m.ID == "" && m.Name == "" && len(m.Parts) == 1 && m.Parts[0].Kind == canonical.Text &&
		m.Parts[0].Text != "" && m.Parts[0].Cache == nil && m.Parts[0].Citations == nil && m.Parts[0].Signature == ""
}

func (e *encoder) text(r *canonical.Request, b *requestBody) {
	if r.Format == nil && r.Verbosity == "" {
		return
	}
	b.Text = &outText{Verbosity: r.Verbosity}
	f := r.Format
	if f == nil {
		return
	}
	b.Text.Format = &outFormat{Type: "text"}
	switch f.Kind {
	case canonical.FormatJSON:
		b.Text.Format.Type = "json_object"
	case canonical.FormatSchema:
		b.Text.Format = &outFormat{Type: "json_schema", Name: f.Name, Description: f.Description, Schema: f.Schema, Strict: f.Strict}
		if f.Name == "" {
			b.Text.Format.Name = "answer" // a name is demanded here and means nothing
		}
		if f.Schema == nil {
			b.Text.Format.Schema = json.RawMessage("{}")
		}
	}
}

func (e *encoder) reasoning(t *canonical.Reasoning, b *requestBody) {
	if t == nil {
		return
	}
	out := outReasoning{Effort: t.Effort}
	switch {
	case t.Effort != "":
	case t.Enabled != nil && !*t.Enabled, t.Budget == "0":
		out.Effort = "minimal"
	case t.Budget != "":
		out.Effort = effortOf(t.Budget)
		e.lose("reasoning.budget_tokens", true)
	}
	if t.Show != "omitted" {
		out.Summary = t.Show
	}
	if out != (outReasoning{}) {
		b.Reasoning = &out
	}
	if t.Encrypted {
		b.Include = append(b.Include, includeEncrypted)
	}
}

// effortOf is the word for a budget of thinking tokens; −1, which leaves it to the model, has none.
func effortOf(budget json.Number) string {
	n, err := budget.Int64()
	switch {
	case err != nil || n < 0:
		return ""
	case n <= 2048:
		return "low"
	case n <= 12_288:
		return "medium"
	}
	return "high"
}

// absent names what Responses have nothing for.
func (e *encoder) absent(r *canonical.Request) {
	e.loseIf(len(r.Stop) > 0, "stop", false)
	e.loseIf(r.N != "" && r.N != "1", "n", false)
	e.loseIf(r.TopK != "", "top_k", false)
	e.loseIf(r.MinP != "", "min_p", false)
	e.loseIf(r.FrequencyPenalty != "" && r.FrequencyPenalty != "0", "frequency_penalty", false)
	e.loseIf(r.PresencePenalty != "" && r.PresencePenalty != "0", "presence_penalty", false)
	e.loseIf(r.Seed != "", "seed", true)
	e.loseIf(r.Audio != nil, "audio", false)
	for _, m := range r.Modalities {
		e.loseIf(m != "text", "modalities", false)
	}
}

// others takes the members that only this dialect, or its sibling with the same meaning, has.
func (e *encoder) others(others []canonical.Other, b *requestBody) (own []canonical.Other) {
	kept := false
	for _, o := range others {
		shared := o.Dialect == "openai_chat" && (o.Name == "store" || o.Name == "prompt_cache_retention")
		var include []string
		switch {
		case o.Dialect != Name && !shared, strings.ContainsAny(o.Name, ".["): // what stood inside something has no place of its own
			e.lose(o.Name, o.Hint)
		case o.Name == "include" && json.Unmarshal(o.Value, &include) == nil:
			b.Include = append(b.Include, include...)
		default:
			kept = kept || o.Name == "store"
			own = append(own, o)
		}
	}
	if !kept {
		b.Store = new(bool)
	}
	return own
}

// join writes members behind those of the body.
func (e *encoder) join(body []byte, own []canonical.Other) []byte {
	for _, o := range own {
		body = append(body[:len(body)-1], ',')
		body = append(append(body, canonical.Marshal(o.Name)...), ':')
		body = append(append(body, o.Value...), '}')
	}
	return body
}

func (e *encoder) tools(r *canonical.Request, b *requestBody) {
	for _, t := range r.Tools {
		switch {
		case t.Foreign != nil && t.Dialect == Name:
			b.Tools = append(b.Tools, t.Foreign)
			continue
		case t.Foreign != nil || t.Custom:
			e.lose(t.Field, false)
			continue
		}
		e.loseIf(t.Cache != nil, t.Field+".cache_control", true)
		out := tool{Type: "function", Name: t.Name, Description: t.Description, Parameters: t.Parameters, Strict: t.Strict}
		if out.Strict == nil {
			out.Strict = new(bool) // elsewhere a function is not held to its schema unless the client says so
		}
		if out.Parameters == nil {
			out.Parameters = json.RawMessage("null")
		}
		b.Tools = append(b.Tools, canonical.Marshal(out))
	}
	if len(b.Tools) > 0 {
		b.ParallelToolCalls = r.ParallelTools
	}
	c := r.ToolChoice
	switch {
	case c == nil || len(b.Tools) == 0:
	case len(c.Only) > 0:
		refs := make([]namedTool, len(c.Only))
		for i, name := range c.Only {
			refs[i] = namedTool{"function", name}
		}
		b.ToolChoice = map[string]any{"type": "allowed_tools", "mode": c.Mode, "tools": refs}
	case c.Mode == canonical.ToolNamed:
		b.ToolChoice = namedTool{e.kindOf(r.Tools, c.Name), c.Name}
	default:
		b.ToolChoice = c.Mode
	}
}

// kindOf says of a named tool whether it takes free text.
func (e *encoder) kindOf(tools []canonical.Tool, name string) string {
	for _, t := range tools {
		var n namedTool
		if t.Custom && json.Unmarshal(t.Foreign, &n) == nil && n.Name == name {
			return "custom"
		}
	}
	return "function"
}
