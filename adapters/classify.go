package adapters

import (
	"net/http"
	"strconv"
	"time"

	"github.com/tollhouse/tollhouse/events"
)

// ClassifyStatus says what an error status means, as CONTRACT.md has it. Providers refine it.
func ClassifyStatus(status int, h http.Header, now time.Time) Verdict {
	v := Verdict{RetryAfter: RetryAfter(h, now)}
	switch {
	case status == http.StatusUnauthorized, status == http.StatusPaymentRequired, status == http.StatusForbidden:
		v.Outcome, v.Class = OutcomeRetryable, events.ErrorCredential
	case status == http.StatusTooManyRequests:
		v.Outcome, v.Class = OutcomeRetryable, events.ErrorRateLimited
	case status == http.StatusRequestTimeout, status == http.StatusGatewayTimeout:
		v.Outcome, v.Class = OutcomeRetryable, events.ErrorTimeout
	case status == http.StatusTooEarly, status >= 500:
		v.Outcome, v.Class = OutcomeRetryable, events.ErrorOverloaded
	case status == http.StatusConflict && h.Get("X-Should-Retry") == "true":
		v.Outcome, v.Class = OutcomeRetryable, events.ErrorOverloaded
	case status == http.StatusNotFound:
		v.Outcome, v.Class = OutcomeTerminal, events.ErrorNotFound
	case status >= 400:
		v.Outcome, v.Class = OutcomeTerminal, events.ErrorInvalidRequest
	default: // a redirect, or another thing that is no answer
		v.Outcome, v.Class = OutcomeRetryable, events.ErrorMalformedResponse
	}
	return v
}

// maxRetryAfter bounds what a provider may ask for.
const maxRetryAfter = 24 * time.Hour

// RetryAfter reads how long a provider asks to wait: retry-after-ms, or Retry-After in seconds or as a date. 0: it says nothing.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 {
		return min(time.Duration(ms*float64(time.Millisecond)), maxRetryAfter)
	}
	value := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(value, 64); err == nil && s > 0 {
		return min(time.Duration(min(s, maxRetryAfter.Seconds())*float64(time.Second)), maxRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
