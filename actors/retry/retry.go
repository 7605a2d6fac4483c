// Package retry bounds the attempts of one request: their number, the time within which one may start, and the pause before
// going back to where one failed.
package retry

import (
	"math/rand/v2"
	"time"
)

// Back-off before an endpoint is tried again, with full jitter.
const (
	first = 100 * time.Millisecond
	last  = 5 * time.Second
)

// Budget is what one request may still spend.
type Budget struct {
	Attempts int       // at most
	Until    time.Time // attempts start before
}

// Next reports how long to wait before going round again after `done` attempts, where the soonest endpoint is available
// after `available`. It is false where the budget does not hold that.
func (b Budget) Next(now time.Time, done, round int, available time.Duration) (time.Duration, bool) {
	if done >= b.Attempts {
		return 0, false
	}
	ceiling := min(first<<min(round, 10), last)
	wait := max(rand.N(ceiling), available)
	return wait, now.Add(wait).Before(b.Until)
}

// More reports whether another attempt may start now.
func (b Budget) More(now time.Time, done int) bool { return done < b.Attempts && now.Before(b.Until) }
