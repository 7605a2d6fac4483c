package anthropic

import (
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// usage is Anthropic's count, merged by field: one that is missing never erases one that came before.
// input excludes what was read from and written to the cache.
type usage struct {
	input, output, cacheRead, cacheWrite, cacheWrite5m, cacheWrite1h, thinking uint64
	units                                                                      map[string]uint64
	seen, seenOutput                                                           bool
}

func (u *usage) merge(text []byte) error {
	if len(text) == 0 || text[0] != '{' {
		return nil
	}
	return jsonscan.Members(text, 0, func(key []byte, start, end int) error {
		value := text[start:end]
		n, isNumber := jsonscan.Uint(value)
		set := func(count *uint64) {
			if isNumber {
				*count, u.seen = n, true
			}
		}
		switch string(key) {
		case "input_tokens":
			set(&u.input)
		case "output_tokens":
			set(&u.output)
			u.seenOutput = u.seenOutput || isNumber
		case "cache_read_input_tokens":
			set(&u.cacheRead)
		case "cache_creation_input_tokens":
			set(&u.cacheWrite)
		case "cache_creation":
			return counts(value, func(name string, n uint64) {
				switch name {
				case "ephemeral_5m_input_tokens":
					u.cacheWrite5m = n
				case "ephemeral_1h_input_tokens":
					u.cacheWrite1h = n
				}
			})
		case "output_tokens_details":
			return counts(value, func(name string, n uint64) {
				if name == "thinking_tokens" {
					u.thinking = n
				}
			})
		case "server_tool_use":
			return counts(value, func(name string, n uint64) {
				if n > 0 {
					if u.units == nil {
						u.units = map[string]uint64{}
					}
					u.units[name] = n
				}
			})
		}
		return nil
	})
}

func counts(text []byte, count func(name string, n uint64)) error {
	if len(text) == 0 || text[0] != '{' {
		return nil
	}
	return jsonscan.Members(text, 0, func(key []byte, start, end int) error {
		if n, ok := jsonscan.Uint(text[start:end]); ok {
			count(string(key), n)
		}
		return nil
	})
}

// canonical makes the totals inclusive.
func (u *usage) canonical() *events.Usage {
	written := max(u.cacheWrite, u.cacheWrite5m+u.cacheWrite1h)
	c := &events.Usage{
		InputTokens: u.input + u.cacheRead + written, CacheReadTokens: u.cacheRead, CacheWriteTokens: written,
		CacheWrite1hTokens: u.cacheWrite1h, OutputTokens: u.output, ReasoningTokens: u.thinking, OtherUnits: u.units,
	}
	c.Normalize()
	return c
}

// finish is the canonical reason for Anthropic's word.
func finish(native string) events.FinishReason {
	switch native {
	case "":
		return ""
	case "end_turn", "stop_sequence":
		return events.FinishStop
	case "max_tokens", "model_context_window_exceeded":
		return events.FinishLength
	case "tool_use":
		return events.FinishToolCalls
	case "refusal":
		return events.FinishRefusal
	case "pause_turn":
		return events.FinishPause
	}
	return events.FinishOther
}

// message takes the facts of a message object: a whole answer, or what opens a stream.
func message(text []byte, start int, facts *adapters.ProviderResponse, u *usage) (isMessage bool, failure *adapters.Error, err error) {
	err = jsonscan.Members(text, start, func(key []byte, start, end int) error {
		value := text[start:end]
		switch string(key) {
		case "id":
			facts.ResponseID, _ = jsonscan.String(value)
		case "model":
			facts.Model, _ = jsonscan.String(value)
		case "content":
			isMessage = true
		case "stop_reason":
			if native, ok := jsonscan.String(value); ok {
				facts.NativeFinishReason, facts.FinishReason = native, finish(native)
			}
		case "usage":
			return u.merge(value)
		case "input_tokens": // count_tokens
			isMessage = true
		case "error":
			if value[0] == '{' {
				failure = readError(value, facts)
			}
		}
		return nil
	})
	return isMessage, failure, err
}

// ReadAnswer reads a buffered answer.
func (Dialect) ReadAnswer(op adapters.Operation, body []byte, facts *adapters.ProviderResponse) error {
	start, _, err := jsonscan.Object(body, nil)
	if err != nil {
		return err
	}
	var u usage
	isMessage, failure, err := message(body, start, facts, &u)
	if err != nil || failure != nil {
		return err
	}
	if !isMessage {
		return adapters.Errorf(adapters.CodeUpstreamError, "the provider's answer is not a message")
	}
	facts.Outcome = adapters.OutcomeSuccess
	switch {
	case op == adapters.OperationCountTokens:
		facts.Evidence = events.EvidenceNone // counting costs nothing
	case u.seen:
		facts.Usage, facts.Evidence = u.canonical(), events.EvidenceReported
	default:
		facts.Evidence = events.EvidenceEstimated
		facts.Usage = &events.Usage{} // the invoker has the texts
	}
	return nil
}

// readError reads Anthropic's error object and says in the facts what it means.
func readError(value []byte, facts *adapters.ProviderResponse) *adapters.Error {
	var kind, text string
	_ = jsonscan.Members(value, 0, func(key []byte, start, end int) error {
		switch string(key) {
		case "type":
			kind, _ = jsonscan.String(value[start:end])
		case "message":
			text, _ = jsonscan.String(value[start:end])
		}
		return nil
	})
	facts.Outcome, facts.ErrorClass = classify(kind)
	code := adapters.CodeUpstreamError
	switch facts.ErrorClass {
	case events.ErrorRateLimited:
		code = adapters.CodeRateLimited
	case events.ErrorOverloaded:
		code = adapters.CodeOverloaded
	}
	return &adapters.Error{Code: code, Message: text}
}

func classify(kind string) (adapters.Outcome, events.ErrorClass) {
	switch kind {
	case "rate_limit_error":
		return adapters.OutcomeRetryable, events.ErrorRateLimited
	case "authentication_error", "permission_error", "billing_error":
		return adapters.OutcomeRetryable, events.ErrorCredential
	case "invalid_request_error", "request_too_large":
		return adapters.OutcomeTerminal, events.ErrorInvalidRequest
	case "not_found_error":
		return adapters.OutcomeTerminal, events.ErrorNotFound
	case "timeout_error":
		return adapters.OutcomeRetryable, events.ErrorTimeout
	}
	return adapters.OutcomeRetryable, events.ErrorOverloaded // overloaded_error, api_error
}
