package actors

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/tollhouse/tollhouse/actors/sessions"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// forward is one request on the goroutine that called Forward: it does what the request actor decides.
type forward struct {
	f      *Forwarder
	gen    *generation // that it is routed by
	in     ForwardInput
	ctx    context.Context // of the attempts: cancelled with a cause, or left running to drain
	cancel context.CancelCauseFunc
	pid    *actor.PID
	steps  chan step
	owner  sessions.Owner // of the stored answer that is asked for; empty: not known
	kept   bool           // it is noted who keeps the answer

	stopClient, stopShutdown func() bool // take the hooks off
}

// Forward takes a request to its end, or, for a stream, to its first content. The error is an *adapters.Error, or one that
// adapters.AsError hides; of the result beside it only Headers are set, and only ours. Without a result the request was not accepted:
// the books do not know it.
func (f *Forwarder) Forward(ctx context.Context, in ForwardInput) (*ForwardResult, error) {
	gen, err := f.enter(in.Snapshot)
	if err != nil {
		return nil, err
	}
	w := f.begin(ctx, gen, in)
	for s := <-w.steps; ; {
		switch s.kind {
		case stepWait:
			var next bool
			if s, next = w.pause(s); next {
				continue
			}
		case stepAttempt:
			l := w.attempt(s)
			if l.e.err == nil && l.e.resp != nil && l.e.resp.Stream != nil {
				return w.streaming(l.e, l.s.target.Registry, l.s.start), nil
			}
			w.tell(l.e)
		case stepOver:
			w.done()
			if s.err != nil {
				discard(s.end)
				return &ForwardResult{Headers: w.ours(make(http.Header, 6), s.end)}, s.err
			}
			return w.buffered(s.end), nil
		}
		s = <-w.steps
	}
}

func (f *Forwarder) begin(ctx context.Context, gen *generation, in ForwardInput) *forward {
	w := &forward{f: f, gen: gen, in: in, steps: make(chan step, 2)}
	if id := in.Request.PreviousResponse; id != "" {
		w.owner, _ = f.o.Sessions.Owner(id)
	}
	w.ctx, w.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	// The client's end and the gateway's own are told apart by their causes.
	w.stopClient = context.AfterFunc(ctx, func() { w.clientEnded(cause(ctx)) })
	w.stopShutdown = context.AfterFunc(f.shutdown, func() { w.cancel(adapters.ErrShutdown) })
	w.pid = f.system.Root.Spawn(requestProps)
	f.system.Root.Send(w.pid, w)
	return w
}

// How long, and how much of, an upstream's stream is read on for its usage after its client hung up. A buffered answer has a limit of
// its own.
const (
	drainFor   = 30 * time.Second
	drainBytes = 4 << 20
)

// clientEnded cancels the attempt, or lets it run on for a while, as the consumer has it.
func (w *forward) clientEnded(why error) {
	if w.in.Consumer.Drain && why == adapters.ErrClientGone {
		time.AfterFunc(drainFor, func() { w.cancel(why) })
		return
	}
	w.cancel(why)
}

// done frees what the request holds.
func (w *forward) done() {
	w.stopClient()
	w.stopShutdown()
	w.cancel(nil)
	w.f.leave(w.gen)
}

func accept(in ForwardInput) events.Accept {
	return events.Accept{
		RequestID: in.Request.ID, Consumer: in.Consumer.Name, KeyID: in.Data.KeyID, Labels: in.Data.Labels,
		Dialect: in.Request.Dialect.Name(), RequestedModel: bounded(in.Request.Model), Stream: in.Request.Stream,
		BodyBytes: uint64(len(in.Request.Body)), ReceivedAt: in.Request.ReceivedAt,
	}
}

// pause waits, until the time is over, the client is gone, or another step is told.
func (w *forward) pause(s step) (next step, ok bool) {
	t := time.NewTimer(s.wait)
	defer t.Stop()
	m := waited{n: s.n}
	select {
	case next = <-w.steps:
		return next, true
	case <-t.C:
	case <-w.ctx.Done():
		m.err = context.Cause(w.ctx)
	}
	w.tell(m)
	return s, false
}

