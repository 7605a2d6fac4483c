package openaichat

import (
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// readUsage reads a usage object. prompt_tokens includes what was cached, completion_tokens what was reasoned, unless the
// total says otherwise.
func readUsage(text []byte) (*events.Usage, bool) {
	u := &events.Usage{}
	var total, reasoning uint64
	found := false
	err := jsonscan.Members(text, 0, func(key []byte, start, end int) error {
		value := text[start:end]
		n, isNumber := jsonscan.Uint(value)
		switch string(key) {
		case "prompt_tokens":
			u.InputTokens, found = n, found || isNumber
		case "completion_tokens":
			u.OutputTokens, found = n, found || isNumber
		case "total_tokens":
			total = n
		case "prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens":
			u.CacheReadTokens = max(u.CacheReadTokens, n)
		case "reasoning_tokens":
			reasoning = max(reasoning, n)
		case "cost_in_usd_ticks", "num_sources_used", "num_search_queries", "citation_tokens":
			u.AddUnit(string(key), n)
		case "prompt_tokens_details":
			return details(value, map[string]*uint64{
				"cached_tokens": &u.CacheReadTokens, "audio_tokens": &u.InputAudioTokens, "cache_write_tokens": &u.CacheWriteTokens,
			})
		case "completion_tokens_details":
			return details(value, map[string]*uint64{"reasoning_tokens": &reasoning, "audio_tokens": &u.OutputAudioTokens})
		}
		return nil
	})
	if err != nil || !found {
		return nil, false
	}
	u.ReasoningTokens = reasoning
	// Some exclude reasoning from the completion; their total gives it away.
	if reasoning > 0 && total == u.InputTokens+u.OutputTokens+reasoning {
		u.OutputTokens += reasoning
	}
	// Mistral counts what was heard apart from the prompt.
	if u.InputAudioTokens > 0 && total == u.InputTokens+u.InputAudioTokens+u.OutputTokens {
		u.InputTokens += u.InputAudioTokens
	}
	if total != 0 && total != u.InputTokens+u.OutputTokens {
		u.AddUnit("provider_total_tokens", total)
	}
	u.Normalize()
	return u, true
}

// details reads counts out of an object; what is null or absent leaves its count as it was.
func details(text []byte, into map[string]*uint64) error {
	if len(text) == 0 || text[0] != '{' {
		return nil
	}
	return jsonscan.Members(text, 0, func(key []byte, start, end int) error {
		if count := into[string(key)]; count != nil {
			if n, ok := jsonscan.Uint(text[start:end]); ok {
				*count = max(*count, n)
			}
		}
		return nil
	})
}

// finish is the canonical reason for OpenAI's word.
func finish(native string) events.FinishReason {
	switch native {
	case "":
		return ""
	case "stop", "eos", "end_turn":
		return events.FinishStop
	case "length", "max_tokens", "model_length":
		return events.FinishLength
	case "tool_calls", "function_call", "tool_use":
		return events.FinishToolCalls
	case "content_filter":
		return events.FinishContentFilter
	case "error":
		return events.FinishError
	}
	return events.FinishOther
}
