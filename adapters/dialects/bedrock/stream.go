package bedrock

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
	req     *adapters.RequestContext
	facts   *adapters.ProviderResponse
	usage   usage
	out     tokens.Meter
	begun   bool
	stopped bool // messageStop: the answer is whole, its usage still to come
	done    bool
}

// NewStreamReader reads the facts of one stream.
func (Dialect) NewStreamReader(req *adapters.RequestContext, facts *adapters.ProviderResponse) adapters.StreamReader {
	return &stream{req: req, facts: facts}
}

// Event reads one event or exception.
func (s *stream) Event(name string, data []byte) (adapters.Disposition, error) {
	if isException(name) {
		return adapters.Failed, exception(name, data, s.facts)
	}
	var err error
	_, _, scanErr := jsonscan.Object(data, func(key []byte, start, end int) error {
		value := data[start:end]
		switch string(key) {
		case "delta", "start":
			s.out.JSON(value) // the member p beside it only pads the frame, to hide how long the text is
		case "stopReason":
			readStop(value, s.facts)
		case "usage":
			s.usage, err = readUsage(value)
		case "trace":
			s.facts.Model = routedModel(value)
		}
		return err
	})
	if scanErr != nil {
		return adapters.Failed, s.broken(fmt.Errorf("a stream event is %w", scanErr))
	}
	switch name {
	case "contentBlockStart", "contentBlockDelta", "contentBlockStop":
		s.begun = true
		return adapters.Content, nil
	case "messageStop":
		s.begun, s.stopped = true, true
		return adapters.Content, nil
	case "metadata":
		s.done = true
		s.complete()
		s.facts.Outcome = adapters.OutcomeSuccess
		return adapters.Last, nil
	}
	if s.begun {
		return adapters.Content, nil
	}
	return adapters.Opening, nil // messageStart, and what is newer than this
}

// complete gives the facts their usage, with its evidence.
func (s *stream) complete() {
	if s.usage.seen {
		s.facts.Usage, s.facts.Evidence = s.usage.canonical(), events.EvidenceReported
		return
	}
	s.facts.Evidence = events.EvidenceEstimated
	s.facts.Usage = &events.Usage{OutputTokens: s.out.Tokens()}
}

// End completes the facts. Usage comes behind the answer's end: a stream that loses it there has still answered, and its usage is
// estimated.
func (s *stream) End() error {
	if s.done {
		return nil
	}
	s.complete()
	if s.stopped && s.facts.ErrorClass == "" {
		s.facts.Outcome = adapters.OutcomeSuccess
		return nil
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
