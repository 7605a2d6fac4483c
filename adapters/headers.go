package adapters

import (
	"maps"
	"net/http"
	"strings"
)

// UpstreamHeader copies into dst what of a client's header may go to a provider: what describes the body and the API's
// own switches, and nothing that identifies the client or belongs to its connection.
func UpstreamHeader(dst, client http.Header) {
	for name, values := range client {
		switch {
		case name == "Content-Type", name == "Accept", name == "Traceparent", name == "Tracestate":
		case strings.HasPrefix(name, "Anthropic-"), strings.HasPrefix(name, "Openai-"):
		case strings.HasPrefix(name, "X-Goog-") && name != "X-Goog-Api-Key":
		default:
			continue
		}
		dst[name] = values
	}
}

// RequestIDHeaders are where providers name a request of theirs, the commonest first.
var requestIDHeaders = [...]string{"X-Request-Id", "Request-Id", "Apim-Request-Id", "X-Amzn-Requestid", "Cf-Ray"}

// downstreamHeader copies what of a provider's header goes back to the client, and finds the provider's request id.
func downstreamHeader(upstream http.Header) (back http.Header, requestID string) {
	back = make(http.Header, 8)
	for name, values := range upstream {
		switch {
		case name == "Content-Type", name == "Retry-After", name == "Retry-After-Ms", name == "X-Should-Retry",
			name == "X-Request-Id", name == "Request-Id", name == "Apim-Request-Id",
			name == "X-Amzn-Requestid", name == "X-Amzn-Errortype",
			strings.HasPrefix(name, "X-Ratelimit-"), strings.HasPrefix(name, "Openai-"), strings.HasPrefix(name, "Anthropic-"):
			back[name] = values
		}
	}
	for _, name := range requestIDHeaders {
		if v := upstream[name]; len(v) > 0 {
			return back, v[0]
		}
	}
	return back, ""
}

// traced is the request with the names that its attempt is followed by, before anything of it is signed.
func traced(req *RequestContext, t *Target) *RequestContext {
	named := *req
	named.Header = maps.Clone(req.Header)
	if named.Header == nil {
		named.Header = http.Header{}
	}
	named.Header["Traceparent"] = []string{t.Traceparent}
	delete(named.Header, "Tracestate")
	if t.Tracestate != "" {
		named.Header["Tracestate"] = []string{t.Tracestate}
	}
	return &named
}
