package gemini

import (
	"fmt"
	"io"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/tokens"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonarray"
	"github.com/tollhouse/tollhouse/events"
)

// stream reads one stream, chunk by chunk.
//
// Server-sent events have no last one: every chunk may be followed by another with a higher count, also behind a finish reason, so
// the facts are final when the body has ended. An array ends with its bracket.
type stream struct {
	req   *adapters.RequestContext
	a     answer
	out   tokens.Meter
	begun bool // content has gone out
	array bool // the stream is an array
	done  bool // its bracket was seen
}

// NewStreamReader reads the facts of one stream.
func (Dialect) NewStreamReader(req *adapters.RequestContext, facts *adapters.ProviderResponse) adapters.StreamReader {
	s := &stream{req: req, a: answer{facts: facts}}
	s.a.out = &s.out
	return s
}

// Event reads one chunk.
func (s *stream) Event(name string, data []byte) (adapters.Disposition, error) {
	switch name {
	case jsonarray.Element:
		s.array = true
	case jsonarray.Close:
		s.array = true
		if !s.a.whole() {
			return adapters.Failed, s.broken(io.ErrUnexpectedEOF)
		}
		s.done = true
		s.complete()
		return adapters.Last, nil
	}
	if len(data) == 0 {
		return s.quiet(), nil
	}
	if err := s.a.read(data); err != nil {
		return adapters.Failed, s.broken(fmt.Errorf("a stream event is %w", err))
	}
	if s.a.failure != nil {
		return adapters.Failed, s.a.failure
	}
	if s.a.usage.counted { // for who asks in the meantime
		if s.a.facts.Usage == nil {
			s.a.facts.Usage = &events.Usage{}
		}
		s.a.usage.into(s.a.facts.Usage)
		s.a.facts.Evidence = events.EvidencePartial
	}
	s.begun = s.begun || s.a.content
	return s.quiet(), nil
}

// quiet is what becomes of an event without content: held until content has gone out.
func (s *stream) quiet() adapters.Disposition {
	if s.begun {
		return adapters.Content
	}
	return adapters.Opening
}

// complete gives the facts of a whole stream their usage.
func (s *stream) complete() {
	f := s.a.facts
	f.Outcome = adapters.OutcomeSuccess
	if s.a.usage.seen {
		f.Usage, f.Evidence = s.a.usage.canonical(), events.EvidenceReported
		return
	}
	s.estimate()
}

func (s *stream) estimate() {
	s.a.facts.Evidence = events.EvidenceEstimated
	s.a.facts.Usage = &events.Usage{OutputTokens: s.out.Tokens()}
}

// End completes the facts. A stream of events is whole where each candidate has given its finish reason.
func (s *stream) End() error {
	switch {
	case s.done:
		return nil
	case s.a.failure == nil && s.a.whole() && !s.array:
		s.done = true
		s.complete()
		return nil
	case s.a.usage.counted: // the last count came before the last content
		s.a.facts.Usage, s.a.facts.Evidence = s.a.usage.canonical(), events.EvidencePartial
		s.a.facts.Usage.OutputTokens = max(s.a.facts.Usage.OutputTokens, s.out.Tokens())
	default:
		s.estimate()
	}
	return s.broken(io.ErrUnexpectedEOF)
}

func (s *stream) broken(cause error) error {
	f := s.a.facts
	if f.ErrorClass == "" {
		f.Outcome, f.ErrorClass = adapters.OutcomeRetryable, events.ErrorMalformedResponse
	}
	return &adapters.Error{
		Code: adapters.CodeUpstreamError, Message: "the provider's stream ended before its answer did", Cause: cause,
	}
}
