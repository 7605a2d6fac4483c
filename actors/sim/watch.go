package sim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// Watch holds what the actors decide to the rules, by facts alone: which attempt began when and where, and what came of it. It asks
// nothing of the code that it judges.
type Watch struct {
	mu       sync.Mutex
	began    time.Time
	places   map[*adapters.Endpoint]*judged
	attempts map[string]*attempt // by their settlement's id, until that
	requests map[string]*asked   // that are open
	Broken   []string            // rules, the first maxBroken
	Seen     map[string]int      // how often what the rules are about has happened
}

const maxBroken = 20

// judged is one endpoint, as a reload has left it.
type judged struct {
	registry, name string
	limit          int
	live           int // calls
	out            bool
	whole          circuit
	models         map[string]*circuit
	limited        map[string]time.Time
}

type attempt struct {
	at         *judged
	model      string
	retryAfter time.Duration
	unreached  bool // no connection was had
}

// asked is one request.
type asked struct {
	retry    routing.RetryPolicy
	since    time.Time
	attempts int
	last     events.AttemptOutcome // what came of the latest that is settled
	hedges   bool
	running  []*judged // where its attempts are that are open
}

func newWatch(began time.Time) *Watch {
	return &Watch{
		began: began, places: map[*adapters.Endpoint]*judged{}, attempts: map[string]*attempt{}, requests: map[string]*asked{},
		Seen: map[string]int{},
	}
}

func (w *Watch) broken(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong(format, args...)
}

// wrong is broken where the lock is held.
func (w *Watch) wrong(format string, args ...any) {
	if len(w.Broken) < maxBroken {
		w.Broken = append(w.Broken, fmt.Sprintf("%v: ", time.Since(w.began))+fmt.Sprintf(format, args...))
	}
}

func (w *Watch) rule(ok bool, format string, args ...any) {
	if !ok {
		w.wrong(format, args...)
	}
}

func (w *Watch) place(t *adapters.Target) *judged {
	j := w.places[t.Endpoint]
	if j == nil {
		j = &judged{
			registry: t.Registry.Name, name: t.Endpoint.Name, limit: t.Endpoint.MaxConcurrency,
			models: map[string]*circuit{}, limited: map[string]time.Time{},
		}
		w.places[t.Endpoint] = j
	}
	return j
}

func (j *judged) model(name string) *circuit {
	c := j.models[name]
	if c == nil {
		c = &circuit{}
		j.models[name] = c
	}
	return c
}

// arrives is told of a request before it is forwarded.
func (w *Watch) arrives(now time.Time, id string, c *routing.Consumer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests[id] = &asked{retry: c.Retry, since: now, hedges: c.Hedge != nil}
}

// begins is told of an attempt.
func (w *Watch) begins(now time.Time, id string, t *adapters.Target) {
	w.mu.Lock()
	defer w.mu.Unlock()
	j, attemptID := w.place(t), events.SettledEventID(id, t.Attempt)
	w.mayBegin(now, id, attemptID, j)
	where := j.registry + "/" + j.name
	whole, model := &j.whole, j.model(t.SentModel)
	w.rule(!j.out, "%s goes to %s, which is out", attemptID, where)
	w.rule(whole.lets(now), "%s goes to %s, whose breaker is open", attemptID, where)
	w.rule(model.lets(now), "%s goes to %s, whose breaker for %s is open", attemptID, where, t.SentModel)
	w.rule(!now.Before(j.limited[t.SentModel]), "%s goes to %s, which said to wait", attemptID, where)
	if whole.open() || model.open() {
		w.Seen["probe"]++
	}
	whole.begins(attemptID)
	model.begins(attemptID)
	j.live++
	w.rule(j.limit == 0 || j.live <= j.limit, "%s makes %d calls at %s of %d", attemptID, j.live, where, j.limit)
	if j.limit > 0 && j.live == j.limit {
		w.Seen["full"]++
	}
	w.attempts[attemptID] = &attempt{at: j, model: t.SentModel}
}

// mayBegin holds an attempt to its request's budgets.
func (w *Watch) mayBegin(now time.Time, id, attemptID string, j *judged) {
	q := w.requests[id]
	if q == nil {
		w.wrong("%s begins for a request that is closed", attemptID)
		return
	}
	beside := len(q.running)
	q.running = append(q.running, j)
	if q.attempts++; q.attempts == 1 {
		return
	}
	w.rule(q.attempts <= max(q.retry.MaxAttempts, 1), "%s is attempt %d of at most %d", attemptID, q.attempts, q.retry.MaxAttempts)
	w.rule(now.Before(q.since.Add(q.retry.Budget)), "%s begins %v after its request, of %v", attemptID, now.Sub(q.since), q.retry.Budget)
	if beside > 0 {
		w.Seen["hedge"]++
		w.rule(q.hedges && q.attempts == 2, "%s begins while another attempt runs", attemptID)
		w.rule(q.running[0] != j, "%s goes to %s/%s, where the first runs", attemptID, j.registry, j.name)
		return
	}
	w.Seen["retry"]++
	w.rule(q.last == events.AttemptRetryable, "%s begins after one whose outcome is %q", attemptID, q.last)
}

