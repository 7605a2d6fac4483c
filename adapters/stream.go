package adapters

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/adapters/wire"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// What opens a stream is held until content comes, so that a failure before it can still be answered elsewhere.
const (
	maxHeld  = 64 << 10
	holdTime = 15 * time.Second
)

// InvokeStream makes a streamed call and returns with its first content.
func (v *Invoker) InvokeStream(ctx context.Context, t *Target, req *RequestContext) (*ProviderResponse, error) {
	c := v.begin(ctx, t, req)
	s := &streamCall{call: c}
	s.silence.first(c, t.Endpoint.Timeouts.FirstByte)
	if err := c.send(); err != nil {
		s.close()
		return c.resp, c.failed(err)
	}
	s.scratch = getStreamBuffer()
	if c.up.StatusCode <= 299 {
		s.events = c.req.Dialect.NewScanner(c.up.Header.Get("Content-Type"), c.up.Body, *s.scratch, int(v.maxStreamEvent.Load()))
	}
	if s.events == nil {
		putStreamBuffer(s.scratch)
		s.scratch = nil
		return s.unstreamed()
	}
	s.reader = c.req.Dialect.NewStreamReader(c.req, c.resp)
	if c.tr != nil {
		c.tr.begin(c.resp)
		c.resp.Headers["Content-Type"] = []string{c.tr.client.StreamType(c.tr.req)}
	}
	if err := s.open(); err != nil {
		err = s.broken(err)
		s.close()
		return c.resp, err
	}
	s.silence.more(t.Endpoint.Timeouts.Idle)
	c.resp.Outcome = OutcomeSuccess
	c.resp.Stream = s.frames
	return c.resp, nil
}

// streamCall is one streamed attempt. It is read by one goroutine at a time.
type streamCall struct {
	*call
	events  wire.Scanner
	reader  StreamReader
	silence silence

	content bool // there was some
	final   bool // the last fact has been read
	ended   bool // the reader has been told
	closed  bool

	held    []byte // opening frames and the first content
	filled  chan error
	scratch *[]byte
}

// unstreamed reads a whole answer where a stream was asked for: an error, or a provider that does not stream.
func (s *streamCall) unstreamed() (*ProviderResponse, error) {
	defer s.close()
	body, release, err := readBody(s.up.Body, s.up.ContentLength, s.v.maxResponseBody.Load())
	s.resp.FirstByteAt = s.v.Now()
	if err != nil {
		return s.resp, s.failed(err)
	}
	body = s.veiled(body)
	s.resp.Body, s.resp.Release = body, release
	s.answer(body)
	s.dress(body)
	return s.resp, nil
}

// open reads until the first content, the end, or the limits of holding.
func (s *streamCall) open() error {
	var holding <-chan time.Time
	for {
		for more := true; more; {
			var frames []byte
			var err error
			frames, more, err = s.gather()
			s.held = append(s.held, frames...)
			if err != nil {
				return err
			}
		}
		if s.content || s.final || len(s.held) > maxHeld {
			return nil
		}
		var err error
		if holding == nil && len(s.held) == 0 {
			err = s.fill()
		} else {
			// Something is held: read beside a clock, and go on with what there is when it has struck.
			if holding == nil {
				timer := time.NewTimer(holdTime)
				defer timer.Stop()
				holding = timer.C
			}
			s.filled = make(chan error, 1)
			go func(filled chan<- error) { filled <- s.fill() }(s.filled)
			select {
			case err = <-s.filled:
				s.filled = nil
			case <-holding:
				return nil
			}
		}
		if err != nil && !(errors.Is(err, io.EOF) && s.rest()) {
			return s.cut(err)
		}
	}
}

// rest takes an event whose blank line the end of the stream swallowed, as the last.
func (s *streamCall) rest() bool {
	e, ok := s.events.Rest()
	if !ok || len(e.Data) == 0 {
		return false
	}
	if _, _, err := jsonscan.Object(e.Data, func([]byte, int, int) error { return nil }); err != nil && string(e.Data) != "[DONE]" {
		return false // half an event says nothing, and undoes nothing of what those before it said
	}
	d, err := s.reader.Event(e.Name, e.Data)
	if err != nil || d == Drop {
		return false
	}
	if s.tr == nil {
		s.held = append(s.held, e.Raw...)
	} else if s.tr.event(e.Name, e.Data) != nil {
		return false
	}
	s.final = s.final || d == Last
	return true
}

// fill reads once from the upstream.
func (s *streamCall) fill() error {
	err := s.events.Fill()
	if s.resp.FirstByteAt.IsZero() && err == nil {
		s.resp.FirstByteAt = s.v.Now()
	}
	return err
}

// cut is the end of the stream, well or not.
func (s *streamCall) cut(err error) error {
	if errors.Is(err, io.EOF) {
		return s.end()
	}
	return err
}

// end tells the reader, once.
func (s *streamCall) end() error {
	if s.ended {
		return nil
	}
	s.ended = true
	err := s.reader.End()
	s.estimate(nil)
	if err == nil {
		s.final = true
		if s.tr != nil {
			s.tr.end()
		}
	}
	return err
}

