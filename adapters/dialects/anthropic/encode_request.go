package anthropic

import (
	"encoding/json"
	"regexp"
	"strconv"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// requestBody is a request as it is written.
type requestBody struct {
	Model         string            `json:"model"`
	MaxTokens     json.Number       `json:"max_tokens"`
	System        []json.RawMessage `json:"system,omitempty"`
	Messages      []outMessage      `json:"messages"`
	Stream        bool              `json:"stream,omitempty"`
	Tools         []json.RawMessage `json:"tools,omitempty"`
	ToolChoice    *toolChoice       `json:"tool_choice,omitempty"`
	Temperature   json.Number       `json:"temperature,omitempty"`
	TopP          json.Number       `json:"top_p,omitempty"`
	TopK          json.Number       `json:"top_k,omitempty"`
	StopSequences []string          `json:"stop_sequences,omitempty"`
	Thinking      *thinking         `json:"thinking,omitempty"`
	Output        *output           `json:"output_config,omitempty"`
	Metadata      map[string]string `json:"metadata,omitempty"`
	ServiceTier   string            `json:"service_tier,omitempty"`
}

type outMessage struct {
	Role    string            `json:"role"`
	Content []json.RawMessage `json:"content"`
}

// encoder writes one request and keeps what it could not carry.
type encoder struct {
	lost []canonical.Loss
}

func (e *encoder) lose(given bool, field string, hint bool) {
	if given {
		e.lost = append(e.lost, canonical.Loss{Field: field, Hint: hint})
	}
}

// EncodeRequest writes a messages request.
func (Dialect) EncodeRequest(r *canonical.Request) ([]byte, []canonical.Loss, error) {
	e := &encoder{}
	b := requestBody{
		Model: r.Model, MaxTokens: r.MaxOutputTokens, Stream: r.Stream, Temperature: r.Temperature, TopP: r.TopP, TopK: r.TopK,
		StopSequences: r.Stop,
	}
	if b.MaxTokens == "" {
		b.MaxTokens = mostOf(r.Model)
	}
	e.messages(r, &b)
	e.tools(r, &b)
	e.thinking(r, &b)
	if r.User != "" {
		b.Metadata = map[string]string{"user_id": r.User}
	}
	switch r.ServiceTier {
	case "auto", "standard_only":
		b.ServiceTier = r.ServiceTier
	case "default":
		b.ServiceTier = "standard_only"
	default:
		e.lose(r.ServiceTier != "", "service_tier", true)
	}
	if f := r.Format; f != nil && f.Kind == canonical.FormatSchema {
		if b.Output == nil {
			b.Output = &output{}
		}
		b.Output.Format = canonical.Marshal(format{Type: "json_schema", Schema: f.Schema})
		e.lose(f.Description != "", "response_format.description", true)
	} else {
		e.lose(f != nil && f.Kind == canonical.FormatJSON, "response_format", false)
	}
	e.absent(r)
	body := canonical.Marshal(b)
	for _, o := range r.Others {
		if o.Dialect != Name {
			e.lose(true, o.Name, o.Hint)
			continue
		}
		body = append(append(append(body[:len(body)-1], ','), canonical.Marshal(o.Name)...), ':')
		body = append(append(body, o.Value...), '}')
	}
	return body, e.lost, nil
}

// absent names what has no member here.
func (e *encoder) absent(r *canonical.Request) {
	zero := func(n json.Number) bool { f, err := n.Float64(); return n == "" || err == nil && f == 0 }
	e.lose(!zero(r.FrequencyPenalty), "frequency_penalty", false)
	e.lose(!zero(r.PresencePenalty), "presence_penalty", false)
	e.lose(r.MinP != "", "min_p", false)
	e.lose(r.N != "" && r.N != "1", "n", false)
	e.lose(r.Logprobs != nil && *r.Logprobs, "logprobs", false)
	e.lose(r.Seed != "", "seed", true)
	e.lose(r.Verbosity != "" && r.Verbosity != "medium", "verbosity", true)
	e.lose(r.Audio != nil, "audio", false)
	for _, m := range r.Modalities {
		e.lose(m != "text", "modalities", false)
	}
	e.lose(len(r.Metadata) > 0, "metadata", true)
	e.lose(r.PromptCacheKey != "", "prompt_cache_key", true)
}

// older are the models that write at most 4,096 tokens.
var older = regexp.MustCompile(`claude-(?:2|instant|3-(?:opus|sonnet|haiku))`)

// mostOf is the limit where the client gave none: here one must be given.
func mostOf(model string) json.Number {
	if older.MatchString(model) {
		return "4096"
	}
	return "8192"
}

// budgets are how many tokens of thinking an effort stands for.
var budgets = map[string]int{"low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768, "max": 32_768}

func (e *encoder) thinking(r *canonical.Request, b *requestBody) {
	t := r.Reasoning
	if t == nil {
		return
	}
	e.lose(t.Encrypted, "include", true)
	switch {
	case t.Enabled != nil && !*t.Enabled, t.Budget == "0", t.Effort == "none", t.Effort == "minimal":
		b.Thinking = &thinking{Type: "disabled"}
		return
	case t.Budget != "" && t.Budget != "-1":
		b.Thinking = &thinking{Type: "enabled", Budget: t.Budget}
	case t.Enabled != nil && t.Budget == "": // the client's own adaptive thinking
		b.Thinking = &thinking{Type: "adaptive"}
		if t.Effort != "" {
			b.Output = &output{Effort: t.Effort}
		}
		return
	case budgets[t.Effort] != 0:
		b.Thinking = &thinking{Type: "enabled", Budget: json.Number(strconv.Itoa(budgets[t.Effort]))}
	default:
		return
	}
	if t.Show == "omitted" {
		b.Thinking.Display = "omitted"
	}
	// What is thought counts in the limit, which must be above the budget.
	budget, err := b.Thinking.Budget.Int64()
	limit, err2 := b.MaxTokens.Int64()
	if err == nil && err2 == nil && limit <= budget {
		b.MaxTokens = json.Number(strconv.FormatInt(budget+limit, 10))
	}
}

func (e *encoder) tools(r *canonical.Request, b *requestBody) {
	for _, t := range r.Tools {
		if t.Foreign != nil || t.Custom {
			if t.Dialect == Name {
				b.Tools = append(b.Tools, t.Foreign)
			} else {
				e.lose(true, t.Field, false)
			}
			continue
		}
		schema := t.Parameters
		if canonical.Null(schema) {
			schema = json.RawMessage(`{"type":"object","properties":{}}`)
		}
		b.Tools = append(b.Tools, canonical.Marshal(tool{
			Name: t.Name, Description: t.Description, InputSchema: schema, Strict: t.Strict, Cache: marked(t.Cache),
		}))
	}
	if len(b.Tools) == 0 {
		return
	}
	words := map[canonical.ToolMode]string{
		canonical.ToolAuto: "auto", canonical.ToolNone: "none", canonical.ToolRequired: "any", canonical.ToolNamed: "tool",
	}
	if c := r.ToolChoice; c != nil {
		b.ToolChoice = &toolChoice{Type: words[c.Mode], Name: c.Name}
		if len(c.Only) == 1 && c.Mode == canonical.ToolRequired {
			b.ToolChoice = &toolChoice{Type: "tool", Name: c.Only[0]}
		} else {
			e.lose(len(c.Only) > 0, "tool_choice.allowed_tools", false)
		}
	}
	if r.ParallelTools != nil {
		if b.ToolChoice == nil {
			b.ToolChoice = &toolChoice{Type: "auto"}
		}
		if one := !*r.ParallelTools; b.ToolChoice.Type != "none" {
			b.ToolChoice.DisableParallel = &one
		}
	}
}
