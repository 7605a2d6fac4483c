package retry

import (
	"testing"
	"time"
)

func TestShareOfSuccesses(t *testing.T) {
	now := time.Unix(0, 0)
	s := NewShare(0, now)
	spend := func() (n int) {
		for s.Take(now) {
			n++
		}
		return n
	}
	if got := spend(); got != mostSaved {
		t.Errorf("%d retries at the start", got)
	}
	for range 50 {
		s.Earn()
	}
	if got := spend(); got != 10 {
		t.Errorf("50 successes paid for %d retries, want 10", got)
	}
	now = now.Add(time.Second)
	if got := spend(); got != perSecond {
		t.Errorf("a second paid for %d retries, want %d", got, perSecond)
	}
	s.Return()
	if got := spend(); got != 1 {
		t.Errorf("one that was given back makes %d", got)
	}
	for range 10_000 {
		s.Earn()
	}
	now = now.Add(time.Hour)
	if got := spend(); got != mostSaved {
		t.Errorf("%d were saved: long ago is not recent", got)
	}
}

func TestHedgesAreAShareOfRequests(t *testing.T) {
	now := time.Unix(0, 0)
	s := NewHedges(0.05, now)
	done := 0
	for range 1000 {
		s.Earn()
		now = now.Add(time.Second)
		if s.Take(now) {
			done++
		}
	}
	if done != 50 {
		t.Errorf("%d hedges of 1,000 requests, want 50", done)
	}
	for range 1000 {
		s.Earn()
	}
	for done = 0; s.Take(now); done++ {
	}
	if done != mostHedges {
		t.Errorf("%d hedges at once", done)
	}
}
