package gemini

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	dialect "github.com/tollhouse/tollhouse/adapters/dialects/gemini"
	"github.com/tollhouse/tollhouse/events"
)

func TestRequests(t *testing.T) {
	base, _ := url.Parse("http://proxy.test/google/")
	for want, endpoint := range map[string]*adapters.Endpoint{
		"https://generativelanguage.googleapis.com/v1beta/models/a%2Fb:streamGenerateContent?alt=sse": {APIKey: "k"},
		"http://proxy.test/google/v1beta/models/a%2Fb:streamGenerateContent?alt=sse":                  {APIKey: "k", BaseURL: base},
	} {
		req := &adapters.RequestContext{
			Dialect: dialect.Dialect{}, Path: "/v1beta/models/m:streamGenerateContent", RawQuery: "alt=sse",
			Header: http.Header{"X-Goog-Api-Key": {"client's"}, "X-Goog-Api-Client": {"sdk"}, "Cookie": {"c"}},
		}
		up, err := Provider{}.NewRequest(context.Background(), &adapters.Target{Endpoint: endpoint, SentModel: "a/b"}, req, nil)
		if err != nil || up.URL.String() != want || up.Method != http.MethodPost {
			t.Errorf("%v %s, want %s", err, up.URL, want)
		}
		if h := up.Header; h.Get("X-Goog-Api-Key") != "k" || h.Get("Cookie") != "" || h.Get("X-Goog-Api-Client") != "sdk" {
			t.Errorf("%v", h)
		}
	}
}

func TestCheckNamesEachKey(t *testing.T) {
	base, _ := url.Parse("https://generativelanguage.googleapis.com/v1beta/")
	other, _ := url.Parse("ftp://x.test")
	wrong := Provider{}.Check(&adapters.Registry{Options: map[string]string{"region": "x"}, Endpoints: []*adapters.Endpoint{
		{APIKey: "k"},
		{APIKey: "k", BaseURL: base},
		{BaseURL: other, Options: map[string]string{"zone": "y"}},
	}})
	var got []string
	for _, err := range wrong {
		got = append(got, err.Error())
	}
	want := []string{
		"region: unknown key for provider gemini",
		"endpoints[1].base_url: goes without a version, as Google's SDK takes it",
		"endpoints[2].zone: unknown key for provider gemini",
		"endpoints[2].base_url: must begin with http:// or https://",
		"endpoints[2].api_key: must be given",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		status  int
		body    string
		outcome adapters.Outcome
		class   events.ErrorClass
		after   time.Duration
	}{
		{400, `{"error":{"status":"INVALID_ARGUMENT"}}`, adapters.OutcomeTerminal, events.ErrorInvalidRequest, 0},
		{400, `{"error":{"status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}`, adapters.OutcomeRetryable, events.ErrorCredential, 0},
		{400, `[{"error":{"details":[{"reason":"API_KEY_INVALID"}]}}]`, adapters.OutcomeRetryable, events.ErrorCredential, 0},
		{400, `{"error":{"status":"FAILED_PRECONDITION"}}`, adapters.OutcomeRetryable, events.ErrorCredential, 0},
		{404, `{}`, adapters.OutcomeTerminal, events.ErrorNotFound, 0},
		{429, `{"error":{"details":[{"@type":"x","retryDelay":"7s"}]}}`, adapters.OutcomeRetryable, events.ErrorRateLimited, 7 * time.Second},
		{503, `no JSON`, adapters.OutcomeRetryable, events.ErrorOverloaded, 0},
	} {
		v := Provider{}.Classify(c.status, http.Header{}, []byte(c.body))
		if v.Outcome != c.outcome || v.Class != c.class || v.RetryAfter != c.after {
			t.Errorf("%s: %s", fmt.Sprint(c), fmt.Sprint(v))
		}
	}
}