// gather takes what is buffered: the frames of all whole events up to one that the client is not to see. more says that there may be others
// behind that. The frames of a stream that is not translated are contiguous in the scanner's buffer.
func (s *streamCall) gather() (frames []byte, more bool, err error) {
	if s.tr != nil {
		err = s.translated()
		return s.tr.take(), false, err
	}
	for {
		e, ok := s.events.Ready()
		if !ok {
			return frames, false, nil
		}
		d, err := s.reader.Event(e.Name, e.Data)
		if err != nil {
			return frames, false, err
		}
		switch d {
		case Drop:
			return frames, true, nil
		case Content:
			s.content = true
		case Last:
			s.last()
		}
		if frames == nil {
			frames = e.Raw
		} else {
			frames = frames[:len(frames)+len(e.Raw)]
		}
	}
}

// translated has all whole events that are buffered translated.
func (s *streamCall) translated() error {
	for {
		e, ok := s.events.Ready()
		if !ok {
			return nil
		}
		d, err := s.reader.Event(e.Name, e.Data)
		if err != nil {
			return err
		}
		if d == Drop {
			continue
		}
		if err := s.tr.event(e.Name, e.Data); err != nil {
			return err
		}
		if d == Last {
			s.last()
		}
		s.content = s.content || d == Content
	}
}

// last takes note of the last event: the facts are final.
func (s *streamCall) last() {
	s.content, s.final = true, true
	_ = s.end()
	s.silence.end()
}

// frames is the response's Stream.
func (s *streamCall) frames(yield func([]byte, error) bool) {
	defer s.close()
	if len(s.held) > 0 && !s.yield(s.held, yield) {
		return
	}
	s.held = nil
	for {
		for more := s.filled == nil; more; { // else a read that open began still owns the buffer
			frames, again, err := s.gather()
			if more = again; len(frames) > 0 && !s.yield(frames, yield) {
				return
			}
			if err != nil {
				yield(nil, s.broken(err))
				return
			}
		}
		if err := s.next(); err != nil {
			s.over(err, yield)
			return
		}
	}
}

// yield hands frames out; whoever waits for the facts is told first, where they are final.
func (s *streamCall) yield(frames []byte, yield func([]byte, error) bool) bool {
	if s.final && s.resp.OnFinal != nil {
		s.resp.OnFinal()
		s.resp.OnFinal = nil
	}
	return yield(frames, nil)
}

// over hands out what is left when the upstream has ended, well or not.
func (s *streamCall) over(err error, yield func([]byte, error) bool) {
	if s.final {
		return // all was said; the body was only read to its end so that its connection can be used again
	}
	if errors.Is(err, io.EOF) && s.rest() && len(s.held) > 0 && !s.yield(s.held, yield) {
		return
	}
	err = s.cut(err)
	if s.tr != nil {
		if frames := s.tr.take(); len(frames) > 0 && !s.yield(frames, yield) {
			return
		}
	}
	if err != nil {
		yield(nil, s.broken(err))
	}
}

// next waits for more, no longer than the idle timeout.
func (s *streamCall) next() error {
	var err error
	s.silence.readBegins()
	if s.filled != nil {
		err = <-s.filled
		s.filled = nil
	} else {
		err = s.events.Fill()
	}
	s.silence.readEnds()
	return err
}

// broken completes the facts of a stream that did not end well, and says why. The first cause wins: a provider's error, the
// cancellation, or the cut.
func (s *streamCall) broken(err error) error {
	class := s.resp.ErrorClass
	cause := context.Cause(s.ctx)
	_ = s.end()
	var said *Error
	switch {
	case cause != nil:
		return s.failed(err)
	case errors.As(err, &said): // the dialect's own, with its class
		if s.resp.ErrorClass == "" {
			s.resp.ErrorClass = events.ErrorMalformedResponse
		}
		if class != "" {
			s.resp.ErrorClass = class
		}
		if s.resp.Outcome == OutcomeSuccess || s.resp.Outcome == 0 {
			s.resp.Outcome = OutcomeRetryable
		}
		if key := s.t.Endpoint.APIKey; len(key) >= shortest && strings.Contains(said.Message, key.Reveal()) {
			veiled := *said
			veiled.Message = strings.ReplaceAll(said.Message, key.Reveal(), key.String())
			return &veiled
		}
		return err
	case errors.Is(err, wire.ErrTooLong), errors.Is(err, wire.ErrMalformed):
		s.resp.Outcome, s.resp.ErrorClass = OutcomeRetryable, events.ErrorMalformedResponse
		return fmt.Errorf("read the stream: %w", err)
	}
	return s.failed(err)
}

// close ends the attempt. Whoever breaks the iteration off gets here too: then the upstream is cut, and the facts are what
// was read so far.
func (s *streamCall) close() {
	if s.closed {
		return
	}
	s.closed = true
	s.silence.stop()
	s.call.end()
	if s.up != nil {
		_ = s.up.Body.Close()
	}
	if s.filled != nil { // a read still runs in the buffer; closing the body has ended it
		<-s.filled
		s.filled = nil
	}
	if s.reader != nil && !s.ended {
		_ = s.end()
		if !s.final {
			s.resp.Outcome, s.resp.ErrorClass = 0, ""
		}
	}
	if s.scratch != nil {
		*s.scratch = s.events.Buffer()
		putStreamBuffer(s.scratch)
		s.scratch = nil
	}
}
