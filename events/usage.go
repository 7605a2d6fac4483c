package events

import "math"

// Evidence says how far a Usage can be trusted.
type Evidence string

// Evidence of a usage, from best to none.
const (
	EvidenceReported  Evidence = "reported"  // by the provider, complete
	EvidencePartial   Evidence = "partial"   // by the provider, but the answer was not read to its end
	EvidenceEstimated Evidence = "estimated" // by us
	EvidenceNone      Evidence = "none"      // nothing ran, or nothing is known
)

// Usage counts what one attempt consumed. InputTokens and OutputTokens are inclusive totals; every other
// token kind is a stated part of one of them, and the parts never exceed the whole:
// cache read, cache write and input audio are parts of the input (cache write at one hour is itself a part of cache
// write), reasoning and output audio are parts of the output.
type Usage struct {
	InputTokens        uint64
	CacheReadTokens    uint64
	CacheWriteTokens   uint64
	CacheWrite1hTokens uint64
	InputAudioTokens   uint64
	OutputTokens       uint64
	ReasoningTokens    uint64
	OutputAudioTokens  uint64
	// OtherUnits counts what is not one of the kinds above, by name: web_search_requests, search_units,
	// provider_total_tokens, cost_in_usd_ticks. Nil where there is none.
	OtherUnits map[string]uint64
}

// IsZero reports whether nothing at all was counted.
func (u *Usage) IsZero() bool {
	return u.InputTokens == 0 && u.OutputTokens == 0 && u.CacheReadTokens == 0 && u.CacheWriteTokens == 0 &&
		u.CacheWrite1hTokens == 0 && u.InputAudioTokens == 0 && u.ReasoningTokens == 0 && u.OutputAudioTokens == 0 &&
		len(u.OtherUnits) == 0
}

// MaxTokens bounds each token count. What is above it in a provider's answer is not a count but damage.
const MaxTokens = math.MaxInt64

// Normalize makes the parts fit the whole: a part that exceeds its total is cut to it, in the order cache read, cache write for the
// input, and each kind by itself for the rest. What was reported of a kind that was cut is kept among the other units, as
// reported_KIND. It reports whether anything had to be cut.
func (u *Usage) Normalize() (cut bool) {
	limit := func(kind string, part *uint64, whole uint64) {
		if *part > whole {
			u.AddUnit("reported_"+kind, *part)
			*part, cut = whole, true
		}
	}
	limit("input_tokens", &u.InputTokens, MaxTokens)
	limit("output_tokens", &u.OutputTokens, MaxTokens)
	limit("cache_read_tokens", &u.CacheReadTokens, u.InputTokens)
	limit("cache_write_tokens", &u.CacheWriteTokens, u.InputTokens-u.CacheReadTokens)
	limit("cache_write_1h_tokens", &u.CacheWrite1hTokens, u.CacheWriteTokens)
	limit("input_audio_tokens", &u.InputAudioTokens, u.InputTokens)
	limit("reasoning_tokens", &u.ReasoningTokens, u.OutputTokens)
	limit("output_audio_tokens", &u.OutputAudioTokens, u.OutputTokens)
	return cut
}

// AddUnit counts n of a named unit.
func (u *Usage) AddUnit(name string, n uint64) {
	if n == 0 {
		return
	}
	if u.OtherUnits == nil {
		u.OtherUnits = make(map[string]uint64, 2)
	}
	u.OtherUnits[name] = n
}
