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
	// Random draws from [0, n); nil: from the process's own source.
	Random func(n int64) int64
}

// Next reports how long to wait before going round again after `done` attempts, where the soonest endpoint is available
// after `available`. It is false where the budget does not hold that. The jitter comes on top, as far as the budget holds it: all who
// wait for one endpoint would else be there in the same instant.
func (b Budget) Next(now time.Time, done, round int, available time.Duration) (time.Duration, bool) {
	if done >= b.Attempts {
		return 0, false
	}
	random := b.Random
	if random == nil {
		random = rand.Int64N
	}
	jitter := time.Duration(random(int64(min(first<<min(round, 10), last))))
	room := b.Until.Sub(now) - available
	if jitter < room {
		return available + jitter, true
	}
	if available == 0 || room <= 0 {
		return 0, false
	}
	return available + jitter%room, true
}

// More reports whether another attempt may start now.
func (b Budget) More(now time.Time, done int) bool { return done < b.Attempts && now.Before(b.Until) }
