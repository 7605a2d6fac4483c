// Package compatible is every provider that speaks OpenAI's format: each is an option set over one implementation.
package compatible

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/dialects/openaichat"
	"github.com/tollhouse/tollhouse/adapters/dialects/openairesponses"
)

// Vendor is what tells one provider of the family from another.
type Vendor struct {
	Kind     string // the provider's name
	BaseURL  string // the default; empty: the endpoint must name one
	KeyOf    string // the header that carries the key; empty: Authorization: Bearer
	NeedsKey bool
	// Responses: it speaks OpenAI's Responses, too.
	Responses bool
	// Asked: whether it speaks them depends on the server, and the registry says so.
	Asked bool
	// UsageUnasked: its streams carry usage without being asked, and it may refuse the question.
	UsageUnasked bool
}

// Provider implements adapters.Provider for a vendor.
type Provider struct{ Vendor }

var _ adapters.Provider = Provider{}

// Name returns the vendor's name.
func (p Provider) Name() string { return p.Kind }

// Dialect returns Responses for its own clients, where the vendor speaks it, and Chat for all others.
func (p Provider) Dialect(client adapters.Dialect, _ adapters.Operation, _ string) adapters.Dialect {
	if own := (openairesponses.Dialect{}); p.Responses && client == own {
		return own
	}
	return openaichat.Dialect{}
}

// responses is the option that says whether a server speaks Responses.
const responses = "responses"

// With returns the provider as a registry's options have it.
func (p Provider) With(options map[string]string) adapters.Provider {
	if p.Asked {
		p.Responses = options[responses] == "true"
	}
	return p
}

// SendsUsage reports whether streams carry usage unasked.
func (p Provider) SendsUsage() bool { return p.UsageUnasked }

// Check reports what is wrong with a registry.
func (p Provider) Check(r *adapters.Registry) []error {
	var wrong []error
	for name, value := range r.Options {
		switch {
		case !p.Asked || name != responses:
			wrong = append(wrong, fmt.Errorf("%s: unknown key for provider %s", name, p.Kind))
		case value != "true" && value != "false":
			wrong = append(wrong, fmt.Errorf("%s: must be true or false", name))
		}
	}
	for i, e := range r.Endpoints {
		for name := range e.Options {
			wrong = append(wrong, fmt.Errorf("endpoints[%d].%s: unknown key for provider %s", i, name, p.Kind))
		}
		if e.BaseURL == nil || e.BaseURL.Host == "" {
			if p.BaseURL == "" {
				wrong = append(wrong, fmt.Errorf("endpoints[%d].base_url: must be an http or https address, as the vendor's SDK takes it", i))
			}
		} else if e.BaseURL.Scheme != "http" && e.BaseURL.Scheme != "https" {
			wrong = append(wrong, fmt.Errorf("endpoints[%d].base_url: must begin with http:// or https://", i))
		}
		if p.NeedsKey && e.APIKey == "" {
			wrong = append(wrong, fmt.Errorf("endpoints[%d].api_key: must be given", i))
		}
	}
	return wrong
}

// NewRequest makes the request: the base URL ends in its version, so the client's path goes behind it without its own.
func (p Provider) NewRequest(ctx context.Context, t *adapters.Target, req *adapters.RequestContext, body []byte) (*http.Request, error) {
	base := t.Endpoint.BaseURL
	if base == nil || base.Host == "" {
		var err error
		if base, err = url.Parse(p.BaseURL); err != nil {
			return nil, err
		}
	}
	u := *base
	u.Path = strings.TrimSuffix(u.Path, "/") + strings.TrimPrefix(req.Dialect.Path(req, t.SentModel), "/v1")
	u.RawPath = ""
	u.RawQuery = req.RawQuery
	up, err := http.NewRequestWithContext(ctx, req.Method, "", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	up.URL, up.Host = &u, u.Host
	adapters.UpstreamHeader(up.Header, req.Header)
	for name, values := range t.Endpoint.Header {
		up.Header[name] = values
	}
	up.Header.Set("Accept-Encoding", "identity")
	up.Header["User-Agent"] = userAgent
	if key := t.Endpoint.APIKey; key != "" {
		if p.KeyOf != "" {
			up.Header.Set(p.KeyOf, key.Reveal())
		} else {
			up.Header.Set("Authorization", "Bearer "+key.Reveal())
		}
	}
	return up, nil
}

var userAgent = []string{"tollhouse"}

// Classify reads an error answer by its status. A spent quota comes as 429, but no waiting helps: it is the credential's.
func (Provider) Classify(status int, h http.Header, body []byte) adapters.Verdict {
	v := adapters.ClassifyStatus(status, h, time.Now())
	if status == http.StatusTooManyRequests && bytes.Contains(body, []byte(`"insufficient_quota"`)) {
		return adapters.ClassifyStatus(http.StatusPaymentRequired, h, time.Now())
	}
	return v
}
