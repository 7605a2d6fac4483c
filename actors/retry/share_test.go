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
		s.Succeeded()
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
		s.Succeeded()
	}
	now = now.Add(time.Hour)
	if got := spend(); got != mostSaved {
		t.Errorf("%d were saved: long ago is not recent", got)
	}
}
