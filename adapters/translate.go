package adapters

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

// translation takes one attempt between a client's dialect and another that its provider speaks. Facts are read from the provider's own
// bytes, by its own dialect; what is translated is what the client sees.
type translation struct {
	client, upstream Codec
	req              *RequestContext // the client's
	lost             []string
	texts            int // of a request for embeddings

	decoder StreamDecoder
	encoder StreamEncoder
	emit    func(*canonical.Event)
	bare    map[int]bool // choices whose open call has no arguments so far
	out     []byte
}

// translate makes the upstream's request of a client's. The error names what cannot be carried, as the client wrote it.
func translate(req *RequestContext, native Dialect, sentModel string) (*translation, *RequestContext, error) {
	if !translates(req.Dialect, native, req.Operation) {
		return nil, nil, Errorf(CodeUnsupportedFeature, "this request can not be translated from %s", req.Dialect.Name())
	}
	client, upstream := req.Dialect.(Codec), native.(Codec)
	t := &translation{client: client, upstream: upstream, req: req}
	body, lost, err := t.encode(sentModel)
	if err != nil {
		return nil, nil, err
	}
	for _, l := range lost {
		if namer, ok := client.(FieldNamer); ok {
			l.Field = namer.FieldName(l.Field)
		}
		if !l.Hint && !req.Lenient {
			return nil, nil, &Error{
				Code: CodeUnsupportedFeature, Param: l.Field,
				Message: l.Field + " cannot be carried to this model's provider, which speaks another API format",
			}
		}
		t.lost = append(t.lost, l.Field)
	}
	up := &RequestContext{
		ID: req.ID, Dialect: native, Operation: req.Operation, Method: http.MethodPost, Header: upstreamOf(req.Header), Body: body,
		ReceivedAt: req.ReceivedAt,
	}
	up.Stream = req.Stream
	// What is left to ask for, as the usage of a stream, is asked for as in any request of that dialect.
	if up.Inspection, err = native.Inspect(req.Operation, native.Path(up, sentModel), body); err != nil {
		return nil, nil, err
	}
	up.Model, up.Stream, up.OutputLimit = sentModel, req.Stream, req.OutputLimit
	return t, up, nil
}

// encode writes the upstream's body of the client's request.
func (t *translation) encode(sentModel string) (body []byte, lost []canonical.Loss, err error) {
	if t.req.Operation == OperationEmbeddings {
		r, err := t.client.(EmbeddingsCodec).DecodeEmbeddingsRequest(t.req)
		if err != nil {
			return nil, nil, err
		}
		r.Model, t.texts = sentModel, len(r.Inputs)
		return t.upstream.(EmbeddingsCodec).EncodeEmbeddingsRequest(r)
	}
	r, err := t.client.DecodeRequest(t.req)
	if err != nil {
		return nil, nil, err
	}
	r.Model, r.Stream = sentModel, t.req.Stream
	return t.upstream.EncodeRequest(r)
}

// upstreamOf is what of a client's header a provider of another dialect may see: nothing that only its own dialect knows.
func upstreamOf(client http.Header) http.Header {
	h := http.Header{"Content-Type": {"application/json"}}
	for _, name := range []string{"Traceparent", "Tracestate"} {
		if v := client[name]; len(v) > 0 {
			h[name] = v
		}
	}
	return h
}

// answer translates a whole 2xx answer whose facts have been read.
func (t *translation) answer(body []byte, facts *ProviderResponse) ([]byte, error) {
	if t.req.Operation == OperationEmbeddings {
		r, err := t.upstream.(EmbeddingsCodec).DecodeEmbeddings(body)
		if err != nil {
			return nil, err
		}
		if len(r.Vectors) != t.texts {
			return nil, Errorf(CodeUpstreamError, "the provider made %d vectors of %d texts", len(r.Vectors), t.texts)
		}
		return t.client.(EmbeddingsCodec).EncodeEmbeddings(r, t.req, facts)
	}
	r, err := t.upstream.DecodeAnswer(body)
	if err != nil {
		return nil, err
	}
	return t.client.EncodeAnswer(r, t.req, facts), nil
}

