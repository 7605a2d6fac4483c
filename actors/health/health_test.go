package health

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

var began = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// world is an endpoint and its clock.
type world struct {
	t *testing.T
	Endpoint
	now time.Time
}

func newWorld(t *testing.T, limit int) *world {
	return &world{t: t, Endpoint: Endpoint{Limit: limit}, now: began}
}

func (w *world) after(d time.Duration) *world { w.now = w.now.Add(d); return w }

// attempt makes one that ends at once; it reports whether there was a permit.
func (w *world) attempt(model string, r Report) bool {
	p, ok := w.Acquire(w.now, model)
	if ok {
		w.Release(w.now, p, r)
	}
	return ok
}

func (w *world) wants(model string, want Why, wait time.Duration) {
	w.t.Helper()
	if why, d := w.Status().Refuses(w.now, model); why != want || d != wait {
		w.t.Errorf("after %v %s is refused because of %q for %v, want %q for %v", w.now.Sub(began), model, why, d, want, wait)
	}
}

var (
	good     = Report{}
	bad      = Report{Held: true, Class: events.ErrorOverloaded}
	unknown  = Report{Cancelled: true}
	lost     = Report{Held: true, Class: events.ErrorTransport}
	slow     = Report{Held: true, Class: events.ErrorTimeout}
	refused  = Report{Held: true, Class: events.ErrorCredential}
	tooMany  = Report{Held: true, Class: events.ErrorRateLimited}
	terminal = Report{Class: events.ErrorInvalidRequest}
)

func TestPermitsNeverExceedTheLimitNorLeak(t *testing.T) {
	w := newWorld(t, 2)
	var held []Permit
	for i, want := range []bool{true, true, false} {
		p, ok := w.Acquire(w.now, "m")
		if ok != want {
			t.Fatalf("permit %d of 2: %v", i+1, ok)
		}
		held = append(held, p)
	}
	w.wants("m", Busy, 0)
	w.Release(w.now, held[0], good)
	w.wants("m", "", 0)
	w.Release(w.now, held[1], bad)
	if n := w.Status().InFlight; n != 0 {
		t.Errorf("%d in flight", n)
	}
}

func TestABreakerOpensAndCloses(t *testing.T) {
	w := newWorld(t, 0)
	for range inARow - 1 {
		w.attempt("m", bad)
	}
	w.attempt("m", good) // not in a row any more
	for range inARow {
		w.wants("m", "", 0)
		w.attempt("m", bad)
	}
	w.wants("m", Open, time.Second)
	w.wants("other", "", 0) // the failure is the model's
	w.after(time.Second)
	probe, ok := w.Acquire(w.now, "m")
	if !ok {
		t.Fatal("no probe is let through")
	}
	w.wants("m", Probing, 0)
	w.Release(w.now, probe, bad)
	w.wants("m", Open, 2*time.Second)
	w.after(2 * time.Second)
	probe, _ = w.Acquire(w.now, "m")
	w.Release(w.now, probe, unknown) // its client left: the next one finds out
	w.wants("m", "", 0)
	probe, _ = w.Acquire(w.now, "m")
	w.wants("m", Probing, 0)
	w.Release(w.now, probe, good)
	w.wants("m", "", 0)
	for _, c := range []struct {
		after time.Duration
		share float64
	}{{0, leastShare}, {5 * time.Second, .5}, {5 * time.Second, 1}} {
		if got := w.after(c.after).Status().Share(w.now, "m"); got != c.share {
			t.Errorf("%v after it recovered it takes %v of its share, want %v", w.now.Sub(began), got, c.share)
		}
	}
	for range inARow {
		w.attempt("m", bad)
	}
	w.wants("m", Open, time.Second) // it has closed in between: the time does not go on doubling
}

func TestTheTimeABreakerIsOpenIsBounded(t *testing.T) {
	w := newWorld(t, 0)
	for range 100 {
		w.attempt("m", slow)
		if why, wait := w.Status().Refuses(w.now, "m"); why == Open {
			w.after(wait)
		}
	}
	w.after(-time.Nanosecond)
	if _, wait := w.Status().Refuses(w.now, "m"); wait > lastOpen {
		t.Errorf("open for %v", wait)
	}
}

func TestHalfOfManyOpenIt(t *testing.T) {
	w := newWorld(t, 0)
	for i := range sample {
		w.wants("m", "", 0)
		w.after(100 * time.Millisecond)
		if i%2 == 0 {
			w.attempt("m", bad)
		} else {
			w.attempt("m", good)
		}
	}
	w.attempt("m", bad)
	w.wants("m", Open, time.Second)
	// The same, spread over so long that the window never holds enough.
	w = newWorld(t, 0)
	for i := range 10 * sample {
		w.after(time.Second)
		if i%2 == 0 {
			w.attempt("m", bad)
		} else {
			w.attempt("m", good)
		}
	}
	w.wants("m", "", 0)
}

func TestWhatOneModelCannotEscape(t *testing.T) {
	w := newWorld(t, 0)
	for range inARow {
		w.attempt("m", lost)
	}
	w.wants("m", Open, time.Second)
	w.wants("other", Open, time.Second)
	w.after(time.Second)
	probe, _ := w.Acquire(w.now, "other")
	w.wants("m", Probing, 0)
	w.Release(w.now, probe, bad) // it can be reached: the answer is the model's
	w.wants("m", "", 0)
}

