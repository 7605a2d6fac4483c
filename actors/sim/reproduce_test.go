package sim

import (
	"fmt"
	"hash/fnv"
	"math"
	"testing"
	"time"
)

// A seed reproduces a run: every client's answer to the nanosecond, every call, every cent.
func TestSeedsReproduce(t *testing.T) {
	t.Parallel()
	digest := func(rep *Report) uint64 {
		h := fnv.New64a()
		fmt.Fprintf(h, "%v %v %v %v", rep.Results, rep.Calls, rep.Spend, rep.Seen) // maps print sorted
		return h.Sum64()
	}
	known := policies(t)
	for seed := range uint64(6) {
		first := digest(play(t, Random(seed, known), false))
		if again := digest(play(t, Random(seed, known), false)); again != first {
			t.Errorf("seed %d comes out as %x, and then as %x", seed, first, again)
		}
		if other := digest(play(t, Random(seed+1000, known), false)); other == first {
			t.Errorf("seed %d comes out as another", seed)
		}
	}
	busy := func() uint64 { return digest(play(t, inRegistry(weathers[1], variants[1], 20), false)) }
	if first, again := busy(), busy(); first != again {
		t.Errorf("the busy one comes out as %x, and then as %x", first, again)
	}
}

// Over 100,000 requests each endpoint's load is within 2 % of what the weights say: of the registries in the pool, and of the endpoints
// in each.
func TestLoadFollowsTheWeights(t *testing.T) {
	t.Parallel()
	n := 100_000
	if testing.Short() {
		n = 10_000 // the draw among registries is off by more, then
	}
	place := func(name string, weight int) *Place {
		return &Place{Name: name, Weight: weight, First: 100 * time.Millisecond, Speed: 1000, Capacity: 200}
	}
	s := &Scenario{
		Seed: 1,
		Registries: []*Registry{
			{Name: "x", Weight: 3, Balance: "weighted", Places: []*Place{place("a", 5), place("b", 3), place("c", 2)}},
			{Name: "y", Weight: 1, Balance: "weighted", Places: []*Place{place("a", 1), place("b", 1)}},
		},
		Consumers: []Consumer{{}},
		Load:      Load{Requests: n, Rate: 500, Models: []string{"gpt"}, Sessions: 100, Input: 10, Output: 100, Streams: 0.2},
	}
	rep := play(t, s, false)
	for name, share := range map[string]float64{"x/a": .375, "x/b": .225, "x/c": .15, "y/a": .125, "y/b": .125} {
		off := float64(rep.Calls[name])/(share*float64(n)) - 1
		t.Logf("%s: %d requests, %+.2f %% off", name, rep.Calls[name], 100*off)
		if math.Abs(off) > 0.02*math.Sqrt(100_000/float64(n)) {
			t.Errorf("%s has %d requests of %d, %.1f %% off its weight", name, rep.Calls[name], n, 100*off)
		}
	}
}
