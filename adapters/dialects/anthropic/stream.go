package anthropic

import (
	"fmt"
	"io"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/tokens"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// stream reads one stream, event by event.
type stream struct {
	req   *adapters.RequestContext
	facts *adapters.ProviderResponse
	usage usage
	out   tokens.Meter
	begun bool
	ended bool // message_delta gave the last count
	done  bool
}

// NewStreamReader reads the facts of one stream.
func (Dialect) NewStreamReader(req *adapters.RequestContext, facts *adapters.ProviderResponse) adapters.StreamReader {
	return &stream{req: req, facts: facts}
}

// Event reads one event. The type inside the data is the event's own; the name only repeats it.
func (s *stream) Event(name string, data []byte) (adapters.Disposition, error) {
	if len(data) == 0 {
		return s.quiet(), nil
	}
	kind := name
	var inner [2]int // the message, delta or error object
	var usageAt [2]int
	_, _, err := jsonscan.Object(data, func(key []byte, start, end int) error {
		switch string(key) {
		case "type":
			kind = typeOf(data[start:end], name)
		case "message", "delta", "error":
			inner = [2]int{start, end}
		case "usage":
			usageAt = [2]int{start, end}
		}
		return nil
	})
	if err != nil {
		return adapters.Failed, s.broken(fmt.Errorf("a stream event is %w", err))
	}
	object := data[inner[0]:inner[1]]
	switch kind {
	case "message_start":
		if len(object) > 0 && object[0] == '{' {
			_, _, err = message(object, 0, s.facts, &s.usage)
		}
		return s.quiet(), err
	case "message_delta":
		s.begun, s.ended = true, true
		if len(object) > 0 && object[0] == '{' {
			if _, _, err := message(object, 0, s.facts, &s.usage); err != nil {
				return adapters.Failed, err
			}
		}
		return adapters.Content, s.usage.merge(data[usageAt[0]:usageAt[1]])
	case "message_stop":
		s.done = true
		s.complete()
		s.facts.Outcome = adapters.OutcomeSuccess
		return adapters.Last, nil
	case "error":
		if len(object) == 0 || object[0] != '{' {
			object = []byte("{}")
		}
		return adapters.Failed, readError(object, s.facts)
	case "content_block_start", "content_block_delta", "content_block_stop":
		s.begun = true
		s.out.JSON(object)
		return adapters.Content, nil
	}
	return s.quiet(), nil // ping, and what is newer than this
}

// typeOf is the text of an event's type: the event's name where they agree, as they do, so that none is made.
func typeOf(quoted []byte, name string) string {
	if len(quoted) == len(name)+2 && string(quoted[1:len(quoted)-1]) == name {
		return name
	}
	kind, _ := jsonscan.String(quoted)
	return kind
}

// quiet is what becomes of an event without content: held until content has gone out.
func (s *stream) quiet() adapters.Disposition {
	if s.begun {
		return adapters.Content
	}
	return adapters.Opening
}

// complete gives the facts their usage, with its evidence.
func (s *stream) complete() {
	f := s.facts
	switch {
	case s.usage.seen && s.ended:
		f.Usage, f.Evidence = s.usage.canonical(), events.EvidenceReported
	case s.usage.seen: // message_start has the input; the output is what came
		s.usage.output = max(s.usage.output, s.out.Tokens())
		f.Usage, f.Evidence = s.usage.canonical(), events.EvidencePartial
	default:
		f.Evidence = events.EvidenceEstimated
		f.Usage = &events.Usage{OutputTokens: s.out.Tokens()}
	}
}

// End completes the facts. Only message_stop ends a stream well.
func (s *stream) End() error {
	if s.done {
		return nil
	}
	s.complete()
	if s.facts.Evidence == events.EvidenceReported {
		s.facts.Evidence = events.EvidencePartial
	}
	return s.broken(io.ErrUnexpectedEOF)
}

func (s *stream) broken(cause error) error {
	if s.facts.ErrorClass == "" {
		s.facts.Outcome, s.facts.ErrorClass = adapters.OutcomeRetryable, events.ErrorMalformedResponse
	}
	return &adapters.Error{
		Code: adapters.CodeUpstreamError, Message: "the provider's stream ended before its answer did", Cause: cause,
	}
}