// opens is told that a stream has its first content: that its endpoint works is known from then on.
func (w *Watch) opens(id string, n uint16) {
	w.mu.Lock()
	defer w.mu.Unlock()
	attemptID := events.SettledEventID(id, n)
	if a := w.attempts[attemptID]; a != nil {
		a.at.whole.opens(attemptID)
		a.at.model(a.model).opens(attemptID)
	}
}

// unreached is told that an attempt had no connection.
func (w *Watch) unreached(id string, n uint16) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a := w.attempts[events.SettledEventID(id, n)]; a != nil {
		a.unreached = true
	}
}

// ends is told that a call is over, before its settlement.
func (w *Watch) ends(e *adapters.Endpoint, id string, n uint16, retryAfter time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	j := w.places[e]
	j.live--
	w.rule(j.live >= 0, "%s/%s has %d calls", j.registry, j.name, j.live)
	if a := w.attempts[events.SettledEventID(id, n)]; a != nil {
		a.retryAfter = retryAfter
	}
}

// How long a 429 that does not say, and one that says too much, is believed.
const (
	untold  = time.Second
	longest = 10 * time.Minute
)

// settled is told what came of an attempt, and draws the conclusions that the actors must draw.
func (w *Watch) settled(now time.Time, e *events.AttemptSettled) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := events.SettledEventID(e.RequestID, e.Attempt)
	a := w.attempts[id]
	if a == nil {
		return // it was never made; the books say whether that is right
	}
	delete(w.attempts, id)
	if q := w.requests[e.RequestID]; q != nil {
		q.last = e.Outcome
		if i := slices.Index(q.running, a.at); i >= 0 {
			q.running = slices.Delete(q.running, i, i+1)
		}
	}
	w.Seen[string(e.Outcome)+" "+string(e.ErrorClass)]++
	j, m := a.at, a.at.model(a.model)
	wasOpen := j.whole.openings + m.openings
	held := e.Outcome == events.AttemptRetryable
	cool := min(a.retryAfter, longest)
	switch {
	case e.Outcome == events.AttemptCancelled, e.ErrorClass == events.ErrorInternal:
		j.whole.ends(now, id, false, false)
		m.ends(now, id, false, false)
	case held && e.ErrorClass == events.ErrorCredential:
		j.whole.ends(now, id, false, false)
		m.ends(now, id, false, false)
		j.out = true
	case held && (e.ErrorClass == events.ErrorTransport || a.unreached):
		j.whole.ends(now, id, false, true)
		m.ends(now, id, false, false)
	case held && e.ErrorClass == events.ErrorRateLimited:
		j.whole.ends(now, id, true, true)
		m.ends(now, id, false, false)
		w.wait(j, a.model, now.Add(cmp.Or(cool, untold)))
	case held:
		j.whole.ends(now, id, true, true)
		m.ends(now, id, false, true)
		w.wait(j, a.model, now.Add(cool))
	default:
		j.whole.ends(now, id, true, true)
		m.ends(now, id, true, true)
	}
	if j.whole.openings+m.openings > wasOpen {
		w.Seen["opened"]++
	}
}

func (w *Watch) wait(j *judged, model string, until time.Time) {
	if until.After(j.limited[model]) {
		j.limited[model] = until
	}
}

// closes is told that a request is over.
func (w *Watch) closes(c *events.RequestClosed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.requests, c.RequestID)
}

// reloaded is told that the configuration was read anew: refused credentials may be good now.
func (w *Watch) reloaded() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, j := range w.places {
		j.out = false
	}
}

// gauges is what the forwarder publishes of its endpoints, by registry/endpoint.
type gauges struct{ inFlight, available, refused map[string]float64 }

// compare holds what the forwarder says of its endpoints in a quiet instant to what must be so, in both directions: an endpoint that is kept
// away from for no reason is as wrong as one that is used and must not be.
func (w *Watch) compare(now time.Time, current *routing.Snapshot, g gauges) {
	w.mu.Lock()
	defer w.mu.Unlock()
	live := map[string]int{}
	for _, j := range w.places {
		live[j.registry+"/"+j.name] += j.live
	}
	for _, name := range slices.Sorted(maps.Keys(g.inFlight)) {
		w.rule(int(g.inFlight[name]) == live[name], "%s has %v permits given out for %d calls", name, g.inFlight[name], live[name])
		delete(live, name)
	}
	for name, n := range live {
		w.rule(n == 0, "%s is gone with %d calls", name, n)
	}
	for _, r := range current.Registries {
		for _, e := range r.Endpoints {
			name := r.Name + "/" + e.Name
			available, refused := w.state(now, w.places[e])
			said := g.available[name] == 1
			w.rule(said == available, "%s is available: %v, and must be: %v", name, said, available)
			w.rule(int(g.refused[name]) == refused, "%s refuses %v models, and must refuse %d", name, g.refused[name], refused)
		}
	}
}

// state is whether an endpoint takes requests, and how many models it refuses.
func (w *Watch) state(now time.Time, j *judged) (available bool, refused int) {
	if j == nil { // never used
		return true, 0
	}
	models := map[string]bool{}
	for name, c := range j.models {
		if c.open() && now.Before(c.until) {
			models[name] = true
		}
	}
	for name, until := range j.limited {
		if now.Before(until) {
			models[name] = true
		}
	}
	return !j.out && j.whole.lets(now) && (j.limit == 0 || j.live < j.limit), len(models)
}
