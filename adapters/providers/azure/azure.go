// Package azure is OpenAI's models on Azure: the format is OpenAI's, addresses and keys are Azure's.
package azure

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

// Options of a registry, or of one endpoint.
const (
	// apiVersion chooses the path with deployments: the model that is sent names the deployment. Without it the newer
	// /openai/v1 is used, which takes the model in the body.
	apiVersion = "api_version"
	// auth is `key` (the default) or `entra`: api_key is then a token of Microsoft Entra ID.
	auth = "auth"
)

// Provider implements adapters.Provider.
type Provider struct{}

var _ adapters.Provider = Provider{}

// Name returns azure.
func (Provider) Name() string { return "azure" }

// Dialect returns Responses for its own clients, and Chat for all others.
func (Provider) Dialect(client adapters.Dialect, _ adapters.Operation, _ string) adapters.Dialect {
	if own := (openairesponses.Dialect{}); client == own {
		return own
	}
	return openaichat.Dialect{}
}

// Check reports what is wrong with a registry.
func (Provider) Check(r *adapters.Registry) []error {
	var wrong []error
	options := func(at string, o map[string]string) {
		for name, value := range o {
			switch {
			case name != apiVersion && name != auth:
				wrong = append(wrong, fmt.Errorf("%s%s: unknown key for provider azure", at, name))
			case name == auth && value != "key" && value != "entra":
				wrong = append(wrong, fmt.Errorf("%sauth: must be key or entra", at))
			}
		}
	}
	options("", r.Options)
	for i, e := range r.Endpoints {
		at := fmt.Sprintf("endpoints[%d].", i)
		options(at, e.Options)
		switch {
		case e.BaseURL == nil || e.BaseURL.Host == "":
			wrong = append(wrong, fmt.Errorf("%sbase_url: must be the resource's address: https://NAME.openai.azure.com", at))
		case e.BaseURL.Scheme != "http" && e.BaseURL.Scheme != "https":
			wrong = append(wrong, fmt.Errorf("%sbase_url: must begin with http:// or https://", at))
		case strings.Contains(e.BaseURL.Path, "/deployments"):
			wrong = append(wrong, fmt.Errorf("%sbase_url: goes without /openai/deployments", at))
		}
		if e.APIKey == "" {
			wrong = append(wrong, fmt.Errorf("%sapi_key: must be given", at))
		}
	}
	return wrong
}

// option is the endpoint's, else the registry's.
func option(t *adapters.Target, name string) string {
	if v := t.Endpoint.Options[name]; v != "" {
		return v
	}
	return t.Registry.Options[name]
}

// NewRequest makes the request, by the path with deployments or by the newer one. Responses are served by the newer one only, where the
// model in the body names the deployment.
func (Provider) NewRequest(ctx context.Context, t *adapters.Target, req *adapters.RequestContext, body []byte) (*http.Request, error) {
	up, err := http.NewRequestWithContext(ctx, req.Method, "", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	u := *t.Endpoint.BaseURL
	base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/v1"), "/openai")
	path := strings.TrimPrefix(req.Dialect.Path(req, t.SentModel), "/v1")
	if version := option(t, apiVersion); version != "" && req.Dialect != (openairesponses.Dialect{}) {
		u.Path = base + "/openai/deployments/" + t.SentModel + path
		u.RawPath = base + "/openai/deployments/" + url.PathEscape(t.SentModel) + path
		u.RawQuery = "api-version=" + url.QueryEscape(version)
	} else {
		u.Path, u.RawPath, u.RawQuery = base+"/openai/v1"+path, "", req.RawQuery
	}
	up.URL, up.Host = &u, u.Host
	adapters.UpstreamHeader(up.Header, req.Header)
	for name, values := range t.Endpoint.Header {
		up.Header[name] = values
	}
	up.Header.Set("Accept-Encoding", "identity")
	up.Header.Set("User-Agent", "tollhouse")
	if option(t, auth) == "entra" {
		up.Header.Set("Authorization", "Bearer "+t.Endpoint.APIKey.Reveal())
	} else {
		up.Header.Set("Api-Key", t.Endpoint.APIKey.Reveal())
	}
	return up, nil
}

// Classify reads an error answer by its status. What Azure's own filter refuses is the request's.
func (Provider) Classify(status int, h http.Header, _ []byte) adapters.Verdict {
	return adapters.ClassifyStatus(status, h, time.Now())
}
