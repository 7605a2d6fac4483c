package actors

import (
	"context"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// Tracer follows requests and attempts for an observer outside. It changes and keeps nothing of what it is shown, and blocks nobody.
// Contexts are that of Forward: a request may be followed further up already.
type Tracer interface {
	// Attempt begins to follow an attempt whose intent is kept, and may name it for the upstream in the target.
	Attempt(ctx context.Context, req *adapters.RequestContext, t *adapters.Target, s *events.Start) AttemptTrace
	// Closed says how a request ended.
	Closed(ctx context.Context, c *events.RequestClosed)
}

// AttemptTrace is one attempt that is followed.
type AttemptTrace interface {
	// Settled ends it; host is where its request went, empty where it never did.
	Settled(e *events.AttemptSettled, host string)
}

// follow has an attempt followed, where anybody does.
func (w *forward) follow(s step) AttemptTrace {
	if t := w.f.o.Tracer; t != nil {
		return t.Attempt(w.ctx, w.in.Request, s.target, s.start)
	}
	return nil
}

// settled tells who counts and who follows what came of an attempt.
func (r *requestActor) settled(e *ended, settled *events.AttemptSettled) {
	r.f.metrics.settled(settled)
	if e.trace != nil {
		e.trace.Settled(settled, e.resp.Host)
	}
}

// closed tells who counts and who follows how the request ended.
func (r *requestActor) closed(c *events.RequestClosed) {
	r.f.metrics.closed(c)
	if t := r.f.o.Tracer; t != nil {
		t.Closed(r.ctx, c)
	}
}
