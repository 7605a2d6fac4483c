package actors

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/tollhouse/tollhouse/actors/health"
	"github.com/tollhouse/tollhouse/actors/retry"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/actors/sessions"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// requestActor owns one request: where it goes, how often, and its one last event. It carries no bytes and does no I/O; the
// goroutine that called Forward does, one step at a time, as this actor tells it:
//
//	state       on                    does                                          then
//	new         *forward              resolves; none: refuses                       choosing | over
//	choosing    picked, an endpoint   step attempt                                  attempting
//	choosing    picked, none          asks the next candidate; after the last: step
//	                                  wait, also in queues, or gives up             choosing | waiting | over
//	waiting     waited                begins a new round                            choosing
//	waiting     picked, an endpoint   leaves the other queues; step attempt         attempting
//	attempting  ended, to be retried  settles, gives the permit back, asks on       choosing | waiting | over
//	attempting  ended, any other      settles and closes, gives the permit back     over
//	any later   picked, an endpoint   gives the permit back                         the same
//	any         Stopping, not over    a panic: settles and closes as internal       over
type requestActor struct {
	f      *Forwarder
	gen    *generation
	ctx    context.Context // the client's
	in     ForwardInput
	accept events.Accept
	steps  chan step
	self   *actor.PID
	root   *actor.RootContext

	owner   sessions.Owner // of the stored answer that is asked for; empty: not known
	route   routing.Route
	placing placing // what policies asked of it
	choice
	budget   retry.Budget
	attempts uint16
	tries    []*try // that are open; more than one where a hedge runs beside the first
	first    try    // most requests have no other
	room     [2]*try
	hedging  hedging
	begun    bool // the journal has accepted the request
	overhead time.Duration
	best     *ended // the failure worth relaying
	over     bool
}

// try is an attempt that is open.
type try struct {
	target   *adapters.Target
	start    *events.Start
	provider *actor.PID // whose permit is held
	permit   health.Permit
	held     *ended // it ended, and the request with it, once the others have
}

// requestProps make a request's actor; its first message says which request.
var requestProps = actor.PropsFromProducer(func() actor.Actor { return new(requestActor) }, actor.WithGuardian(stopOnPanic), inline)

// step is what the calling goroutine does next.
type step struct {
	kind   stepKind
	target *adapters.Target // attempt
	start  *events.Start
	accept *events.Accept // with the first attempt
	hedge  time.Duration  // after which another may run beside it; 0: never
	// The endpoint's actor, which is told when a stream has begun, and its permit.
	provider *actor.PID
	permit   health.Permit
	wait     time.Duration
	n        int    // which wait
	end      *ended // over: what is relayed, nil where err says it all
	err      error
}

type stepKind uint8

const (
	stepAttempt stepKind = iota + 1
	stepWait
	stepNoHedge
	stepOver
)

// waited says that a wait is over, ended what came of an attempt.
type (
	waited struct {
		n   int // which
		err error
	}
	ended struct {
		resp         *adapters.ProviderResponse
		err          error
		recordErr    error // the intent could not be kept: there was no attempt
		committed    bool  // content has gone to the client: there is no way back
		registry     string
		sentModel    string
		attempt      uint16
		attempts     uint16        // of the request, as far as it is
		disconnected bool          // the client hung up and the upstream was read on
		retryAfter   time.Duration // what the client is told; 0: what the provider said
		opened       bool          // its endpoint knows already that it began, and how long that took
		trace        AttemptTrace
	}
)

// Receive handles a message.
func (r *requestActor) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *forward:
		r.f, r.ctx, r.in, r.steps, r.accept, r.owner = m.f, m.ctx, m.in, m.steps, accept(m.in), m.owner
		r.self, r.root, r.gen = c.Self(), m.f.system.Root, m.gen
		r.begin()
	case picked:
		r.picked(m)
	case waited:
		r.pauseOver(m)
	case *ended:
		r.ended(m)
	case hedgeDue:
		r.hedge()
	case *actor.Stopping, *actor.Stopped:
		if !r.over && r.f != nil { // it panicked
			r.over = true
			e := &ended{
				resp: &adapters.ProviderResponse{Outcome: adapters.OutcomeTerminal, ErrorClass: events.ErrorInternal},
				err:  errors.New("the request's actor failed"),
			}
			verdict := adapters.Errorf(adapters.CodeInternal, "the gateway could not handle the request")
			r.panicked(e, verdict)
			r.next(step{kind: stepOver, err: verdict})
		}
	}
}

