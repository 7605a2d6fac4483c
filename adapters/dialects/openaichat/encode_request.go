package openaichat

import (
	"encoding/json"
	"regexp"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// requestBody is a request as it is written.
type requestBody struct {
	Model               string            `json:"model"`
	Messages            []outMessage      `json:"messages"`
	Stream              bool              `json:"stream,omitempty"`
	Tools               []json.RawMessage `json:"tools,omitempty"`
	ToolChoice          any               `json:"tool_choice,omitempty"`
	ParallelToolCalls   *bool             `json:"parallel_tool_calls,omitempty"`
	ResponseFormat      *format           `json:"response_format,omitempty"`
	MaxTokens           json.Number       `json:"max_tokens,omitempty"`
	MaxCompletionTokens json.Number       `json:"max_completion_tokens,omitempty"`
	Temperature         json.Number       `json:"temperature,omitempty"`
	TopP                json.Number       `json:"top_p,omitempty"`
	FrequencyPenalty    json.Number       `json:"frequency_penalty,omitempty"`
	PresencePenalty     json.Number       `json:"presence_penalty,omitempty"`
	Seed                json.Number       `json:"seed,omitempty"`
	N                   json.Number       `json:"n,omitempty"`
	Stop                []string          `json:"stop,omitempty"`
	Logprobs            *bool             `json:"logprobs,omitempty"`
	TopLogprobs         json.Number       `json:"top_logprobs,omitempty"`
	ReasoningEffort     string            `json:"reasoning_effort,omitempty"`
	Verbosity           string            `json:"verbosity,omitempty"`
	Modalities          []string          `json:"modalities,omitempty"`
	Audio               *audioOutput      `json:"audio,omitempty"`
	ServiceTier         string            `json:"service_tier,omitempty"`
	User                string            `json:"user,omitempty"`
	Metadata            map[string]string `json:"metadata,omitempty"`
	PromptCacheKey      string            `json:"prompt_cache_key,omitempty"`
}

type audioOutput struct {
	Voice  string `json:"voice,omitempty"`
	Format string `json:"format,omitempty"`
}

// encoder writes one request and keeps what it could not carry.
type encoder struct {
	lost []canonical.Loss
}

func (e *encoder) lose(field string, hint bool) {
	e.lost = append(e.lost, canonical.Loss{Field: field, Hint: hint})
}

// newer are the models that take max_completion_tokens and refuse max_tokens.
var newer = regexp.MustCompile(`^(?:openai/)?(?:o[1-9]|gpt-[5-9]|gpt-oss|codex|computer-use)`)

// EncodeRequest writes a chat request.
func (Dialect) EncodeRequest(r *canonical.Request) ([]byte, []canonical.Loss, error) {
	e := &encoder{}
	b := requestBody{
		Model: r.Model, Stream: r.Stream, Temperature: r.Temperature, TopP: r.TopP,
		FrequencyPenalty: r.FrequencyPenalty, PresencePenalty: r.PresencePenalty, Seed: r.Seed, N: r.N, Stop: r.Stop,
		Logprobs: r.Logprobs, TopLogprobs: r.TopLogprobs, Verbosity: r.Verbosity, Modalities: r.Modalities,
		User: r.User, Metadata: r.Metadata, PromptCacheKey: r.PromptCacheKey,
	}
	if newer.MatchString(r.Model) {
		b.MaxCompletionTokens = r.MaxOutputTokens
	} else {
		b.MaxTokens = r.MaxOutputTokens
	}
	if r.TopK != "" {
		e.lose("top_k", false)
	}
	if r.MinP != "" {
		e.lose("min_p", false)
	}
	if r.Audio != nil {
		b.Audio = &audioOutput{Voice: r.Audio.Voice, Format: r.Audio.Format}
	}
	switch r.ServiceTier {
	case "", "auto", "default", "flex", "priority", "scale":
		b.ServiceTier = r.ServiceTier
	default:
		e.lose("service_tier", true)
	}
	e.reasoning(r, &b)
	for _, m := range r.Messages {
		b.Messages = append(b.Messages, e.message(m)...)
	}
	e.tools(r, &b)
	if f := r.Format; f != nil {
		b.ResponseFormat = encodeFormat(f)
	}
	return e.others(r, canonical.Marshal(b)), e.lost, nil
}

func (e *encoder) reasoning(r *canonical.Request, b *requestBody) {
	t := r.Reasoning
	if t == nil {
		return
	}
	b.ReasoningEffort = t.Effort
	switch {
	case t.Effort != "":
	case t.Enabled != nil && !*t.Enabled, t.Budget == "0":
		if newer.MatchString(r.Model) {
			b.ReasoningEffort = "minimal"
		}
	case t.Budget != "":
		b.ReasoningEffort = effortOf(t.Budget)
		e.lose("reasoning.budget_tokens", true)
	}
	if t.Show != "" && t.Show != "auto" || t.Encrypted {
		e.lose("reasoning.summary", true)
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

// others adds the members that only this dialect, or its sibling with the same meaning, has.
func (e *encoder) others(r *canonical.Request, body []byte) []byte {
	for _, o := range r.Others {
		shared := o.Dialect == "openai_responses" && (o.Name == "store" || o.Name == "prompt_cache_retention")
		if o.Dialect != Name && !shared {
			e.lose(o.Name, o.Hint)
			continue
		}
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
		if t.Cache != nil {
			e.lose(t.Field+".cache_control", true)
		}
		b.Tools = append(b.Tools, canonical.Marshal(tool{Type: "function", Function: &definition{
			Name: t.Name, Description: t.Description, Parameters: t.Parameters, Strict: t.Strict,
		}}))
	}
	if len(b.Tools) > 0 {
		b.ParallelToolCalls = r.ParallelTools
	}
	c := r.ToolChoice
	switch {
	case c == nil || len(b.Tools) == 0:
	case len(c.Only) > 0:
		type ref struct {
			Type     string `json:"type"`
			Function named  `json:"function"`
		}
		refs := make([]ref, len(c.Only))
		for i, name := range c.Only {
			refs[i] = ref{"function", named{name}}
		}
		b.ToolChoice = map[string]any{"type": "allowed_tools", "allowed_tools": map[string]any{"mode": c.Mode, "tools": refs}}
	case c.Mode == canonical.ToolNamed:
		b.ToolChoice = map[string]any{"type": "function", "function": named{c.Name}}
	default:
		b.ToolChoice = c.Mode
	}
}

func encodeFormat(f *canonical.Format) *format {
	switch f.Kind {
	case canonical.FormatJSON:
		return &format{Type: "json_object"}
	case canonical.FormatSchema:
		name := f.Name
		if name == "" {
			name = "answer" // a name is demanded here and means nothing
		}
		return &format{Type: "json_schema", Schema: &schema{Name: name, Description: f.Description, Schema: f.Schema, Strict: f.Strict}}
	}
	return &format{Type: "text"}
}
