package cohere

import (
	"encoding/json"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/events"
)

type wireAnswer struct {
	ID           string        `json:"id"`
	Message      wireMessage   `json:"message"`
	FinishReason string        `json:"finish_reason"`
	Usage        wireUsage     `json:"usage"`
	Logprobs     []wireLogprob `json:"logprobs,omitempty"`
}

// wireUsage is Cohere's pair of counts. Another provider has but one: what ran is what is billed.
type wireUsage struct {
	Billed *wireCounts `json:"billed_units,omitempty"`
	Tokens *wireCounts `json:"tokens,omitempty"`
	Cached uint64      `json:"cached_tokens,omitempty"`
}

type wireCounts struct {
	Input     uint64 `json:"input_tokens"`
	Output    uint64 `json:"output_tokens"`
	Reasoning uint64 `json:"reasoning_tokens,omitempty"`
}

func encodeUsage(u *events.Usage) wireUsage {
	if u == nil {
		return wireUsage{}
	}
	return wireUsage{
		Billed: &wireCounts{Input: u.InputTokens, Output: u.OutputTokens},
		Tokens: &wireCounts{Input: u.InputTokens, Output: u.OutputTokens, Reasoning: u.ReasoningTokens},
		Cached: u.CacheReadTokens,
	}
}

// EncodeAnswer writes an answer for a client of Cohere, which knows of one choice only.
func (Dialect) EncodeAnswer(r *canonical.Response, req *adapters.RequestContext, facts *adapters.ProviderResponse) []byte {
	out := wireAnswer{ID: answerID(req, facts), Usage: encodeUsage(facts.Usage)}
	reason := facts.FinishReason
	choice := canonical.Choice{}
	if len(r.Choices) > 0 {
		choice = r.Choices[0]
	}
	if reason == "" {
		reason = choice.Finish
	}
	out.FinishReason = native(reason, choice.StopSequence)
	out.Logprobs = encodeLogprobs(choice.Logprobs)
	out.Message = encodeAnswerMessage(choice.Parts)
	raw, err := marshal(&out)
	if err != nil { // a number or a citation that is no JSON: without them it always is
		out.Logprobs, out.Message.Citations = nil, nil
		raw, _ = marshal(&out)
	}
	return raw
}

// answerID is the provider's, so that what the client sees can be found there.
func answerID(req *adapters.RequestContext, facts *adapters.ProviderResponse) string {
	if facts.ResponseID != "" {
		return facts.ResponseID
	}
	return req.ID
}

// encodeAnswerMessage writes the texts as content, also before calls: a stream has to, as it cannot know that calls will come.
func encodeAnswerMessage(parts []canonical.Part) wireMessage {
	m := wireMessage{Role: "assistant"}
	var content []any
	for i := range parts {
		p := &parts[i]
		switch p.Kind {
		case canonical.Text, canonical.Refusal:
			content = append(content, textPart{Type: "text", Text: p.Text})
			if p.Dialect == Name && p.Citations != nil {
				var citations []json.RawMessage
				_ = json.Unmarshal(p.Citations, &citations)
				m.Citations = append(m.Citations, citations...)
			}
		case canonical.Thinking:
			if p.Thought != nil && p.Thought.Text != "" {
				content = append(content, thinkingPart{Type: "thinking", Thinking: p.Thought.Text})
			}
		case canonical.ToolCall:
			if p.Call != nil {
				m.ToolCalls = append(m.ToolCalls, encodeCall(p.Call))
			}
		}
	}
	if len(content) > 0 {
		m.Content = content
	} else if len(m.ToolCalls) == 0 {
		m.Content = []any{textPart{Type: "text"}}
	}
	return m
}
