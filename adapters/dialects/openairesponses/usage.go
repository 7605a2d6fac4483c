package openairesponses

import (
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// readUsage reads a usage object. input_tokens includes what was cached, output_tokens what was reasoned.
func readUsage(text []byte) (*events.Usage, bool) {
	u := &events.Usage{}
	var total uint64
	found := false
	err := jsonscan.Members(text, 0, func(key []byte, start, end int) error {
		value := text[start:end]
		n, isNumber := jsonscan.Uint(value)
		switch string(key) {
		case "input_tokens":
			u.InputTokens, found = n, found || isNumber
		case "output_tokens":
			u.OutputTokens, found = n, found || isNumber
		case "total_tokens":
			total = n
		case "cost_in_usd_ticks", "num_sources_used", "num_server_side_tools_used":
			u.AddUnit(string(key), n)
		case "input_tokens_details":
			return details(value, map[string]*uint64{
				"cached_tokens": &u.CacheReadTokens, "audio_tokens": &u.InputAudioTokens, "cache_write_tokens": &u.CacheWriteTokens,
			})
		case "output_tokens_details":
			return details(value, map[string]*uint64{"reasoning_tokens": &u.ReasoningTokens, "audio_tokens": &u.OutputAudioTokens})
		case "server_side_tool_usage_details":
			return units(value, u)
		}
		return nil
	})
	if err != nil || !found {
		return nil, false
	}
	// Who excludes reasoning from the output is given away by the total.
	if u.ReasoningTokens > 0 && total == u.InputTokens+u.OutputTokens+u.ReasoningTokens {
		u.OutputTokens += u.ReasoningTokens
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
				*count = n
			}
		}
		return nil
	})
}

// maxUnits bounds how many kinds of units a provider may name.
const maxUnits = 16

// units takes what a provider counts of its own tools, by the provider's own names.
func units(text []byte, u *events.Usage) error {
	if text[0] != '{' {
		return nil
	}
	return jsonscan.Members(text, 0, func(key []byte, start, end int) error {
		if n, ok := jsonscan.Uint(text[start:end]); ok && len(u.OtherUnits) < maxUnits {
			u.AddUnit(string(key), n)
		}
		return nil
	})
}
