package gemini

import (
	"math"

	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// usage is Gemini's usageMetadata. Of a stream's chunks the last one with counts counts, and as a whole: a count that it leaves out is
// zero, whatever a chunk before it said.
type usage struct {
	prompt, toolUse, cached, candidates, thoughts, total uint64
	audioPrompt, audioToolUse, audioCandidates           uint64

	seen    bool // the object was there: numbers that are zero are left out
	counted bool // with at least one count
}

// take reads the object of one chunk, or of a whole answer.
func (u *usage) take(text []byte) error {
	if text[0] != '{' {
		return nil
	}
	next := usage{}
	err := next.read(text)
	if next.counted || !u.counted {
		*u = next
	}
	u.seen = true
	return err
}

func (u *usage) read(text []byte) error {
	return jsonscan.Members(text, 0, func(key []byte, start, end int) error {
		var count *uint64
		switch value := text[start:end]; string(key) {
		case "promptTokenCount":
			count = &u.prompt
		case "toolUsePromptTokenCount":
			count = &u.toolUse
		case "cachedContentTokenCount":
			count = &u.cached
		case "candidatesTokenCount":
			count = &u.candidates
		case "thoughtsTokenCount":
			count = &u.thoughts
		case "totalTokenCount":
			count = &u.total
		case "promptTokensDetails", "promptTokenDetails": // the latter of embeddings
			return audio(value, &u.audioPrompt)
		case "toolUsePromptTokensDetails":
			return audio(value, &u.audioToolUse)
		case "candidatesTokensDetails":
			return audio(value, &u.audioCandidates)
		default:
			return nil
		}
		if n, ok := jsonscan.Uint(text[start:end]); ok {
			*count, u.counted = n, true
		}
		return nil
	})
}

// audio reads the count of one modality from a list of {modality, tokenCount}.
func audio(list []byte, into *uint64) error {
	return each(list, func(entry []byte) error {
		var modality string
		var tokens uint64
		err := jsonscan.Members(entry, 0, func(key []byte, start, end int) error {
			switch string(key) {
			case "modality":
				modality, _ = jsonscan.String(entry[start:end])
			case "tokenCount":
				tokens, _ = jsonscan.Uint(entry[start:end])
			}
			return nil
		})
		if modality == "AUDIO" {
			*into = tokens
		}
		return err
	})
}

// canonical makes the totals inclusive: a tool's prompt comes on top of the prompt, and thoughts on top of the candidates.
func (u *usage) canonical() *events.Usage {
	c := &events.Usage{}
	u.into(c)
	return c
}

// into is canonical without a new object for each chunk.
func (u *usage) into(c *events.Usage) {
	*c = events.Usage{
		InputTokens: sum(u.prompt, u.toolUse), CacheReadTokens: u.cached, InputAudioTokens: sum(u.audioPrompt, u.audioToolUse),
		OutputTokens: sum(u.candidates, u.thoughts), ReasoningTokens: u.thoughts, OutputAudioTokens: u.audioCandidates,
	}
	c.Normalize()
	if u.total != 0 && u.total != sum(c.InputTokens, c.OutputTokens) {
		c.AddUnit("provider_total_tokens", u.total)
	}
}

// sum does not wrap: counts are the provider's word.
func sum(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}
