package sim

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// told tells a watch and its books what actors would do, right or wrong.
type told struct {
	*Watch
	books *Books
	now   time.Time
	r     *adapters.Registry
	e     *adapters.Endpoint
}

func newTold() *told {
	began := time.Now()
	e := &adapters.Endpoint{Name: "e1", MaxConcurrency: 2}
	w := newWatch(began)
	return &told{w, newBooks(w), began, &adapters.Registry{Name: "r1", Endpoints: []*adapters.Endpoint{e}}, e}
}

// after lets time pass.
func (d *told) after(t time.Duration) {
	time.Sleep(t)
	d.now = time.Now()
}

// ask lets a request in that may have two attempts within ten seconds.
func (d *told) ask(id string) {
	d.arrives(d.now, id, &routing.Consumer{Retry: routing.RetryPolicy{MaxAttempts: 2, Budget: 10 * time.Second}})
}

func (d *told) start(id string, n uint16) *events.Start {
	return &events.Start{RequestID: id, Attempt: n, Registry: "r1", Endpoint: "e1", SentModel: "m"}
}

// begin begins an attempt.
func (d *told) begin(id string, n uint16) {
	if n == 1 {
		_, _ = d.books.Begin(context.Background(), &events.Accept{RequestID: id}, d.start(id, n))
	} else {
		_, _ = d.books.Start(context.Background(), d.start(id, n))
	}
	d.begins(d.now, id, &adapters.Target{Registry: d.r, Endpoint: d.e, SentModel: "m", Attempt: n})
}

// end ends an attempt, and settles it.
func (d *told) end(id string, n uint16, outcome events.AttemptOutcome, class events.ErrorClass, retryAfter time.Duration) {
	d.ends(d.e, id, n, retryAfter)
	e := &events.AttemptSettled{Accept: events.Accept{RequestID: id}, Outcome: outcome, ErrorClass: class}
	e.SetStart(d.start(id, n))
	d.books.Settle(e)
}

func (d *told) close(id string, attempts uint16) {
	d.books.Close(&events.RequestClosed{Accept: events.Accept{RequestID: id}, Attempts: attempts})
}

// one is a request with one attempt, from its beginning to its end.
func (d *told) one(id string, outcome events.AttemptOutcome, class events.ErrorClass) {
	d.ask(id)
	d.begin(id, 1)
	d.end(id, 1, outcome, class, 0)
	d.close(id, 1)
}

// fail has five fail in a row.
func (d *told) fail(class events.ErrorClass) {
	for _, id := range []string{"f1", "f2", "f3", "f4", "f5"} {
		d.one(id, events.AttemptRetryable, class)
	}
}

func (d *told) says(inFlight, available, refused float64) {
	d.compare(d.now, &routing.Snapshot{Registries: map[string]*adapters.Registry{"r1": d.r}}, gauges{
		inFlight:  map[string]float64{"r1/e1": inFlight},
		available: map[string]float64{"r1/e1": available},
		refused:   map[string]float64{"r1/e1": refused},
	})
}

