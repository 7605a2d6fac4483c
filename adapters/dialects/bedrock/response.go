package bedrock

import (
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// ReadAnswer reads a buffered answer. It has no id and names no model: the request id stands in a header, and only a prompt router
// says, in its trace, which model it chose.
func (Dialect) ReadAnswer(op adapters.Operation, body []byte, facts *adapters.ProviderResponse) error {
	var u usage
	output, counted := 0, false
	_, _, err := jsonscan.Object(body, func(key []byte, start, end int) (err error) {
		value := body[start:end]
		switch string(key) {
		case "output":
			if isMessage(value) {
				output = len(value)
			}
		case "stopReason":
			readStop(value, facts)
		case "usage":
			u, err = readUsage(value)
		case "trace":
			facts.Model = routedModel(value)
		case "inputTokens": // count-tokens
			_, counted = jsonscan.Uint(value)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case op == adapters.OperationCountTokens && counted:
		facts.Outcome, facts.Evidence = adapters.OutcomeSuccess, events.EvidenceNone // counting costs nothing
		return nil
	case op == adapters.OperationCountTokens:
		return adapters.Errorf(adapters.CodeUpstreamError, "the provider's answer is not a count")
	case output == 0:
		return adapters.Errorf(adapters.CodeUpstreamError, "the provider's answer has no message")
	}
	facts.Outcome = adapters.OutcomeSuccess
	if u.seen {
		facts.Usage, facts.Evidence = u.canonical(), events.EvidenceReported
	} else {
		facts.Usage, facts.Evidence = &events.Usage{}, events.EvidenceEstimated // the invoker has the texts
	}
	return nil
}

// isMessage reports whether an answer's output holds a message. AWS answers an operation that it does not know with an output too.
func isMessage(output []byte) (found bool) {
	_ = jsonscan.Members(output, 0, func(key []byte, start, _ int) error {
		found = found || string(key) == "message" && output[start] == '{'
		return nil
	})
	return found
}

func readStop(value []byte, facts *adapters.ProviderResponse) {
	if native, ok := jsonscan.String(value); ok {
		facts.NativeFinishReason, facts.FinishReason = native, finish(native)
	}
}

// routedModel reads trace.promptRouter.invokedModelId.
func routedModel(trace []byte) (model string) {
	_ = jsonscan.Members(trace, 0, func(key []byte, start, end int) error {
		router := trace[start:end]
		if string(key) != "promptRouter" || router[0] != '{' {
			return nil
		}
		return jsonscan.Members(router, 0, func(key []byte, start, end int) error {
			if string(key) == "invokedModelId" {
				model, _ = jsonscan.String(router[start:end])
			}
			return nil
		})
	})
	return model
}
