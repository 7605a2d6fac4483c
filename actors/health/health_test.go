package health

import (
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/events"
)

var now = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func TestPermitsNeverExceedTheLimitNorLeak(t *testing.T) {
	e := Endpoint{Limit: 2}
	for i, want := range []bool{true, true, false} {
		if e.Acquire(now) != want {
			t.Fatalf("permit %d of 2: %v", i+1, !want)
		}
	}
	e.Release(now, Report{})
	if !e.Acquire(now) {
		t.Error("a permit given back is not given out again")
	}
	e.Release(now, Report{})
	e.Release(now, Report{})
	if n := e.Status().InFlight; n != 0 {
		t.Errorf("%d in flight", n)
	}
}

func TestCooldown(t *testing.T) {
	fail := func(e *Endpoint, r Report) time.Duration {
		r.Held = true
		e.Acquire(now)
		e.Release(now, r)
		return e.cool.Sub(now)
	}
	e := &Endpoint{}
	if d := fail(e, Report{Class: events.ErrorRateLimited, RetryAfter: 7 * time.Second}); d != 7*time.Second {
		t.Errorf("Retry-After of 7 s cools for %v", d)
	}
	if e.Acquire(now.Add(6*time.Second)) || !e.Acquire(now.Add(7*time.Second)) {
		t.Error("the cooldown does not end when it should")
	}
	e = &Endpoint{}
	for i, want := range []time.Duration{-1, -1, 500 * time.Millisecond, time.Second} {
		if d := fail(e, Report{Class: events.ErrorOverloaded}); d > 0 != (want > 0) || want > 0 && d != want {
			t.Errorf("failure %d cools for %v, want %v", i+1, d, want)
		}
	}
	e = &Endpoint{}
	e.Acquire(now)
	if !e.Release(now, Report{Held: true, Class: events.ErrorCredential}) || e.Acquire(now.Add(time.Hour)) {
		t.Error("a refused credential does not take the endpoint out")
	}
	e = &Endpoint{}
	for range 10 {
		e.Acquire(now)
		e.Release(now, Report{Held: false, Class: events.ErrorTimeout}) // the client's own deadline
	}
	if !e.Acquire(now) {
		t.Error("what others cancelled was held against the endpoint")
	}
}
