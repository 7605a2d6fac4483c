// Package adapters makes one attempt, from bytes to bytes: it knows wire formats and providers, and nothing of actors,
// Kafka, ClickHouse or Echo.
package adapters

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/adapters/wire"
	"github.com/tollhouse/tollhouse/adapters/wire/sse"
	"github.com/tollhouse/tollhouse/events"
)

// Dialect is a wire format: how a client asks in it, and how answers and errors look in it. Implementations have no
// state; every method may be called by many goroutines.
type Dialect interface {
	// Name is the dialect's stable name, as in events: openai_chat, anthropic_messages.
	Name() string

	// Inspect reads a request's body once: is it well-formed JSON, is no member that we read given twice, which
	// model, streamed or not. It returns an *Error that names the field.
	Inspect(op Operation, path string, body []byte) (Inspection, error)

	// Rewrite returns the body for an upstream of the same dialect: the client's bytes but for the model and, in a
	// stream, the wish for usage. It appends to dst, or returns req.Body itself where nothing changes; it never
	// writes into req.Body.
	Rewrite(dst []byte, req *RequestContext, sentModel string) ([]byte, error)

	// Path returns the path of the upstream's request, escaped, as the routes of this dialect stand in CONTRACT.md: with the version,
	// without a prefix, and with the model that is sent where the dialect has it in the path. A provider puts its base before it. A
	// request without a path is a translation: it gets the route of its operation.
	Path(req *RequestContext, sentModel string) string

	// NewScanner returns what splits a 2xx answer of this content type into events, or nil where it is not a stream. It reads from r,
	// with buf as its first buffer, and takes no event longer than limit bytes. SSEScanner serves most.
	NewScanner(contentType string, r io.Reader, buf []byte, limit int) wire.Scanner

	// ReadAnswer reads the facts of a buffered 2xx answer. A body that is no answer of this dialect is an error of class
	// malformed_response; an error object inside a 2xx sets the outcome.
	ReadAnswer(op Operation, body []byte, facts *ProviderResponse) error

	// NewStreamReader reads the facts of one stream, event by event.
	NewStreamReader(req *RequestContext, facts *ProviderResponse) StreamReader

	// RenderError writes the envelope of an error of ours, and its content type is application/json.
	RenderError(e *Error) []byte

	// RenderErrorFrame writes the error that ends a broken stream: one frame, with what must come before and after it.
	RenderErrorFrame(e *Error) []byte

	// RenderModels writes the answer of the models list.
	RenderModels(models []Model) []byte
	// RenderModel writes the answer for one model.
	RenderModel(m Model) []byte
}

// ErrorHeaders is a Dialect whose clients read in a header what kind of error an envelope is about.
type ErrorHeaders interface {
	// SetErrorHeader sets what goes with RenderError's body.
	SetErrorHeader(h http.Header, e *Error)
}

// ErrorFramer is a Dialect whose streams have more forms than one, and an error frame for each.
type ErrorFramer interface {
	// RenderErrorFrameIn is RenderErrorFrame for a stream of this content type that has begun.
	RenderErrorFrameIn(contentType string, e *Error) []byte
}

// ErrorFrame is the error that ends a broken stream of a client's dialect, of which something has been written.
func ErrorFrame(client Dialect, contentType string, e *Error) []byte {
	if framer, ok := client.(ErrorFramer); ok {
		return framer.RenderErrorFrameIn(contentType, e)
	}
	return client.RenderErrorFrame(e)
}

// Model is one entry of a models list.
type Model struct {
	ID      string
	OwnedBy string
	Created time.Time
}

// StreamReader watches one stream of a dialect.
type StreamReader interface {
	// Event reads one event, given whole: its name (may be empty) and its data (the data lines joined by \n). It says
	// what becomes of the event's bytes, and updates the facts. It keeps nothing of data.
	Event(name string, data []byte) (Disposition, error)
	// End is called once, whatever ended the stream, and completes the facts: of a usage that was never reported, what was written is estimated.
	// It returns an error where the stream was cut short.
	End() error
}

// SSEScanner is the NewScanner of a dialect that streams server-sent events.
func SSEScanner(contentType string, r io.Reader, buf []byte, limit int) wire.Scanner {
	if !strings.HasPrefix(contentType, EventStream) {
		return nil
	}
	return sse.NewScanner(r, buf, limit)
}

// Disposition says what becomes of a stream event's bytes.
type Disposition uint8

// Dispositions.
const (
	Opening Disposition = iota // goes to the client, but does not commit us: it may be held until content comes
	Content                    // goes to the client at once
	Drop                       // was asked for by us, not by the client
	Last                       // ends the stream: the facts are final
	// Failed: the provider reports an error inside the stream. The facts hold its class; Event returns the *Error.
	Failed
)

// Provider is a kind of upstream: an address, a way to authenticate, and quirks, over one dialect. Implementations
// have no state of their own; every method may be called by many goroutines.
type Provider interface {
	// Name is the provider's stable name, as in the configuration and in events: openai.
	Name() string
	// Dialect returns the wire format in which an operation is asked for here: the client's own where the provider speaks it for this
	// model, else the one to translate to; nil where the provider cannot do it at all.
	Dialect(client Dialect, op Operation, sentModel string) Dialect
	// Check reports everything that is wrong with a registry of this kind, each error naming its key.
	Check(r *Registry) []error
	// NewRequest makes the one upstream request of an attempt. The invoker sets body and context policies
	// (GetBody nil, identity encoding) afterwards; body is already rewritten.
	NewRequest(ctx context.Context, t *Target, req *RequestContext, body []byte) (*http.Request, error)
	// Classify reads an answer that is not 2xx.
	Classify(status int, h http.Header, body []byte) Verdict
}

// Optional is a Provider whose registries' options change which dialects it speaks.
type Optional interface {
	// With returns the provider of a registry with these options.
	With(options map[string]string) Provider
}

// Verdict is what an error answer means.
type Verdict struct {
	Outcome    Outcome
	Class      events.ErrorClass
	RetryAfter time.Duration
	Message    string // the provider's own words, for the client; empty: keep the body
}

// ProviderInvoker makes attempts. Invoke is for buffered calls, InvokeStream for streamed ones; both make exactly
// one request on the wire, and none without a ticket.
//
// The response is never nil. The error is nil where the upstream answered at all, whatever it said: read the outcome.
// An error is a transport failure, a timeout, or the cause for which ctx was cancelled.
//
// InvokeStream returns when the first content is there, or the stream has failed before it, so that the caller can still
// go elsewhere. The stream is bound to ctx, not to the call.
type ProviderInvoker interface {
	Invoke(ctx context.Context, t *Target, req *RequestContext) (*ProviderResponse, error)
	InvokeStream(ctx context.Context, t *Target, req *RequestContext) (*ProviderResponse, error)
}
