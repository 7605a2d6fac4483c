package adapters

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Limits is what a provider's headers say is left of its rate limits. Of several limits of a kind (tokens, input tokens, output tokens) it is
// the one of which least is left.
type Limits struct{ Requests, Tokens Limit }

// Limit is one rate limit.
type Limit struct {
	Known     bool
	Remaining int64
	Of        int64         // 0: not said
	Reset     time.Duration // until it is full again, from the answer on; 0: not said
}

// tightTokens is the part of a limit of tokens below which it is nearly used up.
const tightTokens = 100

// Tight says whether the next request may well be refused: fewer are left than are under way, or hardly a token.
func (l Limits) Tight(inFlight int) bool {
	return l.Requests.Known && l.Requests.Remaining <= int64(inFlight) || l.Tokens.Known && l.Tokens.Remaining*tightTokens <= l.Tokens.Of
}

// Reset is when the tight one is full again.
func (l Limits) Reset() time.Duration { return max(l.Requests.Reset, l.Tokens.Reset) }

// limitHeaders are how providers name a limit: remaining, limit, reset. OpenAI's (Azure, Groq, xAI and others use the same), Anthropic's,
// Mistral's, OpenRouter's.
var limitHeaders = [...]struct {
	tokens               bool
	remaining, of, reset string
}{
	{false, "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Limit-Requests", "X-Ratelimit-Reset-Requests"},
	{true, "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Limit-Tokens", "X-Ratelimit-Reset-Tokens"},
	{false, "Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Requests-Limit", "Anthropic-Ratelimit-Requests-Reset"},
	{true, "Anthropic-Ratelimit-Tokens-Remaining", "Anthropic-Ratelimit-Tokens-Limit", "Anthropic-Ratelimit-Tokens-Reset"},
	{true, "Anthropic-Ratelimit-Input-Tokens-Remaining", "Anthropic-Ratelimit-Input-Tokens-Limit", "Anthropic-Ratelimit-Input-Tokens-Reset"},
	{true, "Anthropic-Ratelimit-Output-Tokens-Remaining", "Anthropic-Ratelimit-Output-Tokens-Limit", "Anthropic-Ratelimit-Output-Tokens-Reset"},
	{false, "X-Ratelimit-Remaining-Req-Minute", "X-Ratelimit-Limit-Req-Minute", ""},
	{true, "X-Ratelimit-Remaining-Tokens-Minute", "X-Ratelimit-Limit-Tokens-Minute", ""},
	{false, "X-Ratelimit-Remaining", "X-Ratelimit-Limit", "X-Ratelimit-Reset"},
}

// readLimits reads the headers of an answer that came at `now`.
func readLimits(h http.Header, now time.Time) (l Limits) {
	for i := range limitHeaders {
		names := &limitHeaders[i]
		remaining, ok := whole(h[names.remaining])
		if !ok {
			continue
		}
		limit := Limit{Known: true, Remaining: remaining, Reset: untilReset(h[names.reset], now)}
		limit.Of, _ = whole(h[names.of])
		into := &l.Requests
		if names.tokens {
			into = &l.Tokens
		}
		if !into.Known || limit.Remaining < into.Remaining {
			*into = limit
		}
	}
	return l
}

func whole(values []string) (int64, bool) {
	if len(values) == 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(values[0], 10, 64)
	return n, err == nil && n >= 0
}

// untilReset reads 6m0s, 120ms, 7 (seconds), a time of RFC 3339, or one in milliseconds since 1970.
func untilReset(values []string, now time.Time) time.Duration {
	if len(values) == 0 {
		return 0
	}
	v := values[0]
	if d, err := time.ParseDuration(v); err == nil {
		return max(d, 0)
	}
	if strings.Contains(v, "T") {
		at, err := time.Parse(time.RFC3339, v)
		if err != nil {
			return 0
		}
		return max(at.Sub(now), 0)
	}
	seconds, err := strconv.ParseFloat(v, 64)
	const past1970, farOff = 1e11, 1e15 // as seconds the years 5138 and 31 million
	switch {
	case err != nil || !(0 <= seconds && seconds < farOff):
		return 0
	case seconds > past1970:
		return max(time.UnixMilli(int64(seconds)).Sub(now), 0)
	case seconds > 1e9:
		return max(time.Unix(int64(seconds), 0).Sub(now), 0)
	}
	return time.Duration(seconds * float64(time.Second))
}
