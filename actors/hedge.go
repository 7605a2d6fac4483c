package actors

import (
	"context"
	"time"

	"github.com/tollhouse/tollhouse/actors/balance"
	"github.com/tollhouse/tollhouse/actors/retry"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// A hedge is a second attempt beside a first that takes longer than nearly all do where it went. Who answers first has the request; the
// other is cancelled, and settled with what it cost. The calling goroutine runs the race, the actor decides whether there is one:
//
//	step attempt, with hedge > 0 → both wait for the first answer
//	hedgeDue                     → the actor answers with a step: attempt, or no hedge
//	ended, of one beside another → settled at once, unless it is the request's answer: then it is held until the others have ended

// hedgeDue says that the first attempt takes long.
type hedgeDue struct{}

// hedging is how far the actor is with finding a second endpoint.
type hedging struct{ at int }

// hedgeAfter says how long an answer may take before a second attempt runs beside the first; 0: none will.
func (r *requestActor) hedgeAfter(p picked) time.Duration {
	req := r.in.Request
	if r.in.Consumer.Hedge == nil || r.attempts > 1 {
		return 0
	}
	r.hedges().Earn()
	if req.Operation == adapters.OperationStored || req.Keeps || req.PreviousResponse != "" { // two answers would be kept
		return 0
	}
	return p.slow
}

// hedges is what the consumer may still hedge.
func (r *requestActor) hedges() *retry.Share { return r.gen.hedges[r.in.Consumer] }

// hedge looks for a second endpoint, and answers the calling goroutine in any case.
func (r *requestActor) hedge() {
	now := r.f.o.Now()
	if !r.budget.More(now, int(r.attempts)) || len(r.tries) != 1 || !r.hedges().Take(now) {
		r.next(step{kind: stepNoHedge})
		return
	}
	r.hedging.at = -1
	r.nextHedge()
}

func (r *requestActor) nextHedge() {
	for r.hedging.at++; r.hedging.at < len(r.route.Candidates); r.hedging.at++ {
		if c := &r.route.Candidates[r.hedging.at]; !c.Fallback && r.affordable(c) {
			r.ask(r.hedging.at, pick{hedge: true})
			return
		}
	}
	r.hedges().Return()
	r.next(step{kind: stepNoHedge})
}

// affordable says whether a second attempt may cost what it is expected to, there. What nobody knows the price of may not.
func (r *requestActor) affordable(c *routing.Candidate) bool {
	most := r.in.Consumer.Hedge.MaxCost
	if most == 0 {
		return true
	}
	var q balance.Request
	r.price(&q, c)
	if q.Price != nil && q.Price.Cost(q.Input, 0, q.Output) <= most {
		return true
	}
	r.consider(events.Considered{Registry: c.Registry.Name, Model: c.SentModel, Reason: events.TooDear})
	return false
}

// pickedHedge takes the answer to the question for a second endpoint.
func (r *requestActor) pickedHedge(p picked) {
	r.considered(p)
	if p.endpoint == nil {
		r.nextHedge()
		return
	}
	r.next(r.attempt(p))
}

// endedBeside takes what came of an attempt while another is open.
func (r *requestActor) endedBeside(t *try, e *ended) {
	switch {
	case e.decides():
		t.held = e // the calling goroutine has cancelled the others
		return
	case e.err == nil || !adapters.Cancelled(e.err):
		r.goesOn(t, e)
		r.keepBest(e)
	}
	r.settle(t, e, nil, nil)
	if e != r.best {
		discard(e)
	}
	r.finishHeld()
}

// finishHeld ends the request with the answer that waited for the others to end.
func (r *requestActor) finishHeld() {
	if len(r.tries) == 1 && r.tries[0].held != nil {
		t := r.tries[0]
		r.finish(t, t.held, t.held)
	}
}

// lap is an attempt of a race that has ended.
type lap struct {
	e *ended
	s step
}

// decides says whether an attempt's end is the request's, whatever another comes to.
func (e *ended) decides() bool {
	return e.committed || (e.err == nil || !adapters.Cancelled(e.err)) && e.resp.Outcome != adapters.OutcomeRetryable
}

// runner is an attempt of a race under way.
type runner struct {
	attempt uint16
	cancel  context.CancelCauseFunc
}

// race makes a call, and another beside it if it takes long. It returns the one that counts, and tells the actor of the other.
func (w *forward) race(first step) lap {
	laps := make(chan lap, 2)
	var runners []runner
	run := func(s step) (failed *ended) {
		if failed = w.record(s); failed != nil {
			return failed
		}
		ctx, cancel := context.WithCancelCause(w.ctx)
		runners = append(runners, runner{s.start.Attempt, cancel})
		go func() { laps <- lap{w.call(ctx, s), s} }()
		return nil
	}
	if failed := run(first); failed != nil {
		return lap{failed, first}
	}
	due := time.NewTimer(first.hedge)
	defer due.Stop()
	for running := 1; ; {
		select {
		case <-due.C:
			w.tell(hedgeDue{})
			if s := <-w.steps; s.kind != stepAttempt {
				continue
			} else if failed := run(s); failed != nil {
				w.tell(failed)
				continue
			}
			running++
		case l := <-laps:
			running--
			if running > 0 && !l.e.decides() { // the other may
				w.tell(l.e)
				continue
			}
			for _, r := range runners {
				if r.attempt != l.s.start.Attempt {
					r.cancel(adapters.ErrLostHedge)
				}
			}
			go w.lost(laps, running)
			return l
		}
	}
}

// lost tells the actor what those came to that lost a race.
func (w *forward) lost(laps <-chan lap, running int) {
	for range running {
		e := (<-laps).e
		if s := e.resp.Stream; s != nil {
			for range s {
				break
			}
		}
		if e.decides() { // it was late by a moment
			e.err = adapters.ErrLostHedge
		}
		w.tell(e)
	}
}
