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
//	                                  wait, or gives up                             choosing | waiting | over
//	waiting     waited                begins a new round                            choosing
//	attempting  ended, to be retried  settles, gives the permit back, asks on       choosing | waiting | over
//	attempting  ended, any other      settles and closes, gives the permit back     over
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

	owner     sessions.Owner // of the stored answer that is asked for; empty: not known
	route     routing.Route
	at        int // candidate
	tried     []*adapters.Endpoint
	round     int
	available time.Duration // until the soonest endpoint of this round
	someCome  bool          // one will be available
	budget    retry.Budget
	attempts  uint16
	target    *adapters.Target
	start     *events.Start
	provider  *actor.PID // whose permit is held; nil: none
	permit    health.Permit
	begun     bool // the journal has accepted the request
	overhead  time.Duration
	best      *ended // the failure worth relaying
	over      bool
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
	waited struct{ err error }
	ended  struct {
		resp         *adapters.ProviderResponse
		err          error
		recordErr    error // the intent could not be kept: there was no attempt
		committed    bool  // content has gone to the client: there is no way back
		registry     string
		sentModel    string
		attempt      uint16
		disconnected bool // the client hung up and the upstream was read on
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
		if m.err != nil {
			r.giveUp(m.err)
			return
		}
		r.at, r.tried, r.available, r.someCome = 0, nil, 0, false
		r.round++
		r.choose()
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
			r.steps <- step{kind: stepOver, err: verdict}
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

// choose asks the current candidate's balancer for an endpoint.
func (r *requestActor) choose() {
	if r.at == len(r.route.Candidates) {
		r.nextRound()
		return
	}
	candidate := r.route.Candidates[r.at]
	root, self := r.root, r.self
	r.root.Send(r.gen.balancers[candidate.Registry], &pick{
		model: candidate.SentModel, tried: slices.Clone(r.tried), only: candidate.Endpoint, reply: func(p picked) { root.Send(self, p) },
	})
}

func (r *requestActor) picked(p picked) {
	if p.endpoint == nil {
		if !p.never && (!r.someCome || p.available < r.available) {
			r.someCome, r.available = true, p.available
		}
		r.at++
		r.choose()
		return
	}
	if r.over { // given up while the question was under way
		r.root.Send(p.provider, release{permit: p.permit, report: health.Report{Cancelled: true}})
		return
	}
	candidate := r.route.Candidates[r.at]
	r.provider, r.permit = p.provider, p.permit
	r.tried = append(r.tried, p.endpoint)
	r.attempts++
	r.target = &adapters.Target{
		Registry: candidate.Registry, Endpoint: p.endpoint, SentModel: candidate.SentModel, Attempt: r.attempts,
	}
	r.start = &events.Start{
		RequestID: r.in.Request.ID, Attempt: r.attempts, Provider: candidate.Registry.Provider.Name(),
		Registry: candidate.Registry.Name, Endpoint: p.endpoint.Name, SentModel: candidate.SentModel,
		EstimatedInputTokens: r.in.Request.EstimateInputTokens(), OutputLimit: r.in.Request.OutputLimit,
		StartedAt: r.f.o.Now(),
	}
	s := step{kind: stepAttempt, target: r.target, start: r.start}
	if !r.begun {
		s.accept = &r.accept
	}
	r.steps <- s
}

// nextRound goes back to where it failed, after a pause, while the budget holds.
func (r *requestActor) nextRound() {
	available := r.available
	if r.someCome || r.best != nil {
		wait, ok := r.budget.Next(r.f.o.Now(), int(r.attempts), r.round, available)
		if ok && r.someCome {
			r.steps <- step{kind: stepWait, wait: wait}
			return
		}
	}
	if r.best != nil {
		r.finish(r.best, nil)
		return
	}
	err := &adapters.Error{
		Code: adapters.CodeNoBackendAvailable, Cause: ErrNoBackendAvailable, RetryAfter: max(available, time.Second),
		Message: "no endpoint that serves this model is available now",
	}
	r.refuse(err)
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
	retryable := !e.committed && e.resp.Outcome == adapters.OutcomeRetryable && r.triggered(e)
	if !retryable {
		r.finish(e, nil)
		return
	}
	r.keepBest(e)
	if !r.budget.More(r.f.o.Now(), int(r.attempts)) || r.ctx.Err() != nil {
		r.finish(r.best, e)
		return
	}
	r.settle(e, nil, nil)
	r.choose()
}

// triggered says whether the consumer wants this kind of failure retried.
func (r *requestActor) triggered(e *ended) bool {
	trigger := routing.OnProviderError
	switch {
	case e.resp.ErrorClass == events.ErrorCredential:
		return true // another endpoint has another credential
	case e.resp.ErrorClass == events.ErrorTimeout:
		trigger = routing.OnTimeout
	case e.resp.ErrorClass == events.ErrorTransport:
		trigger = routing.OnTransport
	case e.resp.StatusCode == 429:
		trigger = routing.OnHTTP429
	case e.resp.StatusCode >= 500:
		trigger = routing.OnHTTP5xx
	case e.resp.StatusCode >= 400:
		return true // 408, 409, 425: the provider asks for it
	}
	return slices.Contains(r.in.Consumer.Retry.On, trigger)
}

// keepBest keeps the failure that tells the client most: a limit that says when, then a provider's own words, then ours.
func (r *requestActor) keepBest(e *ended) {
	if r.best != nil && worth(r.best) >= worth(e) {
		discard(e)
		return
	}
	discard(r.best)
	r.best = e
}

func worth(e *ended) int {
	switch {
	case e.resp.ErrorClass == events.ErrorCredential:
		return 1
	case e.resp.StatusCode == 429:
		return 4
	case e.resp.StatusCode != 0:
		return 3
	case e.resp.ErrorClass == events.ErrorTimeout:
		return 2
	}
	return 0
}

// discard gives back what an answer that nobody will see holds.
func discard(e *ended) {
	if e != nil && e.resp.Release != nil {
		e.resp.Release()
		e.resp.Release, e.resp.Body = nil, nil
	}
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
	r.over = true
	relay.attempt = r.attempts // it may be an earlier one that tells the client most
	s := step{kind: stepOver, end: relay}
	if err != nil {
		s.err = err
	}
	r.steps <- s
	r.root.Stop(r.self)
}

// giveUp ends a request between two attempts: its client is gone, or the time is up.
func (r *requestActor) giveUp(cause error) {
	r.over = true
	err := cancelError(cause)
	discard(r.best)
	if e := (&ended{resp: &adapters.ProviderResponse{}, err: cause}); r.begun {
		r.close(e, err)
	} else {
		closed := r.closing(e, err)
		_ = r.f.o.Recorder.Refuse(&r.accept, closed)
		r.closed(closed)
	}
	r.steps <- step{kind: stepOver, err: err}
	r.root.Stop(r.self)
}

// refuse ends a request before any attempt: it is accepted and closed in one record.
func (r *requestActor) refuse(err error) {
	r.over = true
	e := adapters.AsError(err)
	closed := r.closing(&ended{resp: &adapters.ProviderResponse{}}, e)
	if recordErr := r.f.o.Recorder.Refuse(&r.accept, closed); recordErr != nil {
		err = accountingError(recordErr)
	}
	r.closed(closed)
	r.steps <- step{kind: stepOver, err: err}
	r.root.Stop(r.self)
}

// unrecorded ends a request whose intent the journal could not keep. The journal has closed what it had begun.
func (r *requestActor) unrecorded(cause error) {
	r.over = true
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
	r.steps <- step{kind: stepOver, err: err}
	r.root.Stop(r.self)
}

func (r *requestActor) releasePermit(report health.Report) {
	if r.provider != nil {
		r.root.Send(r.provider, release{r.permit, report})
		r.provider = nil
	}
}
