package actors

import (
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/actors/health"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// choice is what a request has found out about its candidates.
type choice struct {
	from   int // the first candidate that may be asked
	at     int // the one that is
	tried  []*adapters.Endpoint
	round  int
	asked  int     // picks that are not answered yet; the actor outlives them all
	queued []*pick // those among them that wait for a permit
	waits  int     // numbers the waits of the calling goroutine
	placed bool    // an attempt is under way

	// Of this round:
	available time.Duration // until the soonest endpoint
	someCome  bool          // one will be available
	busy      []int         // candidates at which it may wait for a permit
	limited   bool          // some were limited,
	otherwise bool          // some refused for another reason

	failures []routing.Trigger    // the kinds of failure so far
	failed   []*adapters.Registry // at which an attempt failed
	paid     *adapters.Registry   // whose retry is taken for the pick under way

	limitedUntil time.Time           // the soonest end of a limit that an answer spoke of
	told         []events.Considered // for the request's event
}

// choose asks the current candidate's balancer for an endpoint.
func (r *requestActor) choose() {
	for ; r.at < len(r.route.Candidates); r.at++ {
		if why := r.passOver(&r.route.Candidates[r.at]); why != "" {
			c := &r.route.Candidates[r.at]
			r.consider(events.Considered{Registry: c.Registry.Name, Model: c.SentModel, Reason: why})
			continue
		}
		r.ask(r.at, pick{})
		return
	}
	r.nextRound()
}

// ask sends a candidate's balancer the question for an endpoint.
func (r *requestActor) ask(at int, p pick) {
	c := &r.route.Candidates[at]
	root, self := r.root, r.self
	p.at, p.consumer, p.request, p.attempt = at, r.in.Consumer.Name, r.about(c), r.attempts+1
	p.only, p.tried = c.Endpoint, slices.Clone(r.tried)
	p.reply = func(p picked) { root.Send(self, p) }
	if p.wait {
		r.queued = append(r.queued, &p)
	}
	r.asked++
	root.Send(r.gen.registries[c.Registry].balancer, &p)
}

// passOver says why a candidate is not even asked.
func (r *requestActor) passOver(c *routing.Candidate) events.Reason {
	if len(c.On) > 0 && !slices.ContainsFunc(c.On, r.happened) {
		return events.NotTriggered
	}
	r.paid = nil
	if slices.Contains(r.failed, c.Registry) {
		if !r.gen.registries[c.Registry].retries.Take(r.f.o.Now()) {
			r.otherwise = true
			return events.NoRetryLeft
		}
		r.paid = c.Registry
	}
	return ""
}

// happened says whether a kind of failure has been met. What a limit keeps from being asked counts as what set the limit.
func (r *requestActor) happened(t routing.Trigger) bool {
	switch t {
	case routing.OnUnavailable:
		return r.limited || r.otherwise || len(r.busy) > 0
	case routing.OnHTTP429:
		return r.limited || slices.Contains(r.failures, t)
	}
	return slices.Contains(r.failures, t)
}

// picked takes an answer to a pick.
func (r *requestActor) picked(p picked) {
	r.asked--
	if p.waited {
		r.queued = slices.DeleteFunc(r.queued, func(q *pick) bool { return q.at == p.at })
	}
	switch {
	case p.hedge:
		r.pickedHedge(p)
	case r.over || r.placed:
		if p.endpoint != nil { // it came too late
			r.root.Send(p.provider, release{permit: p.permit, report: health.Report{Cancelled: true}})
		}
		r.stopWhenAnswered()
	case p.endpoint != nil:
		r.considered(p)
		r.place(p)
	case p.waited:
		r.waitedInVain(p)
	default:
		r.considered(p)
		r.none(p)
		r.at++
		r.choose()
	}
}

// none takes note of a candidate that has no endpoint now.
func (r *requestActor) none(p picked) {
	r.refund()
	if !p.never && (!r.someCome || p.available < r.available) {
		r.someCome, r.available = true, p.available
	}
	if p.busy {
		r.busy = append(r.busy, p.at)
	}
	r.limited, r.otherwise = r.limited || p.limited, r.otherwise || p.otherwise
}

// refund gives a retry back that is not made.
func (r *requestActor) refund() {
	if r.paid != nil {
		r.gen.registries[r.paid].retries.Return()
		r.paid = nil
	}
}

// place begins an attempt at the endpoint that gave a permit.
func (r *requestActor) place(p picked) {
	r.leaveQueues()
	if p.at != r.at { // it waited there, and another is asked meanwhile
		r.refund()
	}
	r.placed, r.paid, r.at = true, nil, p.at
	if r.attempts == 0 {
		r.leftBehind()
	}
	s := r.attempt(p)
	if !r.begun {
		s.accept = &r.accept
	}
	s.hedge = r.hedgeAfter(p)
	r.next(s)
}

// leftBehind tells of those of the pool that were not even asked.
func (r *requestActor) leftBehind() {
	for _, c := range r.route.Candidates[r.at+1:] {
		if !c.Fallback {
			r.consider(events.Considered{Registry: c.Registry.Name, Model: c.SentModel, Reason: events.Behind})
		}
	}
}

// attempt opens an attempt.
func (r *requestActor) attempt(p picked) step {
	candidate := r.route.Candidates[p.at]
	r.tried = append(r.tried, p.endpoint)
	r.attempts++
	t := &r.first
	if r.attempts > 1 {
		t = new(try)
	}
	t.provider, t.permit = p.provider, p.permit
	t.target = &adapters.Target{
		Registry: candidate.Registry, Endpoint: p.endpoint, SentModel: candidate.SentModel, Attempt: r.attempts,
	}
	t.start = &events.Start{
		RequestID: r.in.Request.ID, Attempt: r.attempts, Provider: candidate.Registry.Provider.Name(),
		Registry: candidate.Registry.Name, Endpoint: p.endpoint.Name, SentModel: bounded(candidate.SentModel),
		EstimatedInputTokens: r.in.Request.EstimateInputTokens(), OutputLimit: r.in.Request.OutputLimit,
		StartedAt: r.f.o.Now(), Beside: len(r.tries) > 0,
	}
	if r.tries == nil {
		r.tries = r.room[:0]
	}
	r.tries = append(r.tries, t)
	return step{kind: stepAttempt, target: t.target, start: t.start, provider: p.provider, permit: p.permit}
}

// nextRound goes back to where it failed, after a pause, or waits for a permit, while the budget holds.
func (r *requestActor) nextRound() {
	now := r.f.o.Now()
	wait, ok := r.budget.Next(now, int(r.attempts), r.round, r.available)
	ok = ok && r.someCome
	if len(r.busy) > 0 && r.budget.More(now, int(r.attempts)) {
		if left := r.budget.Until.Sub(now); !ok || wait > left {
			wait = left
		}
		for _, at := range r.busy {
			r.ask(at, pick{wait: true})
		}
		ok = true
	}
	if !ok {
		r.nobody()
		return
	}
	r.waits++
	r.next(step{kind: stepWait, wait: wait, n: r.waits})
}

// pauseOver takes the end of a pause.
func (r *requestActor) pauseOver(m waited) {
	switch {
	case r.over || r.placed || m.n != r.waits: // it ended otherwise meanwhile
	case m.err != nil:
		r.giveUp(m.err)
	case !r.budget.More(r.f.o.Now(), int(r.attempts)):
		r.nobody()
	default:
		r.again()
	}
}

// waitedInVain takes the answer that a permit is not to be waited for: the queue is full, or what kept it busy has ended otherwise.
func (r *requestActor) waitedInVain(p picked) {
	switch {
	case p.left:
	case !p.busy:
		r.considered(p)
		r.again()
	case len(r.queued) == 0 && !r.someCome:
		r.nobody()
	}
}

// again begins a new round.
func (r *requestActor) again() {
	r.leaveQueues()
	r.waits++ // the pause is over
	r.at, r.tried, r.available, r.someCome, r.busy, r.limited, r.otherwise = r.from, nil, 0, false, nil, false, false
	r.round++
	r.choose()
}

// leaveQueues takes the request out of every queue. Each still answers.
func (r *requestActor) leaveQueues() {
	for _, q := range r.queued {
		r.root.Send(r.gen.registries[r.route.Candidates[q.at].Registry].balancer, &leave{q})
	}
	r.queued = nil
}

// stopWhenAnswered ends the actor of a request that is over, once nobody can give it a permit any more.
func (r *requestActor) stopWhenAnswered() {
	if r.over && r.asked == 0 {
		r.root.Stop(r.self)
	}
}

// next tells the calling goroutine what to do. What it has not read yet is a wait, which this step ends.
func (r *requestActor) next(s step) {
	for {
		select {
		case r.steps <- s:
			return
		default:
		}
		select {
		case <-r.steps:
		default:
		}
	}
}
