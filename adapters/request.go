package adapters

import (
	"net/http"
	"time"
)

// Operation is what a route asks for, independent of the dialect.
type Operation string

// Operations that go upstream.
const (
	OperationChat        Operation = "chat"
	OperationEmbeddings  Operation = "embeddings"
	OperationCountTokens Operation = "count_tokens"
	OperationRerank      Operation = "rerank"
	// OperationStored is about an answer that the provider keeps: method and path say whether it is read, cancelled or deleted. It
	// names no model and uses no tokens.
	OperationStored Operation = "stored_response"
)

// RequestContext is one client's request as ingress read it. It never changes after ingress; any number of attempts
// may read it at the same time. Body belongs to ingress, which takes it back once the request is over: nobody keeps
// a slice of it longer.
type RequestContext struct {
	ID        string // the request id
	Dialect   Dialect
	Operation Operation
	Method    string
	Path      string      // escaped, without the dialect's prefix: /v1/chat/completions
	RawQuery  string      // without keys
	Header    http.Header // the client's; UpstreamHeader names what of it may go up
	Body      []byte      // whole and inflated
	Lenient   bool        // what a translation cannot carry is dropped and named, instead of refused

	Inspection

	ReceivedAt time.Time
}

// Inspection is what a dialect reads in a request, in one pass over the body. The spans are what it may have to
// edit when it sends the same dialect on; they are offsets into Body, and zero where the member is absent.
type Inspection struct {
	Model  string // as asked for; empty where the client named none
	Stream bool
	// OutputLimit is the most the client allows the model to write, in tokens over all choices; 0: no limit given.
	OutputLimit uint64
	// IncludeUsage is whether an OpenAI client asked for the usage chunk of a stream itself.
	IncludeUsage bool
	// PreviousResponse is the id of an answer that the provider keeps, on which the request builds, or which it is about: only the
	// endpoint that made it has it.
	PreviousResponse string
	// Keeps is whether the provider keeps the answer, to be built upon.
	Keeps bool

	ModelSpan        Span // the value, with its quotes
	StreamOptionSpan Span // the value of stream_options
	IncludeUsageSpan Span // the value of stream_options.include_usage
	ObjectSpan       Span // the body's object, from its brace to behind its closing brace
}

// Span is a range of bytes: Body[Start:End].
type Span struct{ Start, End int }

// Empty reports whether there is nothing in it.
func (s Span) Empty() bool { return s.End <= s.Start }

// EstimateInputTokens guesses the input from the body's size, at four bytes a token, before every attempt: it is for what nobody
// will report, an attempt that the gateway did not live to settle. Where an answer was seen, tokens.EstimateRequest knows better.
func (r *RequestContext) EstimateInputTokens() uint64 { return uint64(len(r.Body)+3) / 4 }
