// Package cohere is Cohere's own API.
package cohere

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	dialect "github.com/tollhouse/tollhouse/adapters/dialects/cohere"
	"github.com/tollhouse/tollhouse/events"
)

const defaultHost = "api.cohere.com"

// Provider implements adapters.Provider.
type Provider struct{}

var _ adapters.Provider = Provider{}

// Name returns the provider's name.
func (Provider) Name() string { return "cohere" }

// Dialect returns Cohere's. It has no counting of tokens without a model's tokenizer.
func (Provider) Dialect(_ adapters.Dialect, op adapters.Operation, _ string) adapters.Dialect {
	switch op {
	case adapters.OperationChat, adapters.OperationEmbeddings, adapters.OperationRerank:
		return dialect.Dialect{}
	}
	return nil
}

// Check reports what is wrong with a registry.
func (Provider) Check(r *adapters.Registry) []error {
	var wrong []error
	for name := range r.Options {
		wrong = append(wrong, fmt.Errorf("%s: unknown key for provider cohere", name))
	}
	for i, e := range r.Endpoints {
		for name := range e.Options {
			wrong = append(wrong, fmt.Errorf("endpoints[%d].%s: unknown key for provider cohere", i, name))
		}
		if base := e.BaseURL; base != nil && base.Host != "" {
			path := strings.TrimSuffix(base.Path, "/")
			switch {
			case base.Scheme != "http" && base.Scheme != "https":
				wrong = append(wrong, fmt.Errorf("endpoints[%d].base_url: must begin with http:// or https://", i))
			case strings.HasSuffix(path, "/v1"), strings.HasSuffix(path, "/v2"):
				wrong = append(wrong, fmt.Errorf("endpoints[%d].base_url: goes without its version, as Cohere's SDK takes it", i))
			}
		}
		if e.APIKey == "" {
			wrong = append(wrong, fmt.Errorf("endpoints[%d].api_key: must be given", i))
		}
	}
	return wrong
}

// NewRequest makes the request: the base URL has no version, so the dialect's path goes behind it as it is.
func (Provider) NewRequest(ctx context.Context, t *adapters.Target, req *adapters.RequestContext, body []byte) (*http.Request, error) {
	up, err := http.NewRequestWithContext(ctx, req.Method, "", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	u := *up.URL
	if base := t.Endpoint.BaseURL; base != nil && base.Host != "" {
		u = *base
	} else {
		u.Scheme, u.Host = "https", defaultHost
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + req.Dialect.Path(req, t.SentModel)
	u.RawPath, u.RawQuery = "", req.RawQuery
	up.URL, up.Host = &u, u.Host
	adapters.UpstreamHeader(up.Header, req.Header)
	for name, values := range t.Endpoint.Header {
		up.Header[name] = values
	}
	up.Header.Set("Accept-Encoding", "identity")
	up.Header.Set("User-Agent", "tollhouse")
	up.Header.Set("Authorization", "Bearer "+t.Endpoint.APIKey.Reveal())
	return up, nil
}

// statusBlocked is Cohere's own: the input or the output was blocked.
const statusBlocked = 498

// Classify reads an error answer by its status, with three that mean something else here. A trial key's quota of the month
// comes as 429, but no waiting helps: it is the credential's.
func (Provider) Classify(status int, h http.Header, body []byte) adapters.Verdict {
	v := adapters.ClassifyStatus(status, h, time.Now())
	switch {
	case status == http.StatusTooManyRequests && bytes.Contains(body, []byte("calls / month")):
		return adapters.ClassifyStatus(http.StatusPaymentRequired, h, time.Now())
	case status == statusBlocked:
		v.Outcome, v.Class = adapters.OutcomeTerminal, events.ErrorContentFilter
	case status == http.StatusNotImplemented: // the model or the parameter does not exist there
		v.Outcome, v.Class = adapters.OutcomeTerminal, events.ErrorInvalidRequest
	}
	return v
}
