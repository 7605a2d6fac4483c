package cohere

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/adapters"
	dialect "github.com/tollhouse/tollhouse/adapters/dialects/cohere"
	"github.com/tollhouse/tollhouse/events"
)

func address(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestRequest(t *testing.T) {
	for base, want := range map[string]string{
		"":                           "https://api.cohere.com/v2/embed",
		"http://127.0.0.1:9/proxied": "http://127.0.0.1:9/proxied/v2/embed",
		"http://127.0.0.1:9/":        "http://127.0.0.1:9/v2/embed",
	} {
		target := &adapters.Target{SentModel: "m", Endpoint: &adapters.Endpoint{
			BaseURL: address(t, base), APIKey: "sk-secret", Header: http.Header{"X-Client-Name": {"books"}},
		}}
		req := &adapters.RequestContext{
			Dialect: dialect.Dialect{}, Operation: adapters.OperationEmbeddings, Method: http.MethodPost, Path: "/v2/embed",
			Header: http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer client"}, "Cookie": {"c"}},
		}
		up, err := Provider{}.NewRequest(context.Background(), target, req, []byte("{}"))
		if err != nil || up.URL.String() != want {
			t.Errorf("%q: %v, %v; want %s", base, up.URL, err, want)
		}
		if h := up.Header; h.Get("Authorization") != "Bearer sk-secret" || h.Get("Cookie") != "" || h.Get("X-Client-Name") != "books" {
			t.Errorf("header %v", h)
		}
	}
}

func TestCheck(t *testing.T) {
	r := &adapters.Registry{Options: map[string]string{"region": "x"}, Endpoints: []*adapters.Endpoint{
		{APIKey: "k", BaseURL: address(t, "")},
		{APIKey: "k", BaseURL: address(t, "https://proxy/v2/")},
		{BaseURL: address(t, "ftp://proxy"), Options: map[string]string{"a": "b"}},
	}}
	got := errors.Join(Provider{}.Check(r)...).Error()
	want := strings.Join([]string{
		"region: unknown key for provider cohere",
		"endpoints[1].base_url: goes without its version, as Cohere's SDK takes it",
		"endpoints[2].a: unknown key for provider cohere",
		"endpoints[2].base_url: must begin with http:// or https://",
		"endpoints[2].api_key: must be given",
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestClassify(t *testing.T) {
	for name, c := range map[string]struct {
		status  int
		body    string
		outcome adapters.Outcome
		class   events.ErrorClass
	}{
		"a key":       {401, ``, adapters.OutcomeRetryable, events.ErrorCredential},
		"a model":     {404, ``, adapters.OutcomeTerminal, events.ErrorNotFound},
		"too fast":    {429, `{"message":"limited to 10 API calls / minute"}`, adapters.OutcomeRetryable, events.ErrorRateLimited},
		"spent trial": {429, `{"message":"limited to 1000 API calls / month"}`, adapters.OutcomeRetryable, events.ErrorCredential},
		"blocked":     {498, ``, adapters.OutcomeTerminal, events.ErrorContentFilter},
		"unknown":     {501, ``, adapters.OutcomeTerminal, events.ErrorInvalidRequest},
		"down":        {503, ``, adapters.OutcomeRetryable, events.ErrorOverloaded},
	} {
		if v := (Provider{}).Classify(c.status, http.Header{}, []byte(c.body)); v.Outcome != c.outcome || v.Class != c.class {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func TestDialectByOperation(t *testing.T) {
	if (Provider{}).Dialect(nil, adapters.OperationCountTokens, "m") != nil {
		t.Error("Cohere counts no tokens of a chat")
	}
	if (Provider{}).Dialect(nil, adapters.OperationRerank, "m") == nil {
		t.Error("Cohere reranks")
	}
}
