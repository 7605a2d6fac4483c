package openaichat

import (
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/tokens"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// answer is what is read of an answer, or of one chunk of it.
type answer struct {
	facts    *adapters.ProviderResponse
	text     []byte
	first    bool          // the choice being read is choice 0
	native   string        // finish reason of choice 0
	refused  bool          // choice 0 has a refusal
	content  bool          // something for the reader is in it
	out      *tokens.Meter // counts what is written; nil for a whole answer
	choices  int           // -1: no such member
	hasUsage bool
	failure  *adapters.Error
	tells    bool // there was more than the answer's name: usage, an error
	named    int  // where the choices begin, if nothing before them tells
}

// read takes the facts of a body or a chunk, in one pass.
func (a *answer) read(text []byte) error {
	a.choices, a.text, a.tells, a.named = -1, text, false, 0
	return jsonscan.Document(text, a.member)
}

var choicesKey = []byte("choices")

// readFrom reads a chunk whose beginning, up to its choices, is that of another which was read before.
func (a *answer) readFrom(text []byte, choices int) error {
	a.choices, a.text, a.tells = -1, text, true
	return jsonscan.DocumentFrom(text, choices, choicesKey, a.member)
}

func (a *answer) member(key []byte, start int) (int, error) {
	text := a.text
	switch string(key) {
	case "id":
		if a.facts.ResponseID == "" {
			return a.string(start, &a.facts.ResponseID)
		}
	case "model":
		if a.facts.Model == "" {
			return a.string(start, &a.facts.Model)
		}
	case "choices":
		if a.choices < 0 && !a.tells {
			a.named = start
		}
		a.choices = 0
		if text[start] == '[' {
			return jsonscan.WalkArray(text, start, a.choice)
		}
	case "data": // embeddings
		a.choices, a.content = 0, true
	case "usage":
		a.tells = true
		return a.usageAt(start)
	case "x_groq":
		a.tells = true
		if text[start] == '{' {
			return jsonscan.Walk(text, start, func(key []byte, start int) (int, error) {
				if string(key) == "usage" {
					return a.usageAt(start)
				}
				return 0, nil
			})
		}
	case "error":
		a.tells = true
		end, err := jsonscan.Skip(text, start)
		if err == nil && (text[start] == '{' || text[start] == '"') {
			a.failure = readError(text[start:end], a.facts)
		}
		return end, err
	}
	return 0, nil
}

// string reads a string; what is none is skipped.
func (a *answer) string(start int, into *string) (int, error) {
	end, err := jsonscan.Skip(a.text, start)
	if err == nil {
		if s, ok := jsonscan.String(a.text[start:end]); ok {
			*into = s
		}
	}
	return end, err
}

func (a *answer) usageAt(start int) (int, error) {
	end, err := jsonscan.Skip(a.text, start)
	if err == nil && a.text[start] == '{' {
		a.usage(a.text[start:end])
	}
	return end, err
}

func (a *answer) usage(value []byte) {
	if u, ok := readUsage(value); ok {
		a.facts.Usage, a.facts.Evidence, a.hasUsage = u, events.EvidenceReported, true
	}
}

// choice reads one choice: its delta or message, and why it ended.
func (a *answer) choice(start int) (int, error) {
	a.first = a.choices == 0
	a.choices++
	if a.text[start] != '{' {
		return 0, nil
	}
	return jsonscan.Walk(a.text, start, a.choiceMember)
}

func (a *answer) choiceMember(key []byte, start int) (int, error) {
	switch string(key) {
	case "delta", "message":
		if a.text[start] == '{' {
			return jsonscan.Walk(a.text, start, a.part)
		}
	case "index", "finish_reason", "text":
		end, err := jsonscan.Skip(a.text, start)
		if err != nil {
			return 0, err
		}
		switch value := a.text[start:end]; string(key) {
		case "index":
			a.first = string(value) == "0"
		case "text":
			a.piece("content", value)
		default:
			if native, ok := jsonscan.String(value); ok && native != "" {
				a.content = true
				if a.first || a.native == "" {
					a.native = native
				}
			}
		}
		return end, nil
	}
	return 0, nil
}

// part reads one member of a delta or message.
func (a *answer) part(key []byte, start int) (int, error) {
	end, err := jsonscan.Skip(a.text, start)
	if err == nil {
		a.piece(string(key), a.text[start:end])
	}
	return end, err
}

// piece takes account of one.
func (a *answer) piece(name string, value []byte) {
	switch name {
	case "role", "annotations":
		return
	case "refusal":
		if value[0] == '"' && len(value) > 2 && a.first {
			a.refused = true
		}
	}
	switch {
	case string(value) == "null", string(value) == `""`, string(value) == "[]", string(value) == "{}":
	default:
		a.content = true
		if a.out != nil {
			a.out.JSON(value)
		}
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
		facts.Usage = &events.Usage{} // the invoker has the texts
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
