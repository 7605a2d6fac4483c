package openaichat

import (
	"fmt"
	"io"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/tokens"
	"github.com/tollhouse/tollhouse/events"
)

// stream reads one stream, chunk by chunk.
type stream struct {
	req   *adapters.RequestContext
	a     answer
	out   tokens.Meter
	begun bool
	done  bool
	name  []byte // the beginning of the last chunk, up to its choices: id, model and the like, which are the same in all
}

// NewStreamReader reads the facts of one stream.
func (Dialect) NewStreamReader(req *adapters.RequestContext, facts *adapters.ProviderResponse) adapters.StreamReader {
	s := &stream{req: req, a: answer{facts: facts}}
	s.a.out = &s.out
	return s
}

// Event reads one chunk.
func (s *stream) Event(name string, data []byte) (adapters.Disposition, error) {
	if len(data) == 0 {
		return adapters.Opening, nil // a comment, a blank line
	}
	if string(data) == "[DONE]" {
		s.done = true
		s.complete()
		return adapters.Last, nil
	}
	s.a.content, s.a.hasUsage, s.a.failure = false, false, nil
	if err := s.read(data); err != nil {
		return adapters.Failed, malformed(s.a.facts, fmt.Errorf("a stream event is %w", err))
	}
	if s.a.failure == nil && name == "error" {
		s.a.failure = readError([]byte(`{}`), s.a.facts)
	}
	if s.a.failure != nil {
		return adapters.Failed, s.a.failure
	}
	s.a.settle()
	s.begun = s.begun || s.a.content
	switch {
	case s.a.choices == 0 && s.a.hasUsage && !s.req.IncludeUsage:
		return adapters.Drop, nil // we asked for it, the client did not
	case s.a.content:
		return adapters.Content, nil
	case s.begun:
		return adapters.Content, nil // nothing is held any more
	}
	return adapters.Opening, nil
}

// read reads a chunk, but what was read before.
func (s *stream) read(data []byte) error {
	if n := len(s.name); n > 0 && len(data) > n && string(data[:n]) == string(s.name) {
		return s.a.readFrom(data, n)
	}
	err := s.a.read(data)
	if s.name = s.name[:0]; s.a.named <= maxName {
		s.name = append(s.name, data[:s.a.named]...)
	}
	return err
}

// maxName bounds what is kept of a chunk.
const maxName = 1 << 10

// complete gives the facts a usage where the provider sent none.
func (s *stream) complete() {
	f := s.a.facts
	f.Outcome = adapters.OutcomeSuccess
	if f.Usage == nil {
		f.Evidence = events.EvidenceEstimated
		f.Usage = &events.Usage{OutputTokens: s.out.Tokens()}
	}
}

// End completes the facts. A stream that has given its finish reason has said all, with or without [DONE].
func (s *stream) End() error {
	if s.done {
		return nil
	}
	f := s.a.facts
	if f.NativeFinishReason != "" && f.Outcome != adapters.OutcomeRetryable {
		s.complete()
		return nil
	}
	outcome := f.Outcome
	s.complete()
	f.Outcome = outcome
	if f.Evidence == events.EvidenceReported {
		f.Evidence = events.EvidencePartial
	}
	return malformed(f, io.ErrUnexpectedEOF)
}

func malformed(f *adapters.ProviderResponse, cause error) error {
	if f.ErrorClass == "" {
		f.Outcome, f.ErrorClass = adapters.OutcomeRetryable, events.ErrorMalformedResponse
	}
	return &adapters.Error{
		Code: adapters.CodeUpstreamError, Message: "the provider's stream ended before its answer did", Cause: cause,
	}
}
