// Package health is the state of one endpoint as a machine over a clock: permits, cooldown, and whether its credential works.
package health

import (
	"time"

	"github.com/tollhouse/tollhouse/events"
)

// Endpoint is the state of one endpoint. It belongs to one actor, which alone changes it.
type Endpoint struct {
	Limit    int // permits at once; 0: no limit
	inFlight int
	cool     time.Time // nobody is sent there before
	out      bool      // its credential was refused
	failures int       // in a row
}

// Status is a copy for others to read.
type Status struct {
	InFlight int
	Full     bool
	Cool     time.Time
	Out      bool
}

// Status returns a copy.
func (e *Endpoint) Status() Status {
	return Status{InFlight: e.inFlight, Full: e.Limit > 0 && e.inFlight >= e.Limit, Cool: e.cool, Out: e.out}
}

// Available reports whether a request may be sent there now.
func (s Status) Available(now time.Time) bool { return !s.Out && !s.Full && !now.Before(s.Cool) }

// Acquire takes a permit, if there is one.
func (e *Endpoint) Acquire(now time.Time) bool {
	if !e.Status().Available(now) {
		return false
	}
	e.inFlight++
	return true
}

// Readmit lets an endpoint be tried again whose credential was refused.
func (e *Endpoint) Readmit() { e.out = false }

// Report is what came of an attempt, as far as the endpoint's health is concerned.
type Report struct {
	Held       bool // against the endpoint: not a success, and not cancelled by anybody else
	Class      events.ErrorClass
	RetryAfter time.Duration
}

// Cooldown of failures in a row: none for the first two, then doubling.
const (
	patience     = 3
	firstCool    = 500 * time.Millisecond
	lastCool     = 30 * time.Second
	limitedCool  = time.Second // a 429 that does not say for how long
	maxCooldowns = 10
)

// Release gives a permit back. It reports whether the endpoint went out just now.
func (e *Endpoint) Release(now time.Time, r Report) (wentOut bool) {
	e.inFlight--
	if !r.Held {
		if r.Class == "" {
			e.failures = 0
		}
		return false
	}
	e.failures++
	cool := r.RetryAfter
	switch {
	case r.Class == events.ErrorCredential:
		wentOut, e.out = !e.out, true
		return wentOut
	case cool == 0 && r.Class == events.ErrorRateLimited:
		cool = limitedCool
	case cool == 0 && e.failures >= patience:
		cool = min(firstCool<<min(e.failures-patience, maxCooldowns), lastCool)
	}
	if until := now.Add(cool); cool > 0 && until.After(e.cool) {
		e.cool = until
	}
	return false
}
