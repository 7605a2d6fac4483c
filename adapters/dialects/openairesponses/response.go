package openairesponses

import (
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// answer is what is read of a response object, whole or as a stream's events hold it.
type answer struct {
	facts   *adapters.ProviderResponse
	end     ending
	items   bool // it has an output
	written int  // bytes that the model wrote, for an estimate
	failed  bool // it holds an error
	code    string
	message string
}

// read takes the facts of a response object in one pass.
func (a *answer) read(text []byte) error {
	return jsonscan.Document(text, func(key []byte, start int) (int, error) { return a.member(text, key, start) })
}

// member reads one member of a response object.
func (a *answer) member(text, key []byte, start int) (int, error) {
	end, err := jsonscan.Skip(text, start)
	if err != nil {
		return 0, err
	}
	value := text[start:end]
	switch string(key) {
	case "id":
		set(&a.facts.ResponseID, value)
	case "model":
		set(&a.facts.Model, value)
	case "status":
		set(&a.end.status, value)
	case "incomplete_details":
		if value[0] == '{' {
			err = jsonscan.Members(value, 0, func(key []byte, start, end int) error {
				if string(key) == "reason" {
					set(&a.end.reason, value[start:end])
				}
				return nil
			})
		}
	case "output":
		if value[0] == '[' {
			a.items, a.written = true, 0
			err = jsonscan.Elements(value, 0, func(start, end int) error { return a.item(value[start:end]) })
		}
	case "usage":
		if value[0] == '{' {
			if u, ok := readUsage(value); ok {
				a.facts.Usage, a.facts.Evidence = u, events.EvidenceReported
			}
		}
	case "error":
		a.failure(value)
	}
	return end, err
}

// set keeps a string; what is none changes nothing.
func set(into *string, value []byte) {
	if s, ok := jsonscan.String(value); ok && s != "" {
		*into = s
	}
}

// item reads what one item of the output means for the end, and how much was written in it.
func (a *answer) item(value []byte) error {
	if value[0] != '{' {
		return nil
	}
	return jsonscan.Members(value, 0, func(key []byte, start, end int) error {
		inner := value[start:end]
		switch string(key) {
		case "type":
			if kind, ok := jsonscan.String(inner); ok && clientTool(kind) {
				a.end.calls = true
			}
		case "arguments", "input", "name":
			a.written += textLength(inner)
		case "content", "summary":
			if inner[0] == '[' {
				return jsonscan.Elements(inner, 0, func(start, end int) error { return a.content(inner[start:end]) })
			}
		}
		return nil
	})
}

// content reads one part of a message or of what was reasoned.
func (a *answer) content(value []byte) error {
	if value[0] != '{' {
		return nil
	}
	return jsonscan.Members(value, 0, func(key []byte, start, end int) error {
		switch string(key) {
		case "text":
			a.written += textLength(value[start:end])
		case "refusal":
			n := textLength(value[start:end])
			a.written += n
			a.end.refuse = a.end.refuse || n > 0
		}
		return nil
	})
}

func textLength(value []byte) int {
	if value[0] != '"' {
		return 0
	}
	return len(value) - len(`""`)
}

// failure takes an error: an object, or as xAI writes one, a text.
func (a *answer) failure(value []byte) {
	switch value[0] {
	case '"':
		a.failed = true
		a.message, _ = jsonscan.String(value)
	case '{':
		a.failed = true
		kind := ""
		_ = jsonscan.Members(value, 0, func(key []byte, start, end int) error {
			switch string(key) {
			case "message":
				set(&a.message, value[start:end])
			case "code":
				if a.code = ""; value[start] != '"' && value[start] != 'n' {
					a.code = string(value[start:end])
				}
				set(&a.code, value[start:end])
			case "type":
				set(&kind, value[start:end])
			}
			return nil
		})
		if a.code == "" {
			a.code = kind
		}
	}
}

// settle gives the facts their finish reason.
func (a *answer) settle() {
	a.facts.NativeFinishReason, a.facts.FinishReason = a.end.native(), a.end.finish()
}

// fail says in the facts what the error means, and returns it for the client.
func (a *answer) fail() *adapters.Error {
	a.facts.Outcome, a.facts.ErrorClass = classify(a.code)
	e := &adapters.Error{Code: adapters.CodeUpstreamError, Message: a.message}
	if a.facts.ErrorClass == events.ErrorRateLimited {
		e.Code = adapters.CodeRateLimited
	}
	if e.Message == "" {
		e.Message = "the provider ended its answer with an error"
	}
	return e
}

// ReadAnswer reads a buffered answer. What asks for a stored response uses nothing: its usage was counted when it was made.
func (Dialect) ReadAnswer(op adapters.Operation, body []byte, facts *adapters.ProviderResponse) error {
	a := answer{facts: facts}
	if err := a.read(body); err != nil {
		return err
	}
	a.settle()
	if op == adapters.OperationStored {
		facts.Usage, facts.Evidence = nil, events.EvidenceNone
		facts.Outcome = adapters.OutcomeSuccess
		return nil
	}
	if a.failed || a.end.status == "failed" {
		a.fail()
		return nil // an error inside a 2xx: the facts say what it means
	}
	if !a.items {
		return adapters.Errorf(adapters.CodeUpstreamError, "the provider's answer is not a response")
	}
	facts.Outcome = adapters.OutcomeSuccess
	if facts.Usage == nil {
		facts.Evidence = events.EvidenceEstimated
		facts.Usage = &events.Usage{OutputTokens: uint64(a.written+3) / 4}
	}
	return nil
}
