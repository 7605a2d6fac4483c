package adapters

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/adapters/wire"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// What opens a stream is held until content comes, so that a failure before it can still be answered elsewhere.
const (
	maxHeld  = 64 << 10
	holdTime = 15 * time.Second
	// lingerTime is how long the body's end may take behind the stream's last event.
	lingerTime = time.Second
)

// InvokeStream makes a streamed call and returns with its first content.
func (v *Invoker) InvokeStream(ctx context.Context, t *Target, req *RequestContext) (*ProviderResponse, error) {
	c := v.begin(ctx, t, req)
	s := &streamCall{call: c}
	s.watch(t.Endpoint.Timeouts.FirstByte, ErrTimeoutFirstByte)
	if err := c.send(); err != nil {
		s.close()
		return c.resp, c.failed(err)
	}
	s.scratch = getBuffer()
	if c.up.StatusCode <= 299 {
		s.events = c.req.Dialect.NewScanner(c.up.Header.Get("Content-Type"), c.up.Body, *s.scratch, v.MaxStreamEvent)
	}
	if s.events == nil {
		putBuffer(s.scratch)
		s.scratch = nil
		return s.unstreamed()
	}
	s.reader = c.req.Dialect.NewStreamReader(c.req, c.resp)
	if c.tr != nil {
		c.tr.begin(c.resp)
		c.resp.Headers["Content-Type"] = []string{c.tr.client.StreamType(c.tr.req)}
	}
	c.resp.Final = func() bool { return s.final }
	if err := s.open(); err != nil {
		err = s.broken(err)
		s.close()
		return c.resp, err
	}
	if s.idle != nil {
		s.idle.Stop() // the first byte is there
	}
	c.resp.Outcome = OutcomeSuccess
	c.resp.Stream = s.frames
	return c.resp, nil
}

// streamCall is one streamed attempt. It is read by one goroutine at a time.
type streamCall struct {
	*call
	events  wire.Scanner
	reader  StreamReader
	scratch *[]byte
	idle    *time.Timer
	cause   atomic.Pointer[error] // of the timer, where it fires

	held   []byte // opening frames and the first content
	filled chan error
	final  bool
	ended  bool // the reader has been told
	closed bool
}

// unstreamed reads a whole answer where a stream was asked for: an error, or a provider that does not stream.
func (s *streamCall) unstreamed() (*ProviderResponse, error) {
	defer s.close()
	body, release, err := readBody(s.up.Body, s.up.ContentLength, s.v.MaxResponseBody)
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

// watch bounds the wait for what comes next. One timer serves the whole stream: it is set again before each read.
func (s *streamCall) watch(d time.Duration, cause error) {
	if d <= 0 {
		return
	}
	if s.idle == nil || *s.cause.Load() != cause {
		set := cause // the argument's own address would put it on the heap in each call
		s.cause.Store(&set)
	}
	if s.idle == nil {
		s.idle = time.AfterFunc(d, func() { s.cancel(*s.cause.Load()) })
		return
	}
	s.idle.Reset(d)
}

// open reads until the first content, the end, or the limits of holding.
func (s *streamCall) open() error {
	var holding <-chan time.Time
	for {
		commit, err := s.consume(func(frame []byte) bool {
			s.held = append(s.held, frame...)
			return true
		})
		if err != nil || commit || s.final || len(s.held) > maxHeld {
			return err
		}
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

// consume hands what is buffered whole to take, in as few pieces as there are dropped events between. It reports whether
// there was content among it.
func (s *streamCall) consume(take func(frames []byte) bool) (content bool, err error) {
	var run []byte // contiguous in the scanner's buffer
	flush := func() bool {
		if s.tr != nil {
			run = s.tr.take()
		}
		ok := len(run) == 0 || take(run)
		run = nil
		return ok
	}
	for {
		e, ok := s.events.Ready()
		if !ok {
			if !flush() {
				return content, errBrokenOff
			}
			return content, nil
		}
		d, err := s.reader.Event(e.Name, e.Data)
		if err != nil {
			flush()
			return content, err
		}
		if s.tr != nil && d != Drop {
			if err := s.tr.event(e.Name, e.Data); err != nil {
				flush()
				return content, err
			}
		}
		switch d {
		case Drop:
			if s.tr == nil && !flush() {
				return content, errBrokenOff
			}
			continue
		case Content:
			content = true
		case Last:
			content, s.final = true, true
			if s.end(); s.idle != nil {
				s.idle.Stop()
			}
		}
		if s.tr != nil {
			continue
		}
		if run == nil {
			run = e.Raw
		} else {
			run = run[:len(run)+len(e.Raw)]
		}
	}
}

// errBrokenOff ends a stream whose reader has left.
var errBrokenOff = errors.New("the iteration was broken off")

// frames is the response's Stream.
func (s *streamCall) frames(yield func([]byte, error) bool) {
	defer s.close()
	take := func(frames []byte) bool { return yield(frames, nil) }
	if len(s.held) > 0 && !take(s.held) {
		return
	}
	s.held = nil
	for {
		if s.filled == nil { // else a read that open began still owns the buffer
			if _, err := s.consume(take); err != nil {
				if !errors.Is(err, errBrokenOff) {
					yield(nil, s.broken(err))
				}
				return
			}
		}
		err := s.next()
		switch {
		case err == nil:
			continue
		case s.final:
			return // all was said; the body was only read to its end so that its connection can be used again
		}
		if errors.Is(err, io.EOF) && s.rest() && len(s.held) > 0 && !take(s.held) {
			return
		}
		err = s.cut(err)
		if s.tr != nil {
			if frames := s.tr.take(); len(frames) > 0 && !take(frames) {
				return
			}
		}
		if err != nil {
			yield(nil, s.broken(err))
		}
		return
	}
}

// next waits for more, no longer than the idle timeout.
func (s *streamCall) next() error {
	d := s.t.Endpoint.Timeouts.Idle
	if s.final {
		d = lingerTime
	}
	s.watch(d, ErrTimeoutIdle)
	if s.filled != nil {
		err := <-s.filled
		s.filled = nil
		return err
	}
	return s.fill()
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
	if s.idle != nil {
		s.idle.Stop()
	}
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
		if b := s.events.Buffer(); cap(b) <= maxPooled {
			*s.scratch = b[:0]
			putBuffer(s.scratch)
		}
		s.scratch = nil
	}
}
