package bedrock

import (
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// usage is Bedrock's count. Its input excludes what was read from and written to the cache.
type usage struct {
	input, output, total, cacheRead, cacheWrite, cacheWrite1h uint64
	units                                                     map[string]uint64
	seen                                                      bool
}

// readUsage reads the object usage of an answer or of a stream's metadata.
func readUsage(text []byte) (u usage, err error) {
	if len(text) == 0 || text[0] != '{' {
		return u, nil
	}
	err = jsonscan.Members(text, 0, func(key []byte, start, end int) error {
		value := text[start:end]
		n, isNumber := jsonscan.Uint(value)
		switch string(key) {
		case "inputTokens":
			u.input, u.seen = n, u.seen || isNumber
		case "outputTokens":
			u.output, u.seen = n, u.seen || isNumber
		case "totalTokens":
			u.total = n
		case "cacheReadInputTokens":
			u.cacheRead = n
		case "cacheWriteInputTokens":
			u.cacheWrite = n
		case "cacheDetails":
			if value[0] == '[' {
				return jsonscan.Elements(value, 0, func(start, end int) error { return u.detail(value[start:end]) })
			}
		case "serverToolUsage":
			return u.serverTools(value)
		}
		return nil
	})
	return u, err
}

// detail reads how much was written to the cache for how long: an hour has a price of its own.
func (u *usage) detail(text []byte) error {
	if text[0] != '{' {
		return nil
	}
	var ttl string
	var n uint64
	err := jsonscan.Members(text, 0, func(key []byte, start, end int) error {
		switch string(key) {
		case "ttl":
			ttl, _ = jsonscan.String(text[start:end])
		case "inputTokens":
			n, _ = jsonscan.Uint(text[start:end])
		}
		return nil
	})
	if ttl == "1h" {
		u.cacheWrite1h += n
	}
	return err
}

// serverTools counts the tools that the provider ran itself.
func (u *usage) serverTools(text []byte) error {
	if text[0] != '{' {
		return nil
	}
	return jsonscan.Members(text, 0, func(key []byte, start, end int) error {
		if n, ok := jsonscan.Uint(text[start:end]); ok && n > 0 {
			if u.units == nil {
				u.units = map[string]uint64{}
			}
			u.units[string(key)] = n
		}
		return nil
	})
}

// canonical makes the totals inclusive.
func (u *usage) canonical() *events.Usage {
	c := &events.Usage{
		InputTokens: u.input + u.cacheRead + u.cacheWrite, CacheReadTokens: u.cacheRead, CacheWriteTokens: u.cacheWrite,
		CacheWrite1hTokens: u.cacheWrite1h, OutputTokens: u.output, OtherUnits: u.units,
	}
	if u.total != 0 && u.total != c.InputTokens+c.OutputTokens {
		c.AddUnit("provider_total_tokens", u.total)
	}
	c.Normalize()
	return c
}
