package cohere

import (
	"encoding/json"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// RenderError writes Cohere's error envelope. Cohere's id names the call in Cohere's own logs: an error of ours has none, and the
// gateway's own request id is in the header of every answer.
func (Dialect) RenderError(e *adapters.Error) []byte {
	raw, _ := json.Marshal(struct {
		Message string `json:"message"`
	}{e.Message}) // strings only: it cannot fail
	return raw
}

// RenderErrorFrame ends a stream as Cohere ends one that failed: a message-end that says why, and [DONE].
func (Dialect) RenderErrorFrame(e *adapters.Error) []byte {
	var end endEvent
	end.Type, end.Delta.FinishReason, end.Delta.Error = "message-end", "ERROR", e.Message
	if e.Code == adapters.CodeUpstreamTimeout {
		end.Delta.FinishReason = "TIMEOUT"
	}
	raw, _ := json.Marshal(end)
	return append(append([]byte("event: message-end\ndata: "), raw...), "\n\ndata: [DONE]\n\n"...)
}

type endEvent struct {
	Type  string `json:"type"`
	Delta struct {
		FinishReason string   `json:"finish_reason"`
		Usage        struct{} `json:"usage"`
		Error        string   `json:"error,omitempty"`
	} `json:"delta"`
}

// failed says in the facts what an answer that ended with an error means: the model or Cohere failed at it, not the request.
func failed(facts *adapters.ProviderResponse, native, message string) *adapters.Error {
	facts.Outcome, facts.ErrorClass = adapters.OutcomeRetryable, events.ErrorOverloaded
	code := adapters.CodeUpstreamError
	if native == "TIMEOUT" {
		facts.ErrorClass, code = events.ErrorTimeout, adapters.CodeUpstreamTimeout
	}
	if message == "" {
		message = "the provider ended its answer with an error"
	}
	return &adapters.Error{Code: code, Message: message}
}
