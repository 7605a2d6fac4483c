package cohere

import (
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// usage is Cohere's count, which is two: billed_units is what is charged, tokens is what ran, with the preamble and the
// template that nobody pays for. The billed ones are the tokens of the books; what ran stands beside them as units.
type usage struct {
	billedInput, billedOutput                    uint64
	ranInput, ranOutput, ranImage, ranCache      uint64
	reasoning                                    uint64
	search, images, imageTokens, classifications uint64
	seenBilled, seenRan                          bool
}

// read takes the counts of a usage object, or of the meta object of an embedding or a rerank, which is like it.
func (u *usage) read(text []byte) error {
	if len(text) == 0 || text[0] != '{' {
		return nil
	}
	return jsonscan.Members(text, 0, func(key []byte, start, end int) error {
		value := text[start:end]
		switch string(key) {
		case "billed_units":
			return u.billed(value)
		case "tokens":
			return u.tokens(value)
		case "cached_tokens":
			u.ranCache, _ = jsonscan.Uint(value)
		}
		return nil
	})
}

func (u *usage) billed(text []byte) error {
	return counts(text, func(name []byte, n uint64) {
		u.seenBilled = true
		switch string(name) {
		case "input_tokens":
			u.billedInput = n
		case "output_tokens":
			u.billedOutput = n
		case "search_units":
			u.search = n
		case "images":
			u.images = n
		case "image_tokens":
			u.imageTokens = n
		case "classifications":
			u.classifications = n
		}
	})
}

func (u *usage) tokens(text []byte) error {
	return counts(text, func(name []byte, n uint64) {
		switch string(name) {
		case "input_tokens":
			u.ranInput, u.seenRan = n, true
		case "output_tokens":
			u.ranOutput, u.seenRan = n, true
		case "image_tokens":
			u.ranImage = n
		case "reasoning_tokens":
			u.reasoning = n
		}
	})
}

func counts(text []byte, count func(name []byte, n uint64)) error {
	if len(text) == 0 || text[0] != '{' {
		return nil
	}
	return jsonscan.Members(text, 0, func(key []byte, start, end int) error {
		if n, ok := jsonscan.Uint(text[start:end]); ok {
			count(key, n)
		}
		return nil
	})
}

// reported returns the usage in the words of events, or nil where the provider counted nothing.
//
// cached_tokens is a part of what ran, never of what is billed (8 billed, 503 ran, 480 cached is a real answer), so it is no
// discount on the books' input. Thoughts are billed with the output.
func (u *usage) reported() *events.Usage {
	c := &events.Usage{ReasoningTokens: u.reasoning}
	switch {
	case u.seenBilled:
		c.InputTokens, c.OutputTokens = u.billedInput, u.billedOutput
		c.AddUnit("ran_input_tokens", u.ranInput)
		c.AddUnit("ran_output_tokens", u.ranOutput)
		c.AddUnit("ran_cached_tokens", u.ranCache)
		c.AddUnit("ran_image_tokens", u.ranImage)
	case u.seenRan: // a deployment that bills nothing by itself
		c.InputTokens, c.OutputTokens, c.CacheReadTokens = u.ranInput, u.ranOutput, u.ranCache
	default:
		return nil
	}
	c.AddUnit("search_units", u.search)
	c.AddUnit("images", u.images)
	c.AddUnit("image_tokens", u.imageTokens)
	c.AddUnit("classifications", u.classifications)
	c.Normalize()
	return c
}
