package gemini

import (
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/tokens"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// answer gathers the facts of an answer, whole or chunk by chunk.
type answer struct {
	facts   *adapters.ProviderResponse
	usage   usage
	calls   bool          // the first candidate calls a function
	blocked bool          // the prompt was
	out     *tokens.Meter // counts what is written; nil for a whole answer
	begun   uint64        // a bit for each candidate that was seen
	ended   uint64        // and for each that has its finish reason

	// Of what was read last:
	recognized bool // it is an answer
	content    bool // it has parts, or an end
	failure    *adapters.Error
}

// read takes the facts of one object: a whole answer, or a stream's chunk.
func (a *answer) read(text []byte) error {
	a.recognized, a.content, a.failure = false, false, nil
	_, _, err := jsonscan.Object(text, func(key []byte, start, end int) error {
		value := text[start:end]
		switch string(key) {
		case "responseId":
			same(&a.facts.ResponseID, value)
		case "modelVersion":
			same(&a.facts.Model, value)
		case "candidates":
			a.recognized = true
			return each(value, a.candidate)
		case "promptFeedback":
			a.recognized = true
			return a.feedback(value)
		case "usageMetadata":
			a.recognized = true
			return a.usage.take(value)
		case "totalTokens": // of countTokens
			a.recognized = true
		case "embedding", "embeddings":
			a.recognized = true
		case "error":
			a.failure = failure(value, a.facts)
		}
		return nil
	})
	return err
}

// same reads a string that every chunk repeats, and makes it once.
func same(into *string, quoted []byte) {
	if len(quoted) != len(*into)+2 || string(quoted[1:len(quoted)-1]) != *into {
		*into, _ = jsonscan.String(quoted)
	}
}

// each visits the objects of an array.
func each(list []byte, visit func(object []byte) error) error {
	if list[0] != '[' {
		return nil
	}
	return jsonscan.Elements(list, 0, func(start, end int) error {
		if list[start] != '{' {
			return nil
		}
		return visit(list[start:end])
	})
}

// candidate reads one of the answer's candidates. The first one's finish reason is the answer's.
func (a *answer) candidate(text []byte) error {
	var index uint64
	var native string
	calls := false
	err := jsonscan.Members(text, 0, func(key []byte, start, end int) error {
		value := text[start:end]
		switch string(key) {
		case "index":
			index, _ = jsonscan.Uint(value)
		case "finishReason":
			native, _ = jsonscan.String(value)
		case "content":
			return a.parts(value, &calls)
		}
		return nil
	})
	bit := uint64(1) << min(index, 63)
	a.begun |= bit
	if native != "" {
		a.ended |= bit
		a.content = true
	}
	if index == 0 {
		a.calls = a.calls || calls
		if native != "" {
			a.facts.NativeFinishReason, a.facts.FinishReason = native, finish(native, a.calls)
		}
	}
	return err
}

func (a *answer) parts(content []byte, calls *bool) error {
	if content[0] != '{' {
		return nil
	}
	return jsonscan.Members(content, 0, func(key []byte, start, end int) error {
		if string(key) != "parts" {
			return nil
		}
		list := content[start:end]
		return each(list, func(part []byte) error {
			a.content = true
			if a.out != nil {
				a.out.JSON(part)
			}
			return jsonscan.Members(part, 0, func(key []byte, _, _ int) error {
				*calls = *calls || string(key) == "functionCall"
				return nil
			})
		})
	})
}

// feedback reads why a prompt was blocked: then there are no candidates.
func (a *answer) feedback(text []byte) error {
	if text[0] != '{' {
		return nil
	}
	return jsonscan.Members(text, 0, func(key []byte, start, end int) error {
		if string(key) != "blockReason" {
			return nil
		}
		if native, ok := jsonscan.String(text[start:end]); ok && native != "" {
			a.blocked, a.content = true, true
			a.facts.NativeFinishReason, a.facts.FinishReason = native, events.FinishContentFilter
		}
		return nil
	})
}

// whole reports whether every candidate that was begun has its finish reason, or the prompt was blocked.
func (a *answer) whole() bool {
	return a.blocked || a.begun != 0 && a.begun&^a.ended == 0
}

// ReadAnswer reads a buffered answer.
func (Dialect) ReadAnswer(op adapters.Operation, body []byte, facts *adapters.ProviderResponse) error {
	a := answer{facts: facts}
	if err := a.read(body); err != nil {
		return err
	}
	if a.failure != nil {
		return nil // the facts say what it means
	}
	if !a.recognized {
		return adapters.Errorf(adapters.CodeUpstreamError, "the provider's answer is not one of generateContent")
	}
	facts.Outcome = adapters.OutcomeSuccess
	switch {
	case op == adapters.OperationCountTokens:
		facts.Evidence = events.EvidenceNone // counting costs nothing
	case a.usage.seen:
		facts.Usage, facts.Evidence = a.usage.canonical(), events.EvidenceReported
	default:
		facts.Evidence = events.EvidenceEstimated
		facts.Usage = &events.Usage{} // the invoker has the texts
	}
	return nil
}
