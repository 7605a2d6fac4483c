// Package actors decides what becomes of one request: which registry, which endpoint, how often, and with which end.
// It is the only code that knows proto.actor, and shows none of it: Forwarder is plain Go.
package actors

import (
	"iter"
	"net/http"

	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
)

// ForwardInput is one authenticated request.
type ForwardInput struct {
	GatewayID string
	Consumer  *routing.Consumer
	Data      ConsumerData
	RoleIDs   []string // none yet
	Request   *adapters.RequestContext
}

// ConsumerData is what is known of the caller beside the configuration.
type ConsumerData struct {
	KeyID  string
	Labels map[string]string // the consumer's and the request's, bounded
}

// ForwardResult is the answer for the client, in its dialect. Exactly one of Body and Stream is set.
//
// A stream is bound to the context given to Forward: cancelling it ends the upstream body, the permit and the
// settlement, whether the stream was read or not, and breaking off the iteration cancels. Each slice is to be written
// verbatim and flushed once, and is valid until the next. The second value is the error that broke the stream, for which
// the dialect has a frame.
type ForwardResult struct {
	StatusCode int
	Headers    http.Header // the provider's that may go back, and X-Tollhouse-*
	Body       []byte
	Stream     iter.Seq2[[]byte, error]
	// Release gives pooled memory back once Body has been written; it may be called always, and once.
	Release func()
}
