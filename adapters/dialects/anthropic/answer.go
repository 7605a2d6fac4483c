package anthropic

import (
	"encoding/json"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/events"
)

// DecodeAnswer reads a message.
func (Dialect) DecodeAnswer(body []byte) (*canonical.Response, error) {
	var a struct {
		Content      json.RawMessage `json:"content"`
		StopReason   string          `json:"stop_reason"`
		StopSequence string          `json:"stop_sequence"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, err
	}
	parts, err := decodeBlocks("content", a.Content)
	if err != nil {
		return nil, err
	}
	return &canonical.Response{Choices: []canonical.Choice{{
		Parts: parts, Finish: finish(a.StopReason), StopSequence: a.StopSequence,
	}}}, nil
}

// stopWord is Anthropic's word for a canonical reason.
func stopWord(r events.FinishReason, stopSequence string) string {
	switch r {
	case events.FinishLength:
		return "max_tokens"
	case events.FinishToolCalls:
		return "tool_use"
	case events.FinishContentFilter, events.FinishRefusal:
		return "refusal"
	case events.FinishPause:
		return "pause_turn"
	}
	if stopSequence != "" {
		return "stop_sequence"
	}
	return "end_turn"
}

type usageBody struct {
	InputTokens   uint64 `json:"input_tokens"`
	CacheCreation uint64 `json:"cache_creation_input_tokens"`
	CacheRead     uint64 `json:"cache_read_input_tokens"`
	OutputTokens  uint64 `json:"output_tokens"`
}

// usageOf writes what was counted, an estimate among it. input_tokens exclude the cache's here.
func usageOf(facts *adapters.ProviderResponse) usageBody {
	u := facts.Usage
	if u == nil {
		return usageBody{}
	}
	return usageBody{
		InputTokens:   u.InputTokens - u.CacheReadTokens - u.CacheWriteTokens,
		CacheCreation: u.CacheWriteTokens, CacheRead: u.CacheReadTokens, OutputTokens: u.OutputTokens,
	}
}

type answerBody struct {
	ID           string            `json:"id"`
	Type         string            `json:"type"`
	Role         string            `json:"role"`
	Model        string            `json:"model"`
	Content      []json.RawMessage `json:"content"`
	StopReason   *string           `json:"stop_reason"`
	StopSequence *string           `json:"stop_sequence"`
	Usage        usageBody         `json:"usage"`
}

func answerID(facts *adapters.ProviderResponse, req *adapters.RequestContext) string {
	if facts.ResponseID != "" {
		return facts.ResponseID
	}
	return "msg_" + strings.TrimPrefix(req.ID, "req_")
}

func modelOf(facts *adapters.ProviderResponse) string {
	if facts.Model != "" {
		return facts.Model
	}
	return facts.SentModel
}

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// EncodeAnswer writes a message; this dialect has one choice.
func (Dialect) EncodeAnswer(r *canonical.Response, req *adapters.RequestContext, facts *adapters.ProviderResponse) []byte {
	b := answerBody{
		ID: answerID(facts, req), Type: "message", Role: "assistant", Model: modelOf(facts), Content: []json.RawMessage{}, Usage: usageOf(facts),
	}
	if len(r.Choices) > 0 {
		c := r.Choices[0]
		for _, p := range c.Parts {
			if raw, ok := encodeBlock(p); ok && (p.Kind != canonical.Text || p.Text != "") {
				b.Content = append(b.Content, raw)
			}
		}
		word := stopWord(c.Finish, c.StopSequence)
		b.StopReason, b.StopSequence = &word, orNil(c.StopSequence)
	}
	return canonical.Marshal(b)
}