// What began before a breaker opened says nothing of what is now.
func TestLateAnswersDecideNothing(t *testing.T) {
	w := newWorld(t, 0)
	var early []Permit
	for range 2 {
		p, _ := w.Acquire(w.now, "m")
		early = append(early, p)
	}
	for range inARow {
		w.attempt("m", bad)
	}
	w.Release(w.now, early[0], good)
	w.wants("m", Open, time.Second)
	w.after(time.Second)
	w.Release(w.now, early[1], bad)
	w.wants("m", "", 0)
}

func TestWhatTheProviderSaysOfItsLimits(t *testing.T) {
	for name, c := range map[string]struct {
		r    Report
		why  Why
		wait time.Duration
	}{
		"429 that says for how long": {Report{Held: true, Class: events.ErrorRateLimited, RetryAfter: 7 * time.Second}, Limited, 7 * time.Second},
		"429 that does not":          {tooMany, Limited, limitedCool},
		"503 that says for how long": {Report{Held: true, Class: events.ErrorOverloaded, RetryAfter: 3 * time.Second}, Limited, 3 * time.Second},
		"for ever":                   {Report{Held: true, Class: events.ErrorRateLimited, RetryAfter: time.Hour}, Limited, maxCool},
		"no request left": {
			Report{Limits: adapters.Limits{Requests: adapters.Limit{Known: true, Of: 100, Reset: 9 * time.Second}}}, NearlyLimited, 0,
		},
		"hardly a token left": {Report{Limits: adapters.Limits{Tokens: adapters.Limit{Known: true, Remaining: 9, Of: 1000}}}, NearlyLimited, 0},
		"enough left":         {Report{Limits: adapters.Limits{Tokens: adapters.Limit{Known: true, Remaining: 11, Of: 1000}}}, "", 0},
		"terminal":            {terminal, "", 0},
		"unknown":             {unknown, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 0)
			w.attempt("m", c.r)
			w.wants("m", c.why, c.wait)
			w.wants("other", "", 0)
			if c.why == NearlyLimited && !w.attempt("m", good) {
				t.Error("what is only better not to be used cannot be used")
			}
			w.after(max(c.wait, 9*time.Second)).wants("m", "", 0)
		})
	}
	w := newWorld(t, 0)
	for range 100 {
		w.attempt("m", tooMany)
		w.after(limitedCool)
	}
	w.wants("m", "", 0) // being told to wait is no illness
}

func TestARefusedCredential(t *testing.T) {
	w := newWorld(t, 0)
	p, _ := w.Acquire(w.now, "m")
	if !w.Release(w.now, p, refused) || w.attempt("m", good) {
		t.Error("a refused credential does not take the endpoint out")
	}
	w.after(time.Hour).wants("other", OutOfUse, 0)
	w.Readmit()
	w.wants("m", "", 0)
}

func TestModelsAreBounded(t *testing.T) {
	w := newWorld(t, 0)
	for i := range 3 * maxModels {
		w.after(time.Millisecond).attempt(fmt.Sprint("m", i), tooMany)
	}
	if len(w.models) > maxModels || len(w.told) > maxModels {
		t.Errorf("%d models are remembered, %d told of", len(w.models), len(w.told))
	}
	w.wants(fmt.Sprint("m", 3*maxModels-1), Limited, limitedCool)
}

// Whatever happens, permits are neither lost nor made, an open breaker lets one through at a time, and a quiet endpoint comes back.
func TestRandomLives(t *testing.T) {
	reports := []Report{good, bad, unknown, lost, slow, tooMany, terminal}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		w := newWorld(t, 1+r.IntN(5))
		var held []Permit
		for range 500 {
			w.after(time.Duration(r.IntN(400)) * time.Millisecond)
			if r.IntN(2) == 0 || len(held) == 0 {
				if p, ok := w.Acquire(w.now, fmt.Sprint("m", r.IntN(2))); ok {
					held = append(held, p)
				}
			} else {
				i := r.IntN(len(held))
				w.Release(w.now, held[i], reports[r.IntN(len(reports))])
				held = append(held[:i], held[i+1:]...)
			}
			if n := w.Status().InFlight; n != len(held) || n > w.Limit {
				t.Fatalf("seed %d: %d in flight, %d held, %d allowed", seed, n, len(held), w.Limit)
			}
			probes := 0
			for _, p := range held {
				if p.probesWhole && w.whole.open {
					probes++
				}
			}
			if probes > 1 {
				t.Fatalf("seed %d: %d probes at once", seed, probes)
			}
		}
		for _, p := range held {
			w.Release(w.now, p, unknown)
		}
		w.after(lastOpen)
		if !w.attempt("m0", good) || !w.attempt("m1", good) {
			why, wait := w.Status().Refuses(w.now, "m1")
			t.Fatalf("seed %d: it does not come back: %s, %v", seed, why, wait)
		}
	}
}

// A probe that is a stream has succeeded when it begins: what becomes of it much later is an attempt like any other's.
func TestAStreamThatProbesDecidesWhenItBegins(t *testing.T) {
	w := newWorld(t, 0)
	for range inARow {
		w.attempt("m", lost)
	}
	w.wants("m", Open, firstOpen)
	p, ok := w.after(firstOpen).Acquire(w.now, "m")
	if !ok || !p.Probes() {
		t.Fatal("no probe")
	}
	w.wants("m", Probing, 0)
	if !w.Opened(w.now, p, time.Second) {
		t.Error("nobody is told that it works again")
	}
	w.wants("m", "", 0)
	p = p.Decided()
	w.Release(w.after(time.Hour).now, p, bad) // it broke off
	w.wants("m", "", 0)
	if w.Opened(w.now, p, time.Second) || w.Status().InFlight != 0 {
		t.Error("decided twice")
	}
}
