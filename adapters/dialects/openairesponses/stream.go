package openairesponses

import (
	"fmt"
	"io"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// stream reads one stream, event by event. The response object of the last event has all the facts.
type stream struct {
	req    *adapters.RequestContext
	a      answer
	total  int  // bytes of deltas, for an estimate
	begun  bool // content has come
	whole  bool // the answer has come to its end
	broken bool // by an error of the provider's
}

// NewStreamReader reads the facts of one stream.
func (Dialect) NewStreamReader(req *adapters.RequestContext, facts *adapters.ProviderResponse) adapters.StreamReader {
	return &stream{req: req, a: answer{facts: facts}}
}

// event is what is read of one.
type event struct {
	kind     string
	item     string // the type of the item that begins or ends
	failure  []byte
	message  []byte // of an error event whose members stand in it
	code     []byte
	response bool
}

// Event reads one event. The type inside the data is the event's own; the name, which some leave out, only repeats it.
func (s *stream) Event(name string, data []byte) (adapters.Disposition, error) {
	if len(data) == 0 || string(data) == "[DONE]" { // a comment; what some put behind the last event
		return s.quiet(), nil
	}
	e, err := s.read(name, data)
	if err != nil {
		return adapters.Failed, s.malformed(fmt.Errorf("a stream event is %w", err))
	}
	switch e.kind {
	case "response.created", "response.queued", "response.in_progress", "response.content_part.added", "response.reasoning_summary_part.added":
		return s.quiet(), nil
	case "response.output_item.added":
		if e.item == "message" || e.item == "reasoning" {
			return s.quiet(), nil // nothing is in them yet
		}
	case "response.completed", "response.incomplete":
		s.begun, s.whole = true, true
		s.a.settle()
		s.complete()
		s.a.facts.Outcome = adapters.OutcomeSuccess
		return adapters.Last, nil
	case "response.failed", "response.cancelled", "error":
		return s.failed(e)
	case "":
		if e.failure != nil { // the envelope of an error in place of an event
			return s.failed(e)
		}
		return s.quiet(), nil
	}
	s.begun = true
	return adapters.Content, nil
}

// read takes an event's type and the facts in it.
func (s *stream) read(name string, data []byte) (e event, err error) {
	e.kind = name
	err = jsonscan.Document(data, func(key []byte, start int) (int, error) {
		if string(key) == "response" && data[start] == '{' {
			e.response = true
			return jsonscan.Walk(data, start, func(key []byte, start int) (int, error) { return s.a.member(data, key, start) })
		}
		end, err := jsonscan.Skip(data, start)
		if err != nil {
			return 0, err
		}
		value := data[start:end]
		switch string(key) {
		case "type":
			e.kind = typeOf(value, name)
		case "delta":
			s.total += textLength(value)
		case "item":
			e.item = s.item(value)
		case "error":
			if value[0] != 'n' {
				e.failure = value
			}
		case "message":
			e.message = value
		case "code":
			e.code = value
		}
		return end, nil
	})
	return e, err
}

// typeOf is the text of an event's type: the event's name where they agree, as they do, so that none is made.
func typeOf(quoted []byte, name string) string {
	if len(quoted) == len(name)+2 && quoted[0] == '"' && string(quoted[1:len(quoted)-1]) == name {
		return name
	}
	kind, _ := jsonscan.String(quoted)
	return kind
}

// item notes a call: some send no output in the last event.
func (s *stream) item(value []byte) (kind string) {
	if value[0] != '{' {
		return ""
	}
	_ = jsonscan.Members(value, 0, func(key []byte, start, end int) error {
		if string(key) == "type" {
			kind, _ = jsonscan.String(value[start:end])
		}
		return nil
	})
	s.a.end.calls = s.a.end.calls || clientTool(kind)
	return kind
}

// failed takes an error of the provider's. A stored response that failed was asked for and came: it is an answer like any other.
func (s *stream) failed(e event) (adapters.Disposition, error) {
	if s.req.Operation == adapters.OperationStored && strings.HasPrefix(e.kind, "response.") {
		s.whole, s.a.facts.Outcome = true, adapters.OutcomeSuccess
		s.complete()
		return adapters.Last, nil
	}
	if e.failure != nil {
		s.a.failure(e.failure)
	} else {
		if len(e.message) > 0 {
			set(&s.a.message, e.message)
		}
		if len(e.code) > 0 {
			set(&s.a.code, e.code)
		}
	}
	if e.response {
		s.a.settle()
	}
	s.broken = true
	return adapters.Failed, s.a.fail()
}

// quiet is what becomes of an event without content: it may be held until content has come.
func (s *stream) quiet() adapters.Disposition {
	if s.begun {
		return adapters.Content
	}
	return adapters.Opening
}

// complete gives the facts a usage where the provider sent none. A stored response's was counted when it was made.
func (s *stream) complete() {
	f := s.a.facts
	switch {
	case s.req.Operation == adapters.OperationStored:
		f.Usage, f.Evidence = nil, events.EvidenceNone
	case f.Usage == nil:
		f.Evidence = events.EvidenceEstimated
		f.Usage = &events.Usage{InputTokens: s.req.EstimateInputTokens(), OutputTokens: uint64(max(s.total, s.a.written)+3) / 4}
	}
}

// End completes the facts. A stream that has not come to its last event was cut.
func (s *stream) End() error {
	if s.whole {
		return nil
	}
	f := s.a.facts
	if !s.broken && f.Evidence == events.EvidenceReported {
		f.Evidence = events.EvidencePartial
	}
	outcome := f.Outcome
	s.complete()
	f.Outcome = outcome
	return s.malformed(io.ErrUnexpectedEOF)
}

func (s *stream) malformed(cause error) error {
	if f := s.a.facts; f.ErrorClass == "" {
		f.Outcome, f.ErrorClass = adapters.OutcomeRetryable, events.ErrorMalformedResponse
	}
	return &adapters.Error{
		Code: adapters.CodeUpstreamError, Message: "the provider's stream ended before its answer did", Cause: cause,
	}
}
