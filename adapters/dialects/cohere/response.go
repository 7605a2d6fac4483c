package cohere

import (
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// answer is what is read of a whole answer, or of the event that ends a stream.
type answer struct {
	usage    usage
	finished bool   // it has a finish reason
	failure  string // the error's words
	isError  bool
	payload  [2]int // where the message, the embeddings or the results stand
}

// member takes the facts of one member. A chat answer's message is an object; an error's is a text.
func (a *answer) member(text, key []byte, start, end int, facts *adapters.ProviderResponse) error {
	value := text[start:end]
	switch string(key) {
	case "id":
		facts.ResponseID, _ = jsonscan.String(value)
	case "finish_reason":
		if native, ok := jsonscan.String(value); ok {
			facts.NativeFinishReason, facts.FinishReason = native, finish(native)
			a.finished = native != ""
			a.isError = a.isError || facts.FinishReason == events.FinishError
		}
	case "usage", "meta":
		return a.usage.read(value)
	case "message":
		if value[0] == '"' {
			a.failure, _ = jsonscan.String(value)
			a.isError = true
			return nil
		}
		a.payload = [2]int{start, end}
	case "embeddings", "results":
		a.payload = [2]int{start, end}
	case "error":
		return a.readError(value)
	}
	return nil
}

// readError takes an error's words: Cohere's are a text, those of what may stand before it an object with a message.
func (a *answer) readError(value []byte) error {
	switch value[0] {
	case '"':
		a.failure, _ = jsonscan.String(value)
		a.isError = true
	case '{':
		a.isError = true
		return jsonscan.Members(value, 0, func(key []byte, start, end int) error {
			if string(key) == "message" {
				a.failure, _ = jsonscan.String(value[start:end])
			}
			return nil
		})
	}
	return nil
}

// ReadAnswer reads a buffered answer.
func (Dialect) ReadAnswer(op adapters.Operation, body []byte, facts *adapters.ProviderResponse) error {
	var a answer
	_, _, err := jsonscan.Object(body, func(key []byte, start, end int) error {
		return a.member(body, key, start, end, facts)
	})
	if err != nil {
		return err
	}
	hasPayload := a.payload[1] > a.payload[0] && (body[a.payload[0]] == '{' || body[a.payload[0]] == '[')
	if !hasPayload && !a.isError {
		return adapters.Errorf(adapters.CodeUpstreamError, "the provider's answer is not one of Cohere's")
	}
	// An answer that ended in an error may have run, and then it says so.
	if u := a.usage.reported(); u != nil {
		facts.Usage, facts.Evidence = u, events.EvidenceReported
	} else if hasPayload {
		facts.Usage, facts.Evidence = &events.Usage{}, events.EvidenceEstimated // the invoker has the texts
	}
	if a.isError {
		failed(facts, facts.NativeFinishReason, a.failure)
		return nil
	}
	facts.Outcome = adapters.OutcomeSuccess
	return nil
}
