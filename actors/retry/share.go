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

// Share bounds what may be done to a share of what was earned lately. It may be used by many goroutines.
type Share struct {
	each, perSecond, most int64 // thousandths

	mu    sync.Mutex
	saved int64
	at    time.Time
}

// NewShare bounds the retries at one registry to a share of its recent successes, so that its outage is not multiplied by them: a
// success pays for that many; 0 is DefaultShare.
func NewShare(perSuccess float64, now time.Time) *Share {
	if perSuccess == 0 {
		perSuccess = DefaultShare
	}
	return &Share{each: thousandths(perSuccess), perSecond: perSecond * one, most: mostSaved * one, saved: mostSaved * one, at: now}
}

// mostHedges bounds the hedges at once after a quiet time.
const mostHedges = 10

// NewHedges bounds a consumer's hedges to a share of its requests.
func NewHedges(perRequest float64, now time.Time) *Share {
	return &Share{each: thousandths(perRequest), most: mostHedges * one, at: now}
}

func thousandths(v float64) int64 { return int64(math.Round(v * one)) }

// Earn is told of a success, or of a request.
func (s *Share) Earn() {
	s.mu.Lock()
	s.saved = min(s.saved+s.each, s.most)
	s.mu.Unlock()
}

// Take takes one, if there is one.
func (s *Share) Take(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if earned := int64(min(now.Sub(s.at), time.Minute)/time.Microsecond) * s.perSecond / 1e6; earned > 0 {
		s.saved = min(s.saved+earned, s.most)
		s.at = now
	}
	if s.saved < one {
		return false
	}
	s.saved -= one
	return true
}

// Return gives one back that was not used.
func (s *Share) Return() {
	s.mu.Lock()
	s.saved = min(s.saved+one, s.most)
	s.mu.Unlock()
}
