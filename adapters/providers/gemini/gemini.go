// Package gemini is Google's Gemini API, by key.
package gemini

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	dialect "github.com/tollhouse/tollhouse/adapters/dialects/gemini"
)

// host is where it is.
const host = "generativelanguage.googleapis.com"

// Provider implements adapters.Provider.
type Provider struct{}

var _ adapters.Provider = Provider{}

// Name returns the provider's name.
func (Provider) Name() string { return "gemini" }

// Dialect returns Gemini's; it has no reranking.
func (Provider) Dialect(_ adapters.Dialect, op adapters.Operation, _ string) adapters.Dialect {
	if op == adapters.OperationRerank {
		return nil
	}
	return dialect.Dialect{}
}

// Check reports what is wrong with a registry.
func (Provider) Check(r *adapters.Registry) []error {
	var wrong []error
	for name := range r.Options {
		wrong = append(wrong, fmt.Errorf("%s: unknown key for provider gemini", name))
	}
	for i, e := range r.Endpoints {
		for name := range e.Options {
			wrong = append(wrong, fmt.Errorf("endpoints[%d].%s: unknown key for provider gemini", i, name))
		}
		if err := checkBase(e.BaseURL); err != nil {
			wrong = append(wrong, fmt.Errorf("endpoints[%d].base_url: %w", i, err))
		}
		if e.APIKey == "" {
			wrong = append(wrong, fmt.Errorf("endpoints[%d].api_key: must be given", i))
		}
	}
	return wrong
}

func checkBase(base *url.URL) error {
	if base == nil || base.Host == "" {
		return nil
	}
	if base.Scheme != "http" && base.Scheme != "https" {
		return fmt.Errorf("must begin with http:// or https://")
	}
	path := strings.TrimSuffix(base.Path, "/")
	if strings.HasSuffix(path, "/v1") || strings.HasSuffix(path, "/v1beta") {
		return fmt.Errorf("goes without a version, as Google's SDK takes it")
	}
	return nil
}

// NewRequest makes the request: the base URL has no version, so the dialect's path goes behind it as it is.
func (Provider) NewRequest(ctx context.Context, t *adapters.Target, req *adapters.RequestContext, body []byte) (*http.Request, error) {
	up, err := http.NewRequestWithContext(ctx, http.MethodPost, "", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	base := url.URL{Scheme: "https", Host: host}
	if b := t.Endpoint.BaseURL; b != nil && b.Host != "" {
		base = *b
	}
	if up.URL, err = base.Parse(strings.TrimSuffix(base.EscapedPath(), "/") + dialect.Dialect{}.Path(req, t.SentModel)); err != nil {
		return nil, err
	}
	up.URL.RawQuery, up.Host = dialect.Query(req), up.URL.Host
	adapters.UpstreamHeader(up.Header, req.Header)
	for name, values := range t.Endpoint.Header {
		up.Header[name] = values
	}
	up.Header.Set("Accept-Encoding", "identity")
	up.Header.Set("User-Agent", "tollhouse")
	up.Header.Set("X-Goog-Api-Key", t.Endpoint.APIKey.Reveal())
	return up, nil
}

// Classify reads an error answer. FAILED_PRECONDITION is Google's word for an account that may not use the API where it is, or has
// no billing: another account's request would do.
func (Provider) Classify(status int, h http.Header, body []byte) adapters.Verdict {
	v := dialect.Classify(status, h, body, time.Now())
	if status == http.StatusBadRequest && bytes.Contains(body, []byte(`"FAILED_PRECONDITION"`)) {
		return adapters.ClassifyStatus(http.StatusForbidden, h, time.Now())
	}
	return v
}