// tell sends the request's actor a message.
func (w *forward) tell(m any) { w.f.system.Root.Send(w.pid, m) }

// attempt keeps the intent and makes the call, and another beside it where the actor lets it.
func (w *forward) attempt(s step) lap {
	if s.hedge > 0 {
		return w.race(s)
	}
	if failed := w.record(s); failed != nil {
		return lap{failed, s}
	}
	return lap{w.call(w.ctx, s), s}
}

// record keeps the intent. What it returns is not nil where it could not.
func (w *forward) record(s step) (failed *ended) {
	defer w.panicked(s, &failed)
	var err error
	if s.accept != nil {
		s.target.Ticket, err = w.f.o.Recorder.Begin(w.ctx, s.accept, s.start)
	} else {
		s.target.Ticket, err = w.f.o.Recorder.Start(w.ctx, s.start)
	}
	if err != nil {
		return &ended{recordErr: err, attempt: s.start.Attempt}
	}
	return nil
}

// call makes the call.
func (w *forward) call(ctx context.Context, s step) (e *ended) {
	defer w.panicked(s, &e)
	e = &ended{
		registry: s.target.Registry.Name, sentModel: s.target.SentModel, attempt: s.start.Attempt, attempts: s.start.Attempt,
		trace: w.follow(s),
	}
	invoke := w.f.o.Invoker.Invoke
	if w.in.Request.Stream {
		invoke = w.f.o.Invoker.InvokeStream
	}
	e.resp, e.err = invoke(ctx, s.target, w.in.Request)
	w.keep(s.target.Registry, s.start, e.resp)
	w.opened(s, e)
	return e
}

// panicked makes a panic one attempt's failure, and nobody else's.
func (w *forward) panicked(s step, e **ended) {
	if p := recover(); p != nil {
		w.f.o.Logger.Error("an attempt panicked", "request", w.in.Request.ID, "panic", p, "stack", string(debug.Stack()))
		failed := internalFailure(p)
		failed.attempt = s.start.Attempt
		if *e != nil {
			failed.trace = (*e).trace
		}
		*e = failed
	}
}

func internalFailure(p any) *ended {
	return &ended{
		resp: &adapters.ProviderResponse{
			Outcome: adapters.OutcomeTerminal, ErrorClass: events.ErrorInternal, Evidence: events.EvidenceNone,
		},
		err: fmt.Errorf("panic: %v", p),
	}
}

// buffered is the result of an answer that is whole, a provider's error among them.
func (w *forward) buffered(e *ended) *ForwardResult {
	return &ForwardResult{
		StatusCode: e.resp.StatusCode, Headers: w.headers(e), Body: e.resp.Body, Release: func() { discard(e) },
	}
}

// headers are the provider's that go back, and ours.
func (w *forward) headers(e *ended) http.Header {
	h := e.resp.Headers
	if h == nil {
		h = make(http.Header, 4)
	}
	return w.ours(h, e)
}

// ours adds our own headers; e is nil where nothing was attempted.
func (w *forward) ours(h http.Header, e *ended) http.Header {
	if e == nil || e.registry == "" {
		h["X-Tollhouse-Request-Id"] = []string{w.in.Request.ID}
		return h
	}
	// One piece of memory holds them all.
	v := [...]string{w.in.Request.ID, e.registry, e.sentModel, strconv.Itoa(int(e.attempts)), e.resp.UpstreamRequestID}
	h["X-Tollhouse-Request-Id"] = v[0:1:1]
	h["X-Tollhouse-Registry"] = v[1:2:2]
	h["X-Tollhouse-Model"] = v[2:3:3]
	h["X-Tollhouse-Attempts"] = v[3:4:4]
	if e.resp.UpstreamRequestID != "" {
		h["X-Tollhouse-Upstream-Request-Id"] = v[4:5:5]
	}
	if e.retryAfter > 0 {
		h["Retry-After"] = []string{strconv.Itoa(int((e.retryAfter + time.Second - 1) / time.Second))}
		delete(h, "Retry-After-Ms")
	}
	if len(e.resp.Dropped) > 0 {
		h["X-Tollhouse-Dropped"] = []string{strings.Join(e.resp.Dropped, ", ")}
	}
	if e.resp.Outcome == adapters.OutcomeRetryable && e.attempts > 1 {
		h["X-Should-Retry"] = []string{"false"} // we did, and it is spent
	}
	return h
}

