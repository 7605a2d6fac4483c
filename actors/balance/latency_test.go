package balance

import (
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/actors/health"
	"github.com/tollhouse/tollhouse/events"
)

func TestLatency(t *testing.T) {
	ms := time.Millisecond
	for name, c := range map[string]struct {
		weights, busy []int
		took          []time.Duration // 0: not known
		share         float64         // of the first
		want          int
		score         uint64 // of that
	}{
		"the faster":                                     {[]int{1, 1}, nil, []time.Duration{200 * ms, 100 * ms}, 1, 1, 100_000},
		"the one with less to do":                        {[]int{1, 1}, []int{0, 3}, []time.Duration{300 * ms, 100 * ms}, 1, 0, 300_000},
		"the faster, though it has more to do":           {[]int{1, 1}, []int{0, 1}, []time.Duration{300 * ms, 100 * ms}, 1, 1, 200_000},
		"the heavier":                                    {[]int{3, 1}, []int{1, 0}, []time.Duration{100 * ms, 100 * ms}, 1, 0, 66_666},
		"one that recovers takes less":                   {[]int{1, 1}, nil, []time.Duration{100 * ms, 500 * ms}, .1, 1, 500_000},
		"unknown, nothing to do: it is tried":            {[]int{1, 1}, nil, []time.Duration{0, ms}, 1, 0, 0},
		"unknown, and one finds out already":             {[]int{1, 1}, []int{1, 0}, []time.Duration{0, 100 * ms}, 1, 1, 100_000},
		"unknown, and the other has still more to do":    {[]int{1, 1}, []int{1, 5}, []time.Duration{0, 100 * ms}, 1, 0, 200_000},
		"nothing is known: the one with less to do":      {[]int{1, 1}, []int{2, 1}, []time.Duration{0, 0}, 1, 1, 2},
		"there is no other":                              {[]int{2}, []int{1}, []time.Duration{100 * ms}, 1, 0, 100_000},
		"as good in time: the one with less to do of it": {[]int{1, 1}, []int{3, 0}, []time.Duration{100 * ms, 400 * ms}, 1, 1, 400_000},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Latency, c.weights...)
			w.share[0] = c.share
			for i, d := range c.took {
				if d > 0 {
					w.took(i, d)
				}
			}
			w.busy(c.busy...)
			for range 20 { // in whatever order the two are drawn
				w.wants(c.want, "chosen")
				if got := w.options[c.want].Score; got != c.score {
					t.Fatalf("its score is %d µs, want %d", got, c.score)
				}
			}
		})
	}
}

func TestLatencyComparesEachWithEach(t *testing.T) {
	w := newWorld(t, Latency, 1, 1, 1, 1, 1)
	for i := range w.endpoints {
		w.took(i, time.Duration(i+1)*time.Millisecond)
	}
	got := make([]int, 5)
	for range 10_000 {
		got[w.choose()]++
	}
	// The n-th best is chosen when its partner is one of those behind it: 4, 3, 2, 1, 0 of 10 pairs.
	for i, want := range []int{4000, 3000, 2000, 1000, 0} {
		if got[i] < want-200 || got[i] > want+200 {
			t.Errorf("the best but %d was chosen %d times of 10000, want about %d", i, got[i], want)
		}
	}
}

// One of four slows down ten-fold: the next request it is slow with shows it, and it is asked again when that is long ago.
func TestWhatSlowsDownIsLeft(t *testing.T) {
	w := newWorld(t, Latency, 1, 1, 1, 1)
	speed := []time.Duration{100, 100, 100, 100}
	second := func() (asked int) {
		for range 50 {
			at, done := w.send()
			if at == 0 {
				asked++
			}
			w.request.Now = w.request.Now.Add(20 * time.Millisecond)
			done(health.Report{Waited: health.Waited{Answered: true, For: speed[at] * time.Millisecond}})
		}
		return asked
	}
	for range 10 {
		second()
	}
	if n := second(); n < 5 {
		t.Errorf("a healthy one of four got %d of 50", n)
	}
	speed[0] = 1000
	second()
	slow := 0
	for range 10 {
		slow += second()
	}
	if slow > 2 {
		t.Errorf("a slow one was asked %d times in ten seconds", slow)
	}
	speed[0] = 100
	for range 60 {
		second()
	}
	if n := second(); n < 5 {
		t.Errorf("one that is fast again got %d of 50", n)
	}
}

func TestTimeoutsCountAsSlow(t *testing.T) {
	w := newWorld(t, Latency, 1, 1)
	w.took(0, 100*time.Millisecond)
	w.took(1, 200*time.Millisecond)
	w.wants(0, "before")
	_, done := w.send()
	done(health.Report{Held: true, Class: events.ErrorTimeout, Waited: health.Waited{For: 5 * time.Second}})
	w.wants(1, "behind the timeout")
}
