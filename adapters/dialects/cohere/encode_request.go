package cohere

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// wireRequest is a chat request as Cohere takes it.
type wireRequest struct {
	Model            string            `json:"model"`
	Messages         []wireMessage     `json:"messages"`
	Stream           bool              `json:"stream"`
	Tools            []any             `json:"tools,omitempty"`
	StrictTools      *bool             `json:"strict_tools,omitempty"`
	ToolChoice       string            `json:"tool_choice,omitempty"`
	Documents        []json.RawMessage `json:"documents,omitempty"`
	Format           *wireFormat       `json:"response_format,omitempty"`
	Thinking         *wireThinking     `json:"thinking,omitempty"`
	MaxTokens        json.Number       `json:"max_tokens,omitempty"`
	Stop             []string          `json:"stop_sequences,omitempty"`
	Temperature      json.Number       `json:"temperature,omitempty"`
	Seed             json.Number       `json:"seed,omitempty"`
	FrequencyPenalty json.Number       `json:"frequency_penalty,omitempty"`
	PresencePenalty  json.Number       `json:"presence_penalty,omitempty"`
	TopK             json.Number       `json:"k,omitempty"`
	TopP             json.Number       `json:"p,omitempty"`
	Logprobs         *bool             `json:"logprobs,omitempty"`
	others           []canonical.Other
}

type wireFormat struct {
	Type   string          `json:"type"`
	Schema json.RawMessage `json:"json_schema,omitempty"`
}

type wireThinking struct {
	Type   string      `json:"type,omitempty"`
	Budget json.Number `json:"token_budget,omitempty"`
}

// requestEncoder writes a request, and notes what finds no place.
type requestEncoder struct {
	out  wireRequest
	lost []canonical.Loss
}

func (e *requestEncoder) lose(field string, hint bool) {
	e.lost = append(e.lost, canonical.Loss{Field: field, Hint: hint})
}

func (e *requestEncoder) loseIf(lost bool, field string, hint bool) {
	if lost {
		e.lose(field, hint)
	}
}

// EncodeRequest writes a chat request.
func (Dialect) EncodeRequest(r *canonical.Request) ([]byte, []canonical.Loss, error) {
	e := requestEncoder{out: wireRequest{
		Model: r.Model, Stream: r.Stream, MaxTokens: r.MaxOutputTokens, Temperature: r.Temperature, Seed: r.Seed, TopK: r.TopK, Logprobs: r.Logprobs,
	}}
	e.others(r.Others)
	for i := range r.Messages {
		e.message(i, &r.Messages[i])
	}
	e.tools(r)
	e.sampling(r)
	e.format(r.Format)
	e.thinking(r.Reasoning)
	e.absent(r)
	body, err := marshal(&e.out)
	if err != nil {
		return nil, nil, err
	}
	for _, o := range e.out.others {
		body = append(body[:len(body)-1], ',')
		body = append(append(appendText(body, o.Name), ':'), o.Value...)
		body = append(body, '}')
	}
	return body, e.lost, nil
}

// others writes Cohere's own members as they came. One that stood inside something has no place of its own any more.
func (e *requestEncoder) others(others []canonical.Other) {
	for _, o := range others {
		switch {
		case o.Dialect != Name || strings.ContainsAny(o.Name, ".["):
			e.lose(o.Name, o.Hint)
		case o.Name == "documents" && o.Value[0] == '[': // texts that users attached may join them
			_ = array(o.Name, o.Value, func(_ int, value []byte) error {
				e.out.Documents = append(e.out.Documents, value)
				return nil
			})
		default:
			e.out.others = append(e.out.others, o)
		}
	}
}

// Bounds that Cohere documents; what is outside is refused there.
const (
	maxStop = 5
	maxTopP = 0.99
)

func (e *requestEncoder) sampling(r *canonical.Request) {
	e.out.Stop = r.Stop
	if len(r.Stop) > maxStop {
		e.out.Stop = r.Stop[:maxStop]
		e.lose("stop", false)
	}
	e.out.TopP = r.TopP
	if p, err := r.TopP.Float64(); err == nil && p > maxTopP && p <= 1 {
		e.out.TopP = "0.99" // 1 is everything, and this is as near as it gets
	}
	penalty := func(n json.Number, field string) json.Number {
		if f, err := n.Float64(); err == nil && (f < 0 || f > 1) {
			e.lose(field, false)
			return ""
		}
		return n
	}
	e.out.FrequencyPenalty = penalty(r.FrequencyPenalty, "frequency_penalty")
	e.out.PresencePenalty = penalty(r.PresencePenalty, "presence_penalty")
}

// format asks for JSON. A schema has no name at Cohere, which loses nothing, and is always held to.
func (e *requestEncoder) format(f *canonical.Format) {
	if f == nil {
		return
	}
	switch f.Kind {
	case canonical.FormatText:
		e.out.Format = &wireFormat{Type: "text"}
	case canonical.FormatJSON:
		e.out.Format = &wireFormat{Type: "json_object"}
	case canonical.FormatSchema:
		e.out.Format = &wireFormat{Type: "json_object", Schema: f.Schema}
		e.loseIf(f.Description != "", "response_format.description", true)
	}
}

// thinking asks for thoughts. Cohere has a switch and a budget, and no degrees of effort: any but none switches it on.
func (e *requestEncoder) thinking(r *canonical.Reasoning) {
	if r == nil {
		return
	}
	e.loseIf(r.Encrypted, "reasoning.encrypted", true)
	e.loseIf(r.Show != "" && r.Show != "auto", "reasoning.show", true)
	on := r.Effort != "none" && r.Budget != "0"
	if r.Enabled != nil {
		on = *r.Enabled
	} else if r.Effort == "" && r.Budget == "" {
		return
	}
	e.out.Thinking = &wireThinking{Type: "disabled"}
	if !on {
		return
	}
	e.out.Thinking.Type = "enabled"
	if r.Budget != "-1" {
		e.out.Thinking.Budget = r.Budget
	}
	e.loseIf(r.Effort != "" && r.Budget == "", "reasoning.effort", true) // thinking is on or off
}

// absent names what Cohere has nothing for.
func (e *requestEncoder) absent(r *canonical.Request) {
	oneCall, hint := r.OneCall()
	e.loseIf(oneCall, "parallel_tools", hint)
	e.loseIf(r.MinP != "", "min_p", false)
	e.loseIf(r.N != "" && r.N != "1", "n", false)
	e.loseIf(r.TopLogprobs != "" && r.TopLogprobs != "0", "top_logprobs", false)
	e.loseIf(r.Verbosity != "", "verbosity", false)
	e.loseIf(slices.ContainsFunc(r.Modalities, func(m string) bool { return m != "text" }), "modalities", false)
	e.loseIf(r.Audio != nil, "audio", false)
	e.loseIf(r.ServiceTier != "" && r.ServiceTier != "auto" && r.ServiceTier != "default", "service_tier", true)
	e.loseIf(r.User != "", "user", true)
	e.loseIf(len(r.Metadata) > 0, "metadata", true)
	e.loseIf(r.PromptCacheKey != "", "prompt_cache_key", true)
}
