package adapters

import (
	"net/http"
	"testing"
	"time"
)

func TestReadLimits(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		headers map[string]string
		want    Limits
	}{
		"none": {nil, Limits{}},
		"OpenAI": {map[string]string{
			"x-ratelimit-limit-requests": "10000", "x-ratelimit-remaining-requests": "9999", "x-ratelimit-reset-requests": "8.64s",
			"x-ratelimit-limit-tokens": "200000", "x-ratelimit-remaining-tokens": "199000", "x-ratelimit-reset-tokens": "6m0s",
		}, Limits{Limit{true, 9999, 10000, 8640 * time.Millisecond}, Limit{true, 199000, 200000, 6 * time.Minute}}},
		"Azure, without a reset": {
			map[string]string{"x-ratelimit-remaining-requests": "0", "x-ratelimit-limit-requests": "50"}, Limits{Requests: Limit{true, 0, 50, 0}},
		},
		"seconds": {map[string]string{"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "7"}, Limits{Tokens: Limit{true, 5, 0, 7 * time.Second}}},
		"Anthropic, the scarcest of three": {map[string]string{
			"anthropic-ratelimit-tokens-remaining": "80000", "anthropic-ratelimit-tokens-limit": "100000",
			"anthropic-ratelimit-input-tokens-remaining": "70000", "anthropic-ratelimit-input-tokens-limit": "80000",
			"anthropic-ratelimit-output-tokens-remaining": "100", "anthropic-ratelimit-output-tokens-limit": "16000",
			"anthropic-ratelimit-output-tokens-reset": "2026-11-23T10:00:30Z",
		}, Limits{Tokens: Limit{true, 100, 16000, 30 * time.Second}}},
		"Mistral":    {map[string]string{"x-ratelimit-remaining-req-minute": "58", "x-ratelimit-limit-req-minute": "60"}, Limits{Requests: Limit{true, 58, 60, 0}}},
		"OpenRouter": {map[string]string{"x-ratelimit-remaining": "0", "x-ratelimit-limit": "1", "x-ratelimit-reset": "1795428060000"}, Limits{Requests: Limit{true, 0, 1, time.Minute}}},
		"garbage": {map[string]string{
			"x-ratelimit-remaining-requests": "many", "x-ratelimit-remaining-tokens": "-1", "x-ratelimit-remaining": "3", "x-ratelimit-reset": "Tomorrow",
		}, Limits{Requests: Limit{true, 3, 0, 0}}},
		"no number": {
			map[string]string{"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "NaN"}, Limits{Requests: Limit{true, 3, 0, 0}},
		},
		"for ever": {
			map[string]string{"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "Inf"}, Limits{Requests: Limit{true, 3, 0, 0}},
		},
		"a reset in the past": {
			map[string]string{"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "-5s"}, Limits{Requests: Limit{true, 3, 0, 0}},
		},
	} {
		h := http.Header{}
		for k, v := range c.headers {
			h.Set(k, v)
		}
		if got := readLimits(h, now); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { readLimits(http.Header{"X-Ratelimit-Remaining-Requests": {"1"}}, now) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
