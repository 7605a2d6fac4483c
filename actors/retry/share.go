package retry

import (
	"math"
	"sync"
	"time"
)

// DefaultShare is how many retries a success at a registry pays for.
const DefaultShare = 0.2

// What a registry's retries may always be, so that one with little traffic can retry at all.
const (
	perSecond = 10
	mostSaved = 100
	one       = 1000 // thousandths
)

// Share bounds the retries at one registry to a share of its recent successes, so that its outage is not multiplied by them. It may be
// used by many goroutines.
type Share struct {
	perSuccess int64 // thousandths of a retry, as saved

	mu    sync.Mutex
	saved int64
	at    time.Time
}

// NewShare makes one in which a success pays for that many retries; 0 is DefaultShare.
func NewShare(perSuccess float64, now time.Time) *Share {
	if perSuccess == 0 {
		perSuccess = DefaultShare
	}
	return &Share{perSuccess: int64(math.Round(perSuccess * one)), saved: mostSaved * one, at: now}
}

// Succeeded is told of an attempt that succeeded.
func (s *Share) Succeeded() {
	s.mu.Lock()
	s.saved = min(s.saved+s.perSuccess, mostSaved*one)
	s.mu.Unlock()
}

// Take takes a retry, if there is one.
func (s *Share) Take(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if earned := min(now.Sub(s.at), time.Minute) * perSecond * one / time.Second; earned > 0 {
		s.saved = min(s.saved+int64(earned), mostSaved*one)
		s.at = now
	}
	if s.saved < one {
		return false
	}
	s.saved -= one
	return true
}

// Return gives a retry back that was not made.
func (s *Share) Return() {
	s.mu.Lock()
	s.saved = min(s.saved+one, mostSaved*one)
	s.mu.Unlock()
}
