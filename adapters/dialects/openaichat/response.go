package openaichat

import (
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// answer is what is read of an answer, or of one chunk of it.
type answer struct {
	facts    *adapters.ProviderResponse
	native   string // finish reason of choice 0
	refused  bool   // choice 0 has a refusal
	content  bool   // something for the reader is in it
	bytes    int    // how much text
	choices  int    // -1: no such member
	hasUsage bool
	failure  *adapters.Error
}

// read takes the facts of a body or a chunk.
func (a *answer) read(text []byte) error {
	a.choices = -1
	_, _, err := jsonscan.Object(text, func(key []byte, start, end int) error {
		value := text[start:end]
		switch string(key) {
		case "id":
			if a.facts.ResponseID == "" {
				a.facts.ResponseID, _ = jsonscan.String(value)
			}
		case "model":
			if a.facts.Model == "" {
				a.facts.Model, _ = jsonscan.String(value)
			}
		case "choices":
			a.choices = 0
			if value[0] == '[' {
				return jsonscan.Elements(text, start, func(start, end int) error { return a.choice(text[start:end]) })
			}
		case "data": // embeddings
			a.choices, a.content = 0, true
		case "usage":
			if value[0] == '{' {
				a.usage(value)
			}
		case "x_groq":
			if value[0] == '{' {
				return jsonscan.Members(text, start, func(key []byte, start, end int) error {
					if string(key) == "usage" && text[start] == '{' {
						a.usage(text[start:end])
					}
					return nil
				})
			}
		case "error":
			if value[0] == '{' || value[0] == '"' {
				a.failure = readError(value, a.facts)
			}
		}
		return nil
	})
	return err
}

func (a *answer) usage(value []byte) {
	if u, ok := readUsage(value); ok {
		a.facts.Usage, a.facts.Evidence, a.hasUsage = u, events.EvidenceReported, true
	}
}

// choice reads one choice: its delta or message, and why it ended.
func (a *answer) choice(text []byte) error {
	first := a.choices == 0
	a.choices++
	if len(text) == 0 || text[0] != '{' {
		return nil
	}
	return jsonscan.Members(text, 0, func(key []byte, start, end int) error {
		value := text[start:end]
		switch string(key) {
		case "index":
			first = string(value) == "0"
		case "finish_reason":
			if native, ok := jsonscan.String(value); ok && native != "" {
				a.content = true
				if first || a.native == "" {
					a.native = native
				}
			}
		case "delta", "message":
			if value[0] == '{' {
				return jsonscan.Members(text, start, func(key []byte, start, end int) error {
					a.part(string(key), text[start:end], first)
					return nil
				})
			}
		case "text":
			a.part("content", value, first)
		}
		return nil
	})
}

// part reads one member of a delta or message.
func (a *answer) part(name string, value []byte, first bool) {
	switch name {
	case "role", "annotations":
		return
	case "refusal":
		if value[0] == '"' && len(value) > 2 && first {
			a.refused = true
		}
	}
	switch {
	case string(value) == "null", string(value) == `""`, string(value) == "[]", string(value) == "{}":
	default:
		a.content = true
		a.bytes += len(value)
	}
}

// settle gives the facts their finish reason.
func (a *answer) settle() {
	if a.native == "" {
		return
	}
	a.facts.NativeFinishReason = a.native
	a.facts.FinishReason = finish(a.native)
	if a.refused && a.facts.FinishReason == events.FinishStop {
		a.facts.FinishReason = events.FinishRefusal
	}
}

// ReadAnswer reads a buffered answer.
func (Dialect) ReadAnswer(op adapters.Operation, body []byte, facts *adapters.ProviderResponse) error {
	a := answer{facts: facts}
	if err := a.read(body); err != nil {
		return err
	}
	if a.failure != nil {
		return nil // an error inside a 2xx: the facts say what it means
	}
	if a.choices < 0 {
		return adapters.Errorf(adapters.CodeUpstreamError, "the provider's answer is not a %s", op)
	}
	facts.Outcome = adapters.OutcomeSuccess
	a.settle()
	if facts.Usage == nil {
		facts.Evidence = events.EvidenceEstimated
		facts.Usage = &events.Usage{OutputTokens: uint64(a.bytes+3) / 4}
	}
	return nil
}

// readError reads an error object that came where an answer should be, and says in the facts what it means.
func readError(value []byte, facts *adapters.ProviderResponse) *adapters.Error {
	var message, kind, code string
	if value[0] == '"' {
		message, _ = jsonscan.String(value)
	} else {
		_ = jsonscan.Members(value, 0, func(key []byte, start, end int) error {
			text, ok := jsonscan.String(value[start:end])
			if !ok {
				text = string(value[start:end])
			}
			switch string(key) {
			case "message":
				message = text
			case "type":
				kind = text
			case "code", "status":
				if text != "null" {
					code = text
				}
			}
			return nil
		})
	}
	facts.Outcome, facts.ErrorClass = classify(kind, code)
	status := adapters.CodeUpstreamError
	if facts.ErrorClass == events.ErrorRateLimited {
		status = adapters.CodeRateLimited
	}
	return &adapters.Error{Code: status, Message: message}
}

// classify says what an error's type and code mean. They stand where no status does.
func classify(kind, code string) (adapters.Outcome, events.ErrorClass) {
	word := strings.ToLower(kind + " " + code)
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(word, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("content_filter", "content_policy"):
		return adapters.OutcomeTerminal, events.ErrorContentFilter
	case has("insufficient_quota", "billing", "authentication", "invalid_api_key", "permission", "401", "402", "403"):
		return adapters.OutcomeRetryable, events.ErrorCredential
	case has("rate_limit", "too_many_requests", "429", "tokens", "requests") && !has("invalid_request"):
		return adapters.OutcomeRetryable, events.ErrorRateLimited
	case has("not_found", "404"):
		return adapters.OutcomeTerminal, events.ErrorNotFound
	case has("invalid", "context_length", "400", "422", "413"):
		return adapters.OutcomeTerminal, events.ErrorInvalidRequest
	}
	return adapters.OutcomeRetryable, events.ErrorOverloaded
}
