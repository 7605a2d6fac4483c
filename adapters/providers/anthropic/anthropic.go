// Package anthropic is Anthropic's own API.
package anthropic

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	dialect "github.com/tollhouse/tollhouse/adapters/dialects/anthropic"
)

// Where it is, and the version that is asked for where the client names none.
const (
	defaultHost    = "api.anthropic.com"
	defaultVersion = "2023-06-01"
)

// Provider implements adapters.Provider.
type Provider struct{}

var _ adapters.Provider = Provider{}

// Name returns the provider's name.
func (Provider) Name() string { return "anthropic" }

// Dialect returns Anthropic's.
func (Provider) Dialect(adapters.Dialect, adapters.Operation, string) adapters.Dialect {
	return dialect.Dialect{}
}

// Check reports what is wrong with a registry.
func (Provider) Check(r *adapters.Registry) []error {
	var wrong []error
	for name := range r.Options {
		wrong = append(wrong, fmt.Errorf("%s: unknown key for provider anthropic", name))
	}
	for i, e := range r.Endpoints {
		for name := range e.Options {
			wrong = append(wrong, fmt.Errorf("endpoints[%d].%s: unknown key for provider anthropic", i, name))
		}
		switch {
		case e.BaseURL == nil || e.BaseURL.Host == "":
		case e.BaseURL.Scheme != "http" && e.BaseURL.Scheme != "https":
			wrong = append(wrong, fmt.Errorf("endpoints[%d].base_url: must begin with http:// or https://", i))
		case strings.HasSuffix(strings.TrimSuffix(e.BaseURL.Path, "/"), "/v1"):
			wrong = append(wrong, fmt.Errorf("endpoints[%d].base_url: goes without /v1, as Anthropic's SDK takes it", i))
		}
		if e.APIKey == "" {
			wrong = append(wrong, fmt.Errorf("endpoints[%d].api_key: must be given", i))
		}
	}
	return wrong
}

// NewRequest makes the request: the base URL has no version, so the client's path goes behind it as it is.
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
	up.Header.Set("X-Api-Key", t.Endpoint.APIKey.Reveal())
	if up.Header.Get("Anthropic-Version") == "" {
		up.Header.Set("Anthropic-Version", defaultVersion)
	}
	return up, nil
}

// Classify reads an error answer by its status.
func (Provider) Classify(status int, h http.Header, _ []byte) adapters.Verdict {
	return adapters.ClassifyStatus(status, h, time.Now())
}
