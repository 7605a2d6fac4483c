package actors

import (
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// goesOn says whether another attempt may follow this one, and notes what failed.
func (r *requestActor) goesOn(t *try, e *ended) bool {
	if e.committed || e.err != nil && adapters.Cancelled(e.err) || e.resp.Outcome == adapters.OutcomeSuccess {
		return false
	}
	trigger := triggerOf(e.resp)
	r.failures = append(r.failures, trigger)
	r.failed = append(r.failed, t.target.Registry)
	if e.resp.Outcome == adapters.OutcomeRetryable {
		return trigger == "" || slices.Contains(r.in.Consumer.Retry.On, trigger)
	}
	return r.toFallbackFor(trigger)
}

// triggerOf names the kind of a failure. It is empty where what failed asks for another try itself: a refused credential, since another
// endpoint has another; 408, 409 and 425.
func triggerOf(resp *adapters.ProviderResponse) routing.Trigger {
	switch {
	case resp.ErrorClass == events.ErrorCredential:
		return ""
	case resp.ErrorClass == events.ErrorNotFound:
		return routing.OnNotFound
	case resp.ErrorClass == events.ErrorContentFilter:
		return routing.OnContentFilter
	case resp.ErrorClass == events.ErrorTimeout:
		return routing.OnTimeout
	case resp.ErrorClass == events.ErrorTransport:
		return routing.OnTransport
	case resp.StatusCode == 429:
		return routing.OnHTTP429
	case resp.StatusCode >= 500:
		return routing.OnHTTP5xx
	case resp.StatusCode >= 400:
		return ""
	}
	return routing.OnProviderError
}

// toFallbackFor goes on with the first fallback that names a kind of failure of which nothing before it can do any better.
func (r *requestActor) toFallbackFor(trigger routing.Trigger) bool {
	if trigger != routing.OnNotFound && trigger != routing.OnContentFilter {
		return false
	}
	for i := r.at + 1; i < len(r.route.Candidates); i++ {
		if slices.Contains(r.route.Candidates[i].On, trigger) {
			r.from, r.at = i, i
			return true
		}
	}
	return false
}

// keepBest keeps the failure that tells the client most: a limit that says when, then a provider's own words, then ours.
func (r *requestActor) keepBest(e *ended) {
	if e.resp.StatusCode == 429 {
		if wait := e.resp.RetryAfter; wait > 0 {
			until := r.f.o.Now().Add(wait)
			if r.limitedUntil.IsZero() || until.Before(r.limitedUntil) {
				r.limitedUntil = until
			}
		}
	}
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

// nobody ends a request for which there is no endpoint any more: with the failure that tells most, or with ours.
func (r *requestActor) nobody() {
	if r.best != nil {
		r.finish(nil, nil, r.best)
		return
	}
	err := &adapters.Error{
		Code: adapters.CodeNoBackendAvailable, Cause: ErrNoBackendAvailable, RetryAfter: max(r.available, time.Second),
		Message: "no endpoint that serves this model is available now",
	}
	if r.limited && !r.otherwise && len(r.busy) == 0 {
		err.Code, err.Message = adapters.CodeRateLimited, "every endpoint that serves this model is rate limited by its provider"
	}
	r.refuse(err)
}

// retryAfter is what a client is told that gets a 429: when the soonest endpoint may serve it.
func (r *requestActor) retryAfter(e *ended) time.Duration {
	if e.resp.StatusCode != 429 || r.limitedUntil.IsZero() {
		return 0
	}
	return max(r.limitedUntil.Sub(r.f.o.Now()), time.Second)
}

// consider keeps what was looked at for the attempt that is to be placed.
func (r *requestActor) consider(c events.Considered) {
	c.Attempt = r.attempts + 1
	r.told = events.AddConsidered(r.told, c)
}

func (r *requestActor) considered(p picked) {
	if r.told == nil {
		r.told = p.considered
		return
	}
	for _, c := range p.considered {
		r.told = events.AddConsidered(r.told, c)
	}
}
