// Package demo answers without a network and without a key, so that a newcomer's first request works. It is a
// provider like any other: its answers go through the same transport, stream and accounting.
package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/dialects/anthropic"
	"github.com/tollhouse/tollhouse/adapters/dialects/openaichat"
)

// Provider implements adapters.Provider and adapters.Transporter.
type Provider struct{}

var (
	_ adapters.Provider    = Provider{}
	_ adapters.Transporter = Provider{}
)

// Name returns demo.
func (Provider) Name() string { return "demo" }

// Dialect returns Anthropic's for its own clients, and OpenAI's for all others.
func (Provider) Dialect(client adapters.Dialect, _ adapters.Operation, _ string) adapters.Dialect {
	if own := (anthropic.Dialect{}); client == own {
		return own
	}
	return openaichat.Dialect{}
}

// Check takes no options.
func (Provider) Check(r *adapters.Registry) []error {
	var wrong []error
	for name := range r.Options {
		wrong = append(wrong, fmt.Errorf("%s: unknown key for provider demo", name))
	}
	return wrong
}

// NewRequest makes a request that Transport answers.
func (Provider) NewRequest(ctx context.Context, t *adapters.Target, req *adapters.RequestContext, body []byte) (*http.Request, error) {
	path := req.Dialect.Path(req, t.SentModel)
	return http.NewRequestWithContext(ctx, req.Method, "http://demo.invalid"+path, strings.NewReader(string(body)))
}

// Classify is never needed: the demo does not fail.
func (Provider) Classify(status int, h http.Header, _ []byte) adapters.Verdict {
	return adapters.ClassifyStatus(status, h, time.Now())
}

// Transport returns what answers.
func (Provider) Transport() http.RoundTripper { return responder{} }

const text = "Hello from Tollhouse. No provider is configured yet, so this answer was made on your own machine; " +
	"its tokens and its price were accounted for all the same."

// pace is the time between two words of a stream.
const pace = 15 * time.Millisecond

type responder struct{}

// RoundTrip answers at once, or in a stream, in the format of the path.
func (responder) RoundTrip(r *http.Request) (*http.Response, error) {
	dialect := openaichat.Name
	if strings.HasPrefix(r.URL.Path, "/v1/messages") {
		dialect = anthropic.Name
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var asked struct {
		Model  string `json:"model"`
		Stream bool   `json:"stream"`
	}
	if err := json.Unmarshal(raw, &asked); err != nil {
		return nil, err
	}
	a := answer{model: asked.Model, input: uint64(len(raw)+3) / 4, words: strings.SplitAfter(text, " ")}
	resp := &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: -1,
		Header: http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"demo"}},
	}
	if !asked.Stream {
		resp.Body = io.NopCloser(strings.NewReader(a.whole(dialect)))
		return resp, nil
	}
	resp.Header.Set("Content-Type", "text/event-stream")
	in, out := io.Pipe()
	resp.Body = in
	go func() { out.CloseWithError(a.stream(r.Context(), dialect, out)) }()
	return resp, nil
}
