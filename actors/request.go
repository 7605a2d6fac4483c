package actors

import (
	"context"
	"errors"
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

	owner sessions.Owner // of the stored answer that is asked for; empty: not known
	route routing.Route
	choice
	budget   retry.Budget
	attempts uint16
	target   *adapters.Target
	start    *events.Start
	provider *actor.PID // whose permit is held; nil: none
	permit   health.Permit
	begun    bool // the journal has accepted the request
	overhead time.Duration
	best     *ended // the failure worth relaying
	over     bool
}

// requestProps make a request's actor; its first message says which request.
var requestProps = actor.PropsFromProducer(func() actor.Actor { return new(requestActor) }, actor.WithGuardian(stopOnPanic), inline)

// step is what the calling goroutine does next.
type step struct {
	kind   stepKind
	target *adapters.Target // attempt
	start  *events.Start
	accept *events.Accept // with the first attempt
	wait   time.Duration
	n      int    // which wait
	end    *ended // over: what is relayed, nil where err says it all
	err    error
}

type stepKind uint8

const (
	stepAttempt stepKind = iota + 1
	stepWait
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
		disconnected bool          // the client hung up and the upstream was read on
		retryAfter   time.Duration // what the client is told; 0: what the provider said
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
		r.waited(m)
	case *ended:
		r.ended(m)
	case *actor.Stopping, *actor.Stopped:
		if !r.over && r.f != nil { // it panicked
			r.over = true
			e := &ended{
				resp: &adapters.ProviderResponse{Outcome: adapters.OutcomeTerminal, ErrorClass: events.ErrorInternal},
				err:  errors.New("the request's actor failed"),
			}
			verdict := adapters.Errorf(adapters.CodeInternal, "the gateway could not handle the request")
			r.settle(e, e, verdict)
			r.next(step{kind: stepOver, err: verdict})
		}
	}
}

// begin resolves the model.
func (r *requestActor) begin() {
	req, consumer := r.in.Request, r.in.Consumer
	r.budget = retry.Budget{
		Attempts: max(consumer.Retry.MaxAttempts, 1), Until: r.f.o.Now().Add(consumer.Retry.Budget),
	}
	var err error
	if req.Operation == adapters.OperationStored {
		r.route, err = routing.ResolveStored(consumer, req.ID, req.Dialect)
	} else {
		r.route, err = routing.Resolve(r.gen.snapshot, consumer, req.ID, req.Model, req.Dialect, req.Operation)
	}
	if err == nil && req.PreviousResponse != "" {
		err = r.toOwner()
	}
	if err != nil {
		r.refuse(err)
		return
	}
	r.choose()
}

// ended takes what came of an attempt.
func (r *requestActor) ended(e *ended) {
	if e.recordErr != nil {
		r.unrecorded(e.recordErr)
		return
	}
	r.begun = true
	if r.overhead == 0 && !e.resp.WroteRequestAt.IsZero() {
		r.overhead = e.resp.WroteRequestAt.Sub(r.accept.ReceivedAt)
	}
	e.registry, e.sentModel, e.attempt = r.target.Registry.Name, r.target.SentModel, r.attempts
	if !r.goesOn(e) {
		r.finish(e, nil)
		return
	}
	r.keepBest(e)
	if !r.budget.More(r.f.o.Now(), int(r.attempts)) || r.ctx.Err() != nil {
		r.finish(r.best, e)
		return
	}
	r.settle(e, nil, nil)
	r.placed = false
	r.choose()
}

// finish closes the request with `relay`, whose attempt is the last one unless `last` is given or it was settled before.
func (r *requestActor) finish(relay, last *ended) {
	if last == nil {
		last = relay
	}
	err := r.verdict(relay)
	if r.provider != nil {
		r.settle(last, relay, err)
	} else {
		r.close(relay, err)
	}
	relay.retryAfter = r.retryAfter(relay)
	relay.attempt = r.attempts // it may be an earlier one that tells the client most
	s := step{kind: stepOver, end: relay}
	if err != nil {
		s.err = err
	}
	r.end(s)
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

// unrecorded ends a request whose intent the journal could not keep. The journal has closed what it had begun.
func (r *requestActor) unrecorded(cause error) {
	r.releasePermit(health.Report{Cancelled: true})
	err := error(accountingError(cause))
	if adapters.Cancelled(cause) {
		err = cancelError(cause)
	}
	if errors.Is(cause, events.ErrNotStarted) {
		r.attempts--
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

func (r *requestActor) releasePermit(report health.Report) {
	if r.provider != nil {
		r.root.Send(r.provider, release{r.permit, report})
		r.provider = nil
	}
}