// refusal writes a provider's error as the client's dialect has it, into a header too where that names it: status and message are
// the provider's.
func (t *translation) refusal(status int, body []byte, h http.Header) []byte {
	e := &Error{Code: codeOf(status), Status: status, Message: providersWords(status, body)}
	if named, ok := t.client.(ErrorHeaders); ok {
		named.SetErrorHeader(h, e)
	}
	return t.client.RenderError(e)
}

func codeOf(status int) Code {
	switch {
	case status == http.StatusNotFound:
		return CodeModelNotFound
	case status == http.StatusTooManyRequests:
		return CodeRateLimited
	case status == http.StatusRequestEntityTooLarge:
		return CodeRequestTooLarge
	case status >= 500:
		return CodeUpstreamError
	}
	return CodeInvalidRequest
}

// maxWords bounds what is quoted of an error body that is no envelope.
const maxWords = 2048

// providersWords finds the message in an error body of any dialect: error.message, message, error or detail as a string.
func providersWords(status int, body []byte) string {
	body = bytes.TrimSpace(body)
	said := ""
	take := func(value []byte) {
		if s, ok := jsonscan.String(value); ok && said == "" {
			said = s
		}
	}
	if len(body) > 0 && body[0] == '[' { // Gemini's, in an array
		body = bytes.TrimSpace(bytes.Trim(body, "[]"))
	}
	_, _, err := jsonscan.Object(body, func(key []byte, start, end int) error {
		switch string(key) {
		case "error":
			take(body[start:end])
			_ = jsonscan.Members(body, start, func(key []byte, start, end int) error {
				if string(key) == "message" {
					take(body[start:end])
				}
				return nil
			})
		case "message", "Message", "detail":
			take(body[start:end])
		}
		return nil
	})
	switch {
	case said != "":
		return said
	case err != nil && len(body) > 0:
		return strings.ToValidUTF8(string(body[:min(len(body), maxWords)]), "\uFFFD")
	}
	return "the provider answered " + http.StatusText(status)
}

// begin readies the translation of a stream.
func (t *translation) begin(facts *ProviderResponse) {
	t.decoder, t.encoder, t.emit = t.upstream.NewStreamDecoder(), t.client.NewStreamEncoder(t.req, facts), t.step
}

// step adds what the client is to see of one step. A call that ends without arguments gets the empty object that it stands for: clients
// parse what they have put together.
func (t *translation) step(e *canonical.Event) {
	switch e.Kind {
	case canonical.PartBegin:
		if c := e.Part.Call; e.Part.Kind == canonical.ToolCall && c != nil && c.Arguments == "" && !c.Custom {
			if t.bare == nil {
				t.bare = map[int]bool{}
			}
			t.bare[e.Choice] = true
		}
	case canonical.PartDelta:
		if e.Text != "" && len(t.bare) > 0 {
			delete(t.bare, e.Choice)
		}
	case canonical.PartEnd:
		if t.bare[e.Choice] {
			delete(t.bare, e.Choice)
			empty := canonical.Event{Kind: canonical.PartDelta, Choice: e.Choice, Index: e.Index, Text: "{}"}
			t.out = t.encoder.Event(t.out, &empty)
		}
	}
	t.out = t.encoder.Event(t.out, e)
}

// event adds what the client is to see of one event.
func (t *translation) event(name string, data []byte) error {
	return t.decoder.Event(name, data, t.emit)
}

// end adds what ends a whole stream.
func (t *translation) end() {
	t.decoder.End(t.emit)
	t.out = t.encoder.End(t.out)
}

// take returns the frames there are, and begins anew.
func (t *translation) take() []byte {
	frames := t.out
	t.out = t.out[:0]
	return frames
}
