package health

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestSpread(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, median := range []time.Duration{time.Millisecond, 30 * time.Millisecond, 2 * time.Second, time.Minute} {
		var s spread
		var all []time.Duration
		for n := range 900 {
			d := time.Duration(float64(median) * (0.5 + r.ExpFloat64()))
			s.add(d)
			all = append(all, d)
			if n < fewest-1 && s.slow() != 0 {
				t.Fatalf("%d samples are enough", n+1)
			}
		}
		slices.Sort(all)
		exact := all[len(all)*slowest/100]
		if got := s.slow(); got < exact || float64(got) > float64(exact)*1.26 {
			t.Errorf("95 %% of %v: %v, exactly %v", median, got, exact)
		}
	}
	var s spread
	for range 2000 {
		s.add(time.Second)
	}
	for range 4000 { // it was slow once
		s.add(10 * time.Millisecond)
	}
	if got := s.slow(); got > 20*time.Millisecond {
		t.Errorf("what is long past counts: %v", got)
	}
	if s.add(-time.Second); s.n > manySamples || size(-1) != 0 || size(1<<62) != spreadSizes-1 {
		t.Error("not bounded")
	}
}
