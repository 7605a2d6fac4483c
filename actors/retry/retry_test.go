package retry

import (
	"testing"
	"time"
)

func TestBudget(t *testing.T) {
	now := time.Unix(0, 0)
	b := Budget{Attempts: 3, Until: now.Add(10 * time.Second)}
	for range 1000 {
		if d, ok := b.Next(now, 1, 0, 0); !ok || d < 0 || d >= 100*time.Millisecond {
			t.Fatalf("first pause %v, %v", d, ok)
		}
		if d, ok := b.Next(now, 1, 30, 0); !ok || d >= 5*time.Second {
			t.Fatalf("a late pause %v, %v", d, ok)
		}
	}
	waits, late := map[time.Duration]bool{}, map[time.Duration]bool{}
	for range 100 {
		d, ok := b.Next(now, 2, 0, 4*time.Second)
		if !ok || d < 4*time.Second || d >= 4100*time.Millisecond {
			t.Fatalf("Retry-After of 4 s: %v, %v", d, ok)
		}
		waits[d] = true
		d, ok = b.Next(now, 2, 30, 9900*time.Millisecond)
		if !ok || d < 9900*time.Millisecond || d >= 10*time.Second {
			t.Fatalf("Retry-After that just fits: %v, %v", d, ok)
		}
		late[d] = true
	}
	if len(waits) < 50 || len(late) < 50 {
		t.Errorf("those who wait for one endpoint come in %d instants, and near the end of their budgets in %d", len(waits), len(late))
	}
	b.Random = func(n int64) int64 { return n / 2 }
	if d, _ := b.Next(now, 2, 0, time.Second); d != 1050*time.Millisecond {
		t.Errorf("a given source: %v", d)
	}
	if _, ok := b.Next(now, 2, 0, 10*time.Second); ok {
		t.Error("a wait up to the end of the budget was taken")
	}
	// The end of the budget is no reason to go round without a pause.
	if d, ok := b.Next(b.Until.Add(-time.Nanosecond), 2, 0, 0); ok {
		t.Errorf("with a nanosecond left: %v", d)
	}
	if _, ok := b.Next(now, 3, 0, 0); ok || b.More(now, 3) {
		t.Error("a fourth attempt")
	}
	if b.More(now.Add(10*time.Second), 1) {
		t.Error("an attempt behind the budget")
	}
}
