// Package vertex is Google's Vertex AI: Gemini in its own dialect, Claude in Anthropic's.
package vertex

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/dialects/anthropic"
	"github.com/tollhouse/tollhouse/adapters/dialects/gemini"
)

// Provider implements adapters.Provider.
type Provider struct{ tokens *tokens }

var _ adapters.Provider = Provider{}

// New makes the provider, with an empty store of access tokens.
func New() Provider { return Provider{tokens: &tokens{}} }

// Name returns the provider's name.
func (Provider) Name() string { return "vertex" }

func isClaude(model string) bool { return strings.HasPrefix(model, "claude-") }

// Dialect returns Anthropic's for Claude, which has no embeddings, and Gemini's for all else.
func (Provider) Dialect(_ adapters.Dialect, op adapters.Operation, sentModel string) adapters.Dialect {
	switch {
	case op == adapters.OperationRerank, op == adapters.OperationEmbeddings && isClaude(sentModel):
		return nil
	case isClaude(sentModel):
		return anthropic.Dialect{}
	}
	return gemini.Dialect{}
}

// NewRequest makes the request. The path is Vertex's own; base_url replaces the host, for a private endpoint.
func (p Provider) NewRequest(ctx context.Context, t *adapters.Target, req *adapters.RequestContext, body []byte) (*http.Request, error) {
	token, err := p.tokens.get(ctx, credentialOf(t))
	if err != nil {
		return nil, err
	}
	query := gemini.Query(req)
	if isClaude(t.SentModel) {
		if body, err = claudeBody(body, req.Operation == adapters.OperationCountTokens); err != nil {
			return nil, err
		}
		query = req.RawQuery
	}
	up, err := http.NewRequestWithContext(ctx, http.MethodPost, "", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	location := option(t.Registry, t.Endpoint, optionLocation)
	base := url.URL{Scheme: "https", Host: host(location)}
	if b := t.Endpoint.BaseURL; b != nil && b.Host != "" {
		base = *b
	}
	path := "/v1/projects/" + url.PathEscape(option(t.Registry, t.Endpoint, optionProject)) +
		"/locations/" + url.PathEscape(location) + "/publishers/" + method(t.SentModel, req)
	if up.URL, err = base.Parse(strings.TrimSuffix(base.EscapedPath(), "/") + path); err != nil {
		return nil, err
	}
	up.URL.RawQuery, up.Host = query, up.URL.Host
	adapters.UpstreamHeader(up.Header, req.Header)
	for name, values := range t.Endpoint.Header {
		up.Header[name] = values
	}
	up.Header.Set("Accept-Encoding", "identity")
	up.Header.Set("User-Agent", "tollhouse")
	up.Header.Set("Authorization", "Bearer "+token)
	return up, nil
}

// host is where a location is served: the world, a continent, or a region.
func host(location string) string {
	switch location {
	case "global":
		return "aiplatform.googleapis.com"
	case "us", "eu":
		return "aiplatform." + location + ".rep.googleapis.com"
	}
	return location + "-aiplatform.googleapis.com"
}

// method is the end of the path: the publisher, the model, and what is asked of it. Claude's tokens are counted by a model of
// their own, which finds the one that is meant in the body.
func method(sentModel string, req *adapters.RequestContext) string {
	if !isClaude(sentModel) {
		return "google/models/" + url.PathEscape(sentModel) + ":" + gemini.Method(req)
	}
	switch {
	case req.Operation == adapters.OperationCountTokens:
		return "anthropic/models/count-tokens:rawPredict"
	case req.Stream:
		return "anthropic/models/" + url.PathEscape(sentModel) + ":streamRawPredict"
	}
	return "anthropic/models/" + url.PathEscape(sentModel) + ":rawPredict"
}

// Classify reads an error answer. Claude's errors are Anthropic's, with the same statuses.
func (Provider) Classify(status int, h http.Header, body []byte) adapters.Verdict {
	return gemini.Classify(status, h, body, time.Now())
}