// begin resolves the model.
func (r *requestActor) begin() {
	req, consumer := r.in.Request, r.in.Consumer
	r.budget = retry.Budget{
		Attempts: max(consumer.Retry.MaxAttempts, 1), Until: r.f.o.Now().Add(consumer.Retry.Budget), Random: r.f.o.Random,
	}
	var err error
	if req.Operation == adapters.OperationStored {
		r.route, err = routing.ResolveStored(consumer, req.ID, req.Dialect)
	} else {
		r.route, err = routing.Resolve(r.gen.snapshot, consumer, req.ID, req.Model, req.Dialect, req.Operation, views{r})
	}
	if err == nil && req.PreviousResponse != "" {
		err = r.toOwner()
	}
	for _, p := range r.route.Passed {
		r.consider(events.Considered{Registry: p.Registry, Model: p.Model, Reason: p.Reason})
	}
	if err != nil {
		r.refuse(err)
		return
	}
	r.choose()
}

// ended takes what came of an attempt.
func (r *requestActor) ended(e *ended) {
	i := slices.IndexFunc(r.tries, func(t *try) bool { return t.start.Attempt == e.attempt })
	if i < 0 {
		return
	}
	t := r.tries[i]
	if e.recordErr != nil {
		r.unrecorded(t, e.recordErr)
		return
	}
	r.begun = true
	if r.overhead == 0 && !e.resp.WroteRequestAt.IsZero() {
		r.overhead = e.resp.WroteRequestAt.Sub(r.accept.ReceivedAt)
	}
	e.registry, e.sentModel = t.target.Registry.Name, t.target.SentModel
	if len(r.tries) > 1 {
		r.endedBeside(t, e)
		return
	}
	if !r.goesOn(t, e) {
		r.finish(t, e, e)
		return
	}
	r.keepBest(e)
	if !r.budget.More(r.f.o.Now(), int(r.attempts)) || r.ctx.Err() != nil {
		r.finish(t, e, r.best)
		return
	}
	r.settle(t, e, nil, nil)
	r.placed = false
	r.choose()
}

// finish closes the request with `relay`, which the client gets, and settles t, the last attempt that is open, with e; nil: none is.
func (r *requestActor) finish(t *try, e, relay *ended) {
	err := r.verdict(relay)
	if t != nil {
		r.settle(t, e, relay, err)
	} else {
		r.close(relay, err)
	}
	relay.retryAfter = r.retryAfter(relay)
	relay.attempts = r.attempts
	s := step{kind: stepOver, end: relay}
	if err != nil {
		s.err = err
	}
	r.end(s)
}

// panicked settles what is open of a request whose actor failed, and closes it.
func (r *requestActor) panicked(e *ended, verdict *adapters.Error) {
	for len(r.tries) > 1 {
		r.settle(r.tries[0], e, nil, nil)
	}
	if len(r.tries) == 1 {
		r.settle(r.tries[0], e, e, verdict)
	}
}

// giveUp ends a request between two attempts: its client is gone, or the time is up.
func (r *requestActor) giveUp(cause error) {
	err := cancelError(cause)
	discard(r.best)
	if e := (&ended{resp: &adapters.ProviderResponse{}, err: cause}); r.begun {
		r.close(e, err)
	} else {
		closed := r.closing(e, err)
		_ = r.f.o.Recorder.Refuse(&r.accept, closed)
		r.closed(closed)
	}
	r.end(step{kind: stepOver, err: err})
}

// refuse ends a request before any attempt: it is accepted and closed in one record.
func (r *requestActor) refuse(err error) {
	e := adapters.AsError(err)
	closed := r.closing(&ended{resp: &adapters.ProviderResponse{}}, e)
	if recordErr := r.f.o.Recorder.Refuse(&r.accept, closed); recordErr != nil {
		err = accountingError(recordErr)
	}
	r.closed(closed)
	r.end(step{kind: stepOver, err: err})
}

// unrecorded ends a request whose intent the journal could not keep, unless another attempt runs on. The journal has closed what it had
// begun.
func (r *requestActor) unrecorded(t *try, cause error) {
	r.release(t, health.Report{Cancelled: true})
	if errors.Is(cause, events.ErrNotStarted) {
		r.attempts--
	}
	if len(r.tries) > 0 {
		r.finishHeld()
		return
	}
	err := error(accountingError(cause))
	if adapters.Cancelled(cause) {
		err = cancelError(cause)
	}
	if r.begun { // a later attempt: the request itself is still open
		r.close(&ended{resp: &adapters.ProviderResponse{}, err: cause}, adapters.AsError(err))
	}
	discard(r.best)
	r.end(step{kind: stepOver, err: err})
}

// end tells the calling goroutine what came of the request.
func (r *requestActor) end(s step) {
	r.over = true
	r.leaveQueues()
	r.next(s)
	r.stopWhenAnswered()
}

// release gives an attempt's permit back; it is not open any more.
func (r *requestActor) release(t *try, report health.Report) {
	r.tries = slices.DeleteFunc(r.tries, func(o *try) bool { return o == t })
	r.root.Send(t.provider, release{t.permit, report})
}
