package adapters

import "github.com/tollhouse/tollhouse/adapters/canonical"

// Codec translates chat between a dialect and the canonical model. A Dialect that is one can be asked for by a client whose
// provider speaks another, and asked in by a client that speaks another. Like a Dialect it has no state.
//
// Nothing is lost in silence: a decoder keeps what it has no word for in Others, Foreign parts and Foreign tools, and an encoder
// names each thing that it has no place for as a Loss.
type Codec interface {
	Dialect

	// DecodeRequest reads a client's request. The error is an *Error that names the field as the client wrote it.
	DecodeRequest(req *RequestContext) (*canonical.Request, error)
	// EncodeRequest writes the upstream's body. It never writes into r.
	EncodeRequest(r *canonical.Request) (body []byte, lost []canonical.Loss, err error)

	// DecodeAnswer reads a buffered 2xx answer whose facts have been read.
	DecodeAnswer(body []byte) (*canonical.Response, error)
	// EncodeAnswer writes the client's answer: id, model, usage and finish reason are in the facts.
	EncodeAnswer(r *canonical.Response, req *RequestContext, facts *ProviderResponse) []byte

	// NewStreamDecoder decodes one stream of an upstream.
	NewStreamDecoder() StreamDecoder
	// StreamType is the content type of the stream that a client's request asks for.
	StreamType(req *RequestContext) string
	// NewStreamEncoder writes one stream for a client. Facts grow while the stream runs: an encoder reads them when it needs them.
	NewStreamEncoder(req *RequestContext, facts *ProviderResponse) StreamEncoder
}

// EmbeddingsCodec is a Codec that translates embeddings, too.
type EmbeddingsCodec interface {
	Codec

	// DecodeEmbeddingsRequest reads a client's request. The error is an *Error that names the field as the client wrote it.
	DecodeEmbeddingsRequest(req *RequestContext) (*canonical.EmbeddingsRequest, error)
	// EncodeEmbeddingsRequest writes the upstream's body.
	EncodeEmbeddingsRequest(r *canonical.EmbeddingsRequest) (body []byte, lost []canonical.Loss, err error)
	// DecodeEmbeddings reads a 2xx answer whose facts have been read.
	DecodeEmbeddings(body []byte) (*canonical.Embeddings, error)
	// EncodeEmbeddings writes the client's answer: id, model and usage are in the facts.
	EncodeEmbeddings(r *canonical.Embeddings, req *RequestContext, facts *ProviderResponse) ([]byte, error)
}

// FieldNamer is a Codec whose clients write some members by other names than the canonical model has for them.
type FieldNamer interface {
	// FieldName is the client's name for a member of a canonical request, as a Loss names it: stop_sequences for stop.
	FieldName(canonical string) string
}

// StreamDecoder decodes one stream.
type StreamDecoder interface {
	// Event decodes one event, after the StreamReader has read its facts. It calls emit for each canonical event, in order; what it
	// gives to emit may be used during that call only.
	Event(name string, data []byte, emit func(*canonical.Event)) error
	// End emits what is still owed, once: the ends of open parts, Finish.
	End(emit func(*canonical.Event))
}

// StreamEncoder encodes one stream.
type StreamEncoder interface {
	// Event appends the client's frames for one canonical event; often none, or several.
	Event(dst []byte, e *canonical.Event) []byte
	// End appends what ends a whole stream: finish reason, usage, and the dialect's last frame. The facts are final.
	End(dst []byte) []byte
}

// EventStream is the content type of server-sent events.
const EventStream = "text/event-stream"

// Reaches reports whether a client of this dialect can be served by the provider: in its own dialect, or in translation.
func Reaches(client Dialect, p Provider, op Operation, sentModel string) bool {
	native := p.Dialect(client, op, sentModel)
	if native == nil || native == client {
		return native != nil
	}
	return translates(client, native, op)
}

// translates reports whether an operation can be taken from one dialect to another.
func translates(client, native Dialect, op Operation) bool {
	switch op {
	case OperationChat:
		_, from := client.(Codec)
		_, to := native.(Codec)
		return from && to
	case OperationEmbeddings:
		_, from := client.(EmbeddingsCodec)
		_, to := native.(EmbeddingsCodec)
		return from && to
	}
	return false
}