// streamRun is a stream on its way to the client.
type streamRun struct {
	*forward
	e        *ended
	registry *adapters.Registry
	start    *events.Start
	claimed  atomic.Bool // by who reads it, or by who cancels it unread
	ended    bool
	note     time.Time // of how far it is: when the next is due
	drained  int       // bytes that nobody gets
	unhook   func() bool
}

// A stream says how far it is a while after its first content, and every notesEvery from then on.
const (
	firstNote  = time.Second
	notesEvery = 5 * time.Second
)

// streaming is the result of a stream whose first content is there. From here on it cannot be tried elsewhere.
func (w *forward) streaming(e *ended, registry *adapters.Registry, start *events.Start) *ForwardResult {
	s := &streamRun{forward: w, e: e, registry: registry, start: start}
	e.committed = true
	s.note = w.f.o.Now().Add(firstNote)
	e.resp.OnFinal = func() { s.finish(nil) }
	// A result that is never read must still end when its client does.
	s.unhook = context.AfterFunc(w.ctx, func() {
		if s.claimed.CompareAndSwap(false, true) {
			for range e.resp.Stream {
				break
			}
			s.finish(context.Cause(w.ctx))
			s.done()
		}
	})
	return &ForwardResult{
		StatusCode: e.resp.StatusCode, Headers: w.headers(e), Stream: s.frames, Release: func() {},
	}
}

// noteProgress keeps how far the stream is, for the case that nobody lives to settle it.
func (s *streamRun) noteProgress() {
	resp := s.e.resp
	n := &events.Note{
		RequestID: s.start.RequestID, Attempt: s.start.Attempt, FirstByteAt: resp.FirstByteAt, At: s.f.o.Now(),
		Status: uint16(resp.StatusCode), Model: bounded(resp.Model), ResponseID: bounded(resp.ResponseID),
	}
	if resp.Usage != nil {
		n.Usage = *resp.Usage
	}
	s.note = n.At.Add(notesEvery)
	s.f.o.Recorder.Note(n)
}

// frames yields the provider's frames. The attempt is settled and the request closed before the last one goes out.
func (s *streamRun) frames(yield func([]byte, error) bool) {
	if !s.claimed.CompareAndSwap(false, true) {
		return
	}
	var broken error
	defer func() {
		s.finish(broken)
		s.done()
	}()
	resp := s.e.resp
	gone := false
	for frame, err := range resp.Stream {
		if err != nil {
			broken = err
			s.finish(err)
			if !gone {
				yield(nil, failure(resp, err))
			}
			return
		}
		if !s.ended && s.f.o.Now().After(s.note) {
			s.noteProgress()
		}
		if gone {
			if s.drained += len(frame); s.drained > drainBytes {
				broken = adapters.ErrClientGone
				s.cancel(broken)
				return
			}
			continue
		}
		if yield(frame, nil) {
			continue
		}
		broken = adapters.ErrClientGone
		if why := context.Cause(s.ctx); why != nil { // it was ended already, and then could not be written to
			broken = why
		}
		if !s.in.Consumer.Drain || s.ended {
			s.cancel(adapters.ErrClientGone)
			return
		}
		gone = true
		s.e.disconnected = true
		s.clientEnded(adapters.ErrClientGone)
	}
	if gone { // drained to its end
		broken = nil
	}
}

// finish settles the attempt and closes the request, once, through the request's actor.
func (s *streamRun) finish(err error) {
	if s.ended {
		return
	}
	s.ended = true
	s.unhook()
	s.keep(s.registry, s.start, s.e.resp) // some name their answer late
	s.e.err = err
	s.tell(s.e)
	<-s.steps
}