// For each rule a decision that breaks it, and is caught; beside each one that is right.
func TestAWrongDecisionIsCaught(t *testing.T) {
	const ok, failed, cancelled = events.AttemptSuccess, events.AttemptRetryable, events.AttemptCancelled
	for name, c := range map[string]struct {
		does func(d *told)
		want string // what is said; empty: nothing is wrong
	}{
		"two attempts": {func(d *told) {
			d.ask("q")
			d.begin("q", 1)
			d.end("q", 1, failed, events.ErrorTransport, 0)
			d.begin("q", 2)
			d.end("q", 2, ok, "", 0)
			d.close("q", 2)
			d.says(0, 1, 0)
		}, ""},
		"an attempt too many": {func(d *told) {
			d.ask("q")
			for n := range uint16(3) {
				d.begin("q", n+1)
				d.end("q", n+1, failed, events.ErrorTransport, 0)
			}
			d.close("q", 3)
		}, "is attempt 3 of at most 2"},
		"an attempt behind the budget": {func(d *told) {
			d.ask("q")
			d.begin("q", 1)
			d.end("q", 1, failed, events.ErrorTransport, 0)
			d.after(10 * time.Second)
			d.begin("q", 2)
			d.end("q", 2, ok, "", 0)
			d.close("q", 2)
		}, "begins 10s after its request"},
		"an attempt after a success": {func(d *told) {
			d.ask("q")
			d.begin("q", 1)
			d.end("q", 1, ok, "", 0)
			d.begin("q", 2)
			d.end("q", 2, ok, "", 0)
			d.close("q", 2)
		}, `after one whose outcome is "success"`},
		"an endpoint that is out": {func(d *told) {
			d.one("p", failed, events.ErrorCredential)
			d.one("q", ok, "")
		}, "which is out"},
		"an endpoint that was out before a reload": {func(d *told) {
			d.one("p", failed, events.ErrorCredential)
			d.reloaded()
			d.one("q", ok, "")
		}, ""},
		"an open breaker": {func(d *told) {
			d.fail(events.ErrorOverloaded)
			d.after(time.Second - 1)
			d.one("q", ok, "")
		}, "whose breaker for m is open"},
		"an open breaker of all models": {func(d *told) {
			d.fail(events.ErrorTransport)
			d.one("q", ok, "")
		}, "whose breaker is open"},
		"a probe": {func(d *told) {
			d.fail(events.ErrorOverloaded)
			d.after(time.Second)
			d.one("q", ok, "")
			d.one("r", ok, "")
		}, ""},
		"two probes": {func(d *told) {
			d.fail(events.ErrorOverloaded)
			d.after(time.Second)
			d.ask("q")
			d.begin("q", 1)
			d.one("r", ok, "")
			d.end("q", 1, ok, "", 0)
			d.close("q", 1)
		}, "whose breaker for m is open"},
		"half of twenty": {func(d *told) {
			for range 10 {
				d.one("p", ok, "")
				delete(d.books.done, "p")
				d.one("q", failed, events.ErrorTimeout)
				delete(d.books.done, "q")
			}
			d.one("r", ok, "")
		}, "whose breaker for m is open"},
		"a client's cancellation counts": {func(d *told) {
			for _, id := range []string{"1", "2", "3", "4", "5"} {
				d.one(id, cancelled, "")
			}
			d.says(0, 1, 1)
		}, "refuses 1 models, and must refuse 0"},
		"before Retry-After": {func(d *told) {
			d.ask("q")
			d.begin("q", 1)
			d.end("q", 1, failed, events.ErrorRateLimited, 3*time.Second)
			d.after(3*time.Second - 1)
			d.begin("q", 2)
			d.end("q", 2, ok, "", 0)
			d.close("q", 2)
		}, "which said to wait"},
		"after Retry-After": {func(d *told) {
			d.ask("q")
			d.begin("q", 1)
			d.end("q", 1, failed, events.ErrorRateLimited, 3*time.Second)
			d.says(0, 1, 1)
			d.after(3 * time.Second)
			d.begin("q", 2)
			d.end("q", 2, ok, "", 0)
			d.close("q", 2)
		}, ""},
		"an endpoint that is kept away from for no reason": {func(d *told) {
			d.one("q", ok, "")
			d.says(0, 0, 0)
		}, "is available: false, and must be: true"},
		"a permit too many": {func(d *told) {
			for _, id := range []string{"p", "q", "r"} {
				d.ask(id)
				d.begin(id, 1)
			}
			for _, id := range []string{"p", "q", "r"} {
				d.end(id, 1, ok, "", 0)
				d.close(id, 1)
			}
		}, "makes 3 calls at r1/e1 of 2"},
		"a permit that leaked": {func(d *told) {
			d.one("q", ok, "")
			d.says(1, 1, 0)
		}, "has 1 permits given out for 0 calls"},
		"permits below zero": {func(d *told) {
			d.one("q", ok, "")
			d.says(-1, 1, 0)
		}, "has -1 permits given out for 0 calls"},
		"a call that ends twice": {func(d *told) {
			d.one("q", ok, "")
			d.ends(d.e, "q", 1, 0)
		}, "has -1 calls"},
		"an attempt that is settled twice": {func(d *told) {
			d.ask("q")
			d.begin("q", 1)
			d.begin("q", 2)
			d.end("q", 1, ok, "", 0)
			d.end("q", 2, ok, "", 0)
			d.end("q", 2, ok, "", 0)
			d.close("q", 2)
		}, "q/2 is settled and not open"},
		"an attempt that is never settled": {func(d *told) {
			d.ask("q")
			d.begin("q", 1)
			d.ends(d.e, "q", 1, 0)
			d.close("q", 1)
		}, "q is closed with 1 attempts open"},
		"a request that is closed twice": {func(d *told) {
			d.one("q", ok, "")
			d.close("q", 1)
		}, "q is closed and not open"},
		"a request that is never closed": {func(d *told) {
			d.ask("q")
			d.begin("q", 1)
			d.end("q", 1, ok, "", 0)
		}, "q is never closed"},
		"attempts that nobody counted": {func(d *told) {
			d.ask("q")
			d.begin("q", 1)
			d.end("q", 1, ok, "", 0)
			d.close("q", 0)
		}, "q is closed with 0 attempts of 1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newTold()
				c.does(d)
				d.books.over()
				said := strings.Join(d.Broken, "\n")
				if c.want == "" && said != "" || !strings.Contains(said, c.want) {
					t.Errorf("said %q, want %q", said, c.want)
				}
			})
		})
	}
}
