package queue

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func all(string) bool { return true }

func drain(q *Queue[string]) (order []string) {
	for q.Serve(100, func(v string) bool { order = append(order, v); return true }) {
	}
	return order
}

// A consumer that asks for much waits for its own, and keeps nobody else.
func TestConsumersTakeTurns(t *testing.T) {
	q := New[string](10)
	for _, v := range []string{"a1", "a2", "a3", "a4", "b1", "c1", "b2"} {
		if !q.Push(v[:1], v) {
			t.Fatal("refused")
		}
	}
	if got, want := strings.Join(drain(q), " "), "a1 b1 c1 a2 b2 a3 a4"; got != want {
		t.Errorf("served %s, want %s", got, want)
	}
	if q.Len() != 0 {
		t.Errorf("%d wait", q.Len())
	}
}

func TestWhoCannotBeServedKeepsNobody(t *testing.T) {
	q := New[string](10)
	for _, v := range []string{"a1", "a2", "b1"} {
		q.Push(v[:1], v)
	}
	var offered []string
	q.Serve(100, func(v string) bool { offered = append(offered, v); return v == "a2" })
	q.Serve(1, func(v string) bool { offered = append(offered, v); return false })
	if got := strings.Join(offered, " "); got != "a1 a2 b1" { // it was a's turn
		t.Errorf("offered to %s", got)
	}
	q.PushFront("a", "a0") // whose permit was gone when it came
	if got := strings.Join(drain(q), " "); got != "a0 b1 a1" {
		t.Errorf("then served %s", got)
	}
}

func TestBounded(t *testing.T) {
	q := New[string](2)
	if !q.Push("a", "a1") || !q.Push("b", "b1") || q.Push("c", "c1") {
		t.Error("not bounded by 2")
	}
	if !q.Remove("b", "b1") || q.Remove("b", "b1") || q.Remove("a", "a9") || q.Remove("z", "z1") {
		t.Error("removed wrongly")
	}
	if !q.Push("c", "c1") || q.Len() != 2 {
		t.Error("who left keeps the place")
	}
	if New[string](0).Push("a", "a1") {
		t.Error("a queue of none took one")
	}
	if q.Serve(0, all) {
		t.Error("served nobody's turn")
	}
}

// Whatever happens, everybody who came is served once, left, or still waits, and a consumer's own in their order.
func TestLife(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := New[int](8)
		waiting := map[int]string{}
		last := map[string]int{}
		for v := range 60 {
			consumer := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "consumer")
			switch rapid.IntRange(0, 3).Draw(t, "do") {
			case 0, 1:
				if ok := q.Push(consumer, v); ok != (len(waiting) < 8) {
					t.Fatalf("push with %d waiting: %v", len(waiting), ok)
				} else if ok {
					waiting[v] = consumer
				}
			case 2:
				served := q.Serve(100, func(w int) bool {
					c, ok := waiting[w]
					if !ok || w < last[c] {
						t.Fatalf("%d of %s served, after %d", w, c, last[c])
					}
					last[c] = w
					delete(waiting, w)
					return true
				})
				if !served && len(waiting) > 0 {
					t.Fatal("nobody was served")
				}
			case 3:
				if v == 0 {
					continue
				}
				w := rapid.IntRange(0, v-1).Draw(t, "leaves")
				if c, ok := waiting[w]; q.Remove(c, w) != ok {
					t.Fatalf("%d waits: %v; it says otherwise", w, ok)
				}
				delete(waiting, w)
			}
			if q.Len() != len(waiting) || slices.ContainsFunc(q.lines, func(l *line[int]) bool { return len(l.waiting) == 0 }) {
				t.Fatalf("%d wait, it says %d", len(waiting), q.Len())
			}
		}
	})
}
