package cohere

import (
	"fmt"
	"io"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/tokens"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// stream reads one stream, event by event. message-end has all the facts but the id; [DONE] comes behind it.
type stream struct {
	req   *adapters.RequestContext
	facts *adapters.ProviderResponse
	a     answer
	out   tokens.Meter
	begun bool
	done  bool
}

// NewStreamReader reads the facts of one stream.
func (Dialect) NewStreamReader(req *adapters.RequestContext, facts *adapters.ProviderResponse) adapters.StreamReader {
	return &stream{req: req, facts: facts}
}

// Event reads one event. The type inside the data is the event's own; the name only repeats it.
func (s *stream) Event(name string, data []byte) (adapters.Disposition, error) {
	switch {
	case len(data) == 0:
		return s.quiet(), nil
	case string(data) == "[DONE]":
		return s.last()
	}
	kind, delta, err := s.read(name, data)
	if err != nil {
		return adapters.Failed, s.broken(fmt.Errorf("a stream event is %w", err))
	}
	switch kind {
	case "content-start", "content-delta", "content-end", "tool-plan-delta", "tool-call-start", "tool-call-delta", "tool-call-end",
		"citation-start", "citation-end":
		s.begun = true
		s.out.JSON(delta)
		return adapters.Content, nil
	case "message-end":
		s.begun = true
		return s.ended(delta)
	case "message-start":
		return s.quiet(), nil
	}
	if s.a.isError || kind == "error" { // the envelope of an error in place of an event
		return adapters.Failed, failed(s.facts, "", s.a.failure)
	}
	return s.quiet(), nil // what is newer than this
}

// read finds an event's type and its delta, and takes what stands beside them. The type is returned without garbage.
func (s *stream) read(name string, data []byte) (kind string, delta []byte, err error) {
	kind = name
	_, _, err = jsonscan.Object(data, func(key []byte, start, end int) error {
		value := data[start:end]
		switch string(key) {
		case "type":
			kind = typeOf(value, name)
		case "delta":
			delta = value
		case "index":
		default:
			return s.a.member(data, key, start, end, s.facts)
		}
		return nil
	})
	return kind, delta, err
}

// typeOf is the text of an event's type: the event's name where they agree, as they do, so that none is made.
func typeOf(quoted []byte, name string) string {
	if len(quoted) == len(name)+2 && quoted[0] == '"' && string(quoted[1:len(quoted)-1]) == name {
		return name
	}
	kind, _ := jsonscan.String(quoted)
	return kind
}

// ended takes what message-end says: the answer is whole, or it failed.
func (s *stream) ended(delta []byte) (adapters.Disposition, error) {
	if len(delta) > 0 && delta[0] == '{' {
		err := jsonscan.Members(delta, 0, func(key []byte, start, end int) error {
			return s.a.member(delta, key, start, end, s.facts)
		})
		if err != nil {
			return adapters.Failed, s.broken(err)
		}
	}
	s.complete()
	if s.a.isError {
		return adapters.Failed, failed(s.facts, s.facts.NativeFinishReason, s.a.failure)
	}
	s.facts.Outcome = adapters.OutcomeSuccess
	return adapters.Content, nil
}

// last takes [DONE]. Without a finish reason before it, the stream was cut.
func (s *stream) last() (adapters.Disposition, error) {
	if !s.a.finished {
		return adapters.Failed, s.broken(io.ErrUnexpectedEOF)
	}
	s.done = true
	return adapters.Last, nil
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
	if u := s.a.usage.reported(); u != nil {
		s.facts.Usage, s.facts.Evidence = u, events.EvidenceReported
		return
	}
	s.facts.Evidence = events.EvidenceEstimated
	s.facts.Usage = &events.Usage{OutputTokens: s.out.Tokens()}
}

// End completes the facts. A stream that has given its finish reason has said all, with or without [DONE].
func (s *stream) End() error {
	if s.done || s.a.finished && !s.a.isError {
		return nil
	}
	s.complete()
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
