package health

import "time"

// When a breaker opens, and for how long: doubling while it does not close.
const (
	inARow     = 5                // failures in a row open it
	sample     = 20               // or half of at least so many, within the window
	windowHalf = 5 * time.Second  // the window is two of these
	firstOpen  = time.Second      //
	lastOpen   = 30 * time.Second //
	// RampUp is how long an endpoint that has recovered gets less than its share.
	RampUp = 10 * time.Second
)

// breaker keeps attempts away from what fails, and finds out by one at a time whether it still does.
//
//	closed     failures in a row, or half of many   → open
//	open       its time has passed                  → half-open
//	half-open  the one attempt that is let through succeeds → closed, ramping up; fails → open, for longer
type breaker struct {
	row     int // failures in a row
	now     half
	before  half
	began   time.Time // of the window's younger half
	open    bool      // or half-open
	until   time.Time // nothing is let through before
	opened  int       // times, since it last closed
	probing bool
	closed  time.Time // again; zero: it was never open
}

// half is the attempts of one half of the window.
type half struct{ good, bad int }

// begin is told that an attempt begins; it reports whether that is the probe.
func (b *breaker) begin() bool {
	if b.open {
		b.probing = true
	}
	return b.open
}

// undecided is told of an attempt of which nothing is known.
func (b *breaker) undecided(probe bool) {
	if probe {
		b.probing = false
	}
}

func (b *breaker) succeeded(now time.Time, probe bool) {
	switch {
	case probe:
		*b = breaker{closed: now}
	case !b.open: // what began before it opened decides nothing
		b.row = 0
		b.turn(now)
		b.now.good++
	}
}

// decided is told of a probe that it has succeeded, before its permit comes back.
func (b *breaker) decided(now time.Time, probe bool) {
	if probe {
		b.succeeded(now, true)
	}
}

func (b *breaker) failed(now time.Time, probe bool) {
	switch {
	case probe:
		b.trip(now)
	case !b.open:
		b.row++
		b.turn(now)
		b.now.bad++
		good, bad := b.now.good+b.before.good, b.now.bad+b.before.bad
		if b.row >= inARow || good+bad >= sample && bad >= good {
			b.trip(now)
		}
	}
}

func (b *breaker) trip(now time.Time) {
	b.open, b.probing = true, false
	b.until = now.Add(min(firstOpen<<min(b.opened, 10), lastOpen))
	b.opened++
}

// turn moves the window on.
func (b *breaker) turn(now time.Time) {
	switch age := now.Sub(b.began); {
	case age >= 2*windowHalf:
		b.before, b.now, b.began = half{}, half{}, now
	case age >= windowHalf:
		b.before, b.now, b.began = b.now, half{}, b.began.Add(windowHalf)
	}
}

// clean says whether there is nothing to be told of it.
func (b *breaker) clean(now time.Time) bool {
	return !b.open && (b.closed.IsZero() || now.Sub(b.closed) >= RampUp)
}
