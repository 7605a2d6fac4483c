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
	if d, ok := b.Next(now, 2, 0, 4*time.Second); !ok || d != 4*time.Second {
		t.Errorf("Retry-After of 4 s: %v, %v", d, ok)
	}
	if _, ok := b.Next(now, 2, 0, 10*time.Second); ok {
		t.Error("a wait up to the end of the budget was taken")
	}
	if _, ok := b.Next(now, 3, 0, 0); ok || b.More(now, 3) {
		t.Error("a fourth attempt")
	}
	if b.More(now.Add(10*time.Second), 1) {
		t.Error("an attempt behind the budget")
	}
}
