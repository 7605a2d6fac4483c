package bedrock

import (
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/events"
)

// EncodeAnswer writes the client's answer: the first choice, since Converse has no other.
func (Dialect) EncodeAnswer(r *canonical.Response, _ *adapters.RequestContext, facts *adapters.ProviderResponse) []byte {
	var c canonical.Choice
	if len(r.Choices) > 0 {
		c = r.Choices[0]
	}
	// The blocks of an answer are those of a request; what is lost here is what Converse's clients could not read.
	e := requestEncoder{documents: map[string]bool{}}
	content := []fields{}
	for i := range c.Parts {
		p := c.Parts[i]
		p.Cache = nil
		content = append(content, e.part(&p)...)
	}
	reason := facts.FinishReason
	if reason == "" {
		reason = c.Finish
	}
	out := fields{
		"output":     fields{"message": fields{"role": "assistant", "content": content}},
		"stopReason": stopReason(reason, c.StopSequence),
		"usage":      encodeUsage(facts.Usage),
		"metrics":    encodeMetrics(facts),
	}
	if c.StopSequence != "" {
		out["additionalModelResponseFields"] = fields{"stop_sequence": c.StopSequence}
	}
	body, _ := marshal(out) // nothing in it can fail but raw JSON, which was scanned
	return body
}

// stopReason is Bedrock's word for a reason, never one that its SDKs do not know.
func stopReason(reason events.FinishReason, sequence string) string {
	switch reason {
	case events.FinishLength:
		return "max_tokens"
	case events.FinishToolCalls:
		return "tool_use"
	case events.FinishContentFilter, events.FinishRefusal:
		return "content_filtered"
	case events.FinishError:
		return "malformed_model_output"
	}
	if sequence != "" {
		return "stop_sequence"
	}
	return "end_turn"
}

// encodeUsage takes the cache out of the input again.
func encodeUsage(u *adapters.CanonicalUsage) fields {
	if u == nil {
		u = &adapters.CanonicalUsage{}
	}
	out := fields{
		"inputTokens": u.InputTokens - u.CacheReadTokens - u.CacheWriteTokens, "outputTokens": u.OutputTokens,
		"totalTokens":          u.InputTokens + u.OutputTokens,
		"cacheReadInputTokens": u.CacheReadTokens, "cacheWriteInputTokens": u.CacheWriteTokens,
	}
	if u.CacheWrite1hTokens > 0 {
		out["cacheDetails"] = []fields{
			{"ttl": "1h", "inputTokens": u.CacheWrite1hTokens}, {"ttl": "5m", "inputTokens": u.CacheWriteTokens - u.CacheWrite1hTokens},
		}
	}
	return out
}

func encodeMetrics(facts *adapters.ProviderResponse) fields {
	latency := int64(0)
	if !facts.WroteRequestAt.IsZero() && facts.FirstByteAt.After(facts.WroteRequestAt) {
		latency = facts.FirstByteAt.Sub(facts.WroteRequestAt).Milliseconds()
	}
	return fields{"latencyMs": latency}
}
