// Package bedrock is Amazon Bedrock's runtime.
package bedrock

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	dialect "github.com/tollhouse/tollhouse/adapters/dialects/bedrock"
)

// Provider implements adapters.Provider.
type Provider struct {
	signer *signer
}

var _ adapters.Provider = Provider{}

// New makes the provider. What it finds in the environment, it finds when an endpoint without a credential of its own is asked
// first.
func New() Provider { return Provider{newSigner()} }

// Name returns the provider's name.
func (Provider) Name() string { return "bedrock" }

// Dialect returns Converse's.
func (Provider) Dialect(_ adapters.Dialect, op adapters.Operation, _ string) adapters.Dialect {
	switch op {
	case adapters.OperationChat, adapters.OperationCountTokens:
		return dialect.Dialect{}
	}
	return nil
}

// regionOf returns the region of an endpoint: its own, its registry's, or the environment's.
func regionOf(r *adapters.Registry, e *adapters.Endpoint) string {
	return cmp.Or(e.Options["region"], r.Options["region"], os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"))
}

// address is where the runtime of the endpoint's region is, or what stands in its place.
func address(t *adapters.Target) url.URL {
	if base := t.Endpoint.BaseURL; base != nil && base.Host != "" {
		return *base
	}
	region := regionOf(t.Registry, t.Endpoint)
	host := "bedrock-runtime." + region + ".amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		host += ".cn"
	}
	return url.URL{Scheme: "https", Host: host}
}

// NewRequest makes the request and signs it, or gives it the endpoint's bearer key. The path goes out escaped as the dialect wrote
// it: the signature is made over those very bytes.
func (p Provider) NewRequest(ctx context.Context, t *adapters.Target, req *adapters.RequestContext, body []byte) (*http.Request, error) {
	up, err := http.NewRequestWithContext(ctx, http.MethodPost, "", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	u := address(t)
	escaped := strings.TrimSuffix(u.EscapedPath(), "/") + dialect.Dialect{}.Path(req, t.SentModel)
	if u.Path, err = url.PathUnescape(escaped); err != nil {
		return nil, err
	}
	u.RawPath, u.RawQuery = escaped, ""
	up.URL, up.Host = &u, u.Host
	adapters.UpstreamHeader(up.Header, req.Header)
	if req.Dialect.Name() != dialect.Name {
		up.Header.Del("Accept") // it asked for another format's stream
	} else {
		u.RawQuery = req.RawQuery
	}
	for name, values := range t.Endpoint.Header {
		up.Header[name] = values
	}
	up.Header.Set("Content-Type", "application/json")
	up.Header.Set("Accept-Encoding", "identity")
	up.Header.Set("User-Agent", "tollhouse")
	return up, p.authorize(ctx, up, t, body)
}

// authorize proves who asks, by the first that is there: the endpoint's bearer key, its access key, the environment's bearer key,
// the environment's other credentials.
func (p Provider) authorize(ctx context.Context, up *http.Request, t *adapters.Target, body []byte) error {
	e := t.Endpoint
	static := accessKey(e)
	key := e.APIKey.Reveal()
	if key == "" && !static.HasKeys() {
		key = os.Getenv("AWS_BEARER_TOKEN_BEDROCK")
	}
	if key != "" {
		up.Header.Set("Authorization", "Bearer "+key)
		return nil
	}
	return p.signer.sign(ctx, up, body, static, regionOf(t.Registry, e))
}

// Classify reads an error answer by the type that AWS gives it, else by its status.
func (Provider) Classify(status int, h http.Header, body []byte) adapters.Verdict {
	v := adapters.ClassifyStatus(status, h, time.Now())
	kind := h.Get(dialect.ErrorTypeHeader)
	if kind == "" {
		var typed struct {
			Type string `json:"__type"`
		}
		_ = json.Unmarshal(body, &typed) // a body that is not JSON has no type
		kind = typed.Type
	}
	kind, _, _ = strings.Cut(kind, ":")              // ValidationException:http://internal.amazon.com/coral/…
	kind = kind[strings.LastIndexByte(kind, '#')+1:] // com.amazon.coral.service#UnrecognizedClientException
	if outcome, class, known := dialect.Classify(kind); known {
		v.Outcome, v.Class = outcome, class
	} else if status == http.StatusFailedDependency { // the model failed, not the request
		v.Outcome, v.Class = outcome, class
	}
	return v
}
