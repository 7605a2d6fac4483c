package balance

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/actors/affinity"
	"github.com/tollhouse/tollhouse/actors/health"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world is a registry's endpoints with what they publish, and a policy that chooses among them.
type world struct {
	t         *testing.T
	policy    Policy
	endpoints []*adapters.Endpoint
	states    []health.Endpoint
	share     map[int]float64
	away      map[int]bool
	request   Request
	options   []Option
}

func newWorld(t *testing.T, policy string, weights ...int) *world {
	w := &world{t: t, share: map[int]float64{}, away: map[int]bool{}, request: Request{Now: noon, Model: "m"}}
	for i, weight := range weights {
		w.endpoints = append(w.endpoints, &adapters.Endpoint{Name: fmt.Sprint("e", i), Weight: weight})
	}
	w.states = make([]health.Endpoint, len(weights))
	if w.policy = New(policy, w.endpoints); w.policy == nil {
		t.Fatalf("there is no policy %q", policy)
	}
	return w
}

// choose returns the index of the endpoint.
func (w *world) choose() int {
	w.t.Helper()
	w.options = w.options[:0]
	for i, e := range w.endpoints {
		if w.away[i] {
			continue
		}
		share, ok := w.share[i]
		if !ok {
			share = 1
		}
		var o Option
		status := w.states[i].Status()
		o.Set(e, i, &status, share)
		w.options = append(w.options, o)
	}
	return w.options[w.policy.Choose(&w.request, w.options)].Index
}

// send chooses, and takes the permit there.
func (w *world) send() (at int, done func(r health.Report)) {
	at = w.choose()
	p, ok := w.states[at].Acquire(w.request.Now, w.request.Model)
	if !ok {
		w.t.Fatalf("%d gives no permit", at)
	}
	return at, func(r health.Report) { w.states[at].Release(w.request.Now, p, r) }
}

func (w *world) wants(want int, why string) {
	w.t.Helper()
	if got := w.choose(); got != want {
		w.t.Errorf("%s: chose %d, want %d", why, got, want)
	}
}

// busy keeps requests in flight.
func (w *world) busy(inFlight ...int) *world {
	for i, n := range inFlight {
		for range n {
			w.states[i].Acquire(w.request.Now, w.request.Model)
		}
	}
	return w
}

// took makes an endpoint known to take so long.
func (w *world) took(i int, d time.Duration) {
	p, _ := w.states[i].Acquire(w.request.Now, w.request.Model)
	w.states[i].Release(w.request.Now, p, health.Report{Waited: health.Waited{Answered: true, For: d}})
}

// shares are the parts of many requests that each endpoint got.
func (w *world) shares(n, inFlight int) []float64 {
	counts := make([]float64, len(w.endpoints))
	var under []func(health.Report)
	for range n {
		at, done := w.send()
		counts[at] += 1 / float64(n)
		under = append(under, done)
		if len(under) > inFlight {
			under[0](health.Report{})
			under = under[1:]
		}
	}
	return counts
}

func (w *world) near(got []float64, tolerance float64, want ...float64) {
	w.t.Helper()
	for i := range want {
		if math.Abs(got[i]-want[i]) > tolerance*want[i] {
			w.t.Errorf("endpoint %d got %.4f of the requests, want %.4f: %v", i, got[i], want[i], got)
		}
	}
}

const many = 100_000

func TestLoadStaysWithinTheWeights(t *testing.T) {
	t.Run("weighted", func(t *testing.T) {
		w := newWorld(t, Weighted, 5, 3, 2)
		w.near(w.shares(many, 20), .001, .5, .3, .2)
	})
	t.Run("weighted, one recovers", func(t *testing.T) {
		w := newWorld(t, Weighted, 5, 3, 2)
		w.share[0] = .1
		w.near(w.shares(many, 20), .001, .5/5.5, 3/5.5, 2/5.5)
	})
	t.Run("weighted, endpoints come and go", func(t *testing.T) {
		w := newWorld(t, Weighted, 5, 3, 2)
		chance := rand.New(rand.NewPCG(1, 2))
		got, want := make([]float64, 3), make([]float64, 3)
		for range many {
			w.away = map[int]bool{chance.IntN(6): true}
			sum := 0.0
			for i, e := range w.endpoints {
				if !w.away[i] {
					sum += float64(e.Weight)
				}
			}
			for i, e := range w.endpoints {
				if !w.away[i] {
					want[i] += float64(e.Weight) / sum / many
				}
			}
			got[w.choose()] += 1. / many
		}
		w.near(got, .02, want...)
	})
	t.Run("round robin", func(t *testing.T) {
		w := newWorld(t, RoundRobin, 5, 3, 2)
		w.near(w.shares(many, 20), .001, 1./3, 1./3, 1./3)
	})
	t.Run("round robin, one recovers", func(t *testing.T) {
		w := newWorld(t, RoundRobin, 1, 1, 1)
		w.share[1] = .25
		w.near(w.shares(many, 20), .001, 1/2.25, .25/2.25, 1/2.25)
	})
	t.Run("least busy, nothing to do", func(t *testing.T) {
		w := newWorld(t, LeastBusy, 5, 3, 2)
		w.near(w.shares(many, 0), .001, .5, .3, .2)
	})
	t.Run("least busy, much to do", func(t *testing.T) {
		w := newWorld(t, LeastBusy, 5, 3, 2)
		w.near(w.shares(many, 100), .02, .5, .3, .2)
	})
	t.Run("least busy, one recovers", func(t *testing.T) {
		w := newWorld(t, LeastBusy, 1, 1)
		w.share[1] = .1
		w.near(w.shares(many, 110), .02, 1/1.1, .1/1.1)
	})
	t.Run("cost, no difference", func(t *testing.T) {
		w := newWorld(t, Cost, 5, 3, 2)
		w.request.Price = &routing.Price{Input: 1, Output: 1}
		w.near(w.shares(many, 20), .001, .5, .3, .2)
	})
	t.Run("affinity, without a key", func(t *testing.T) {
		w := newWorld(t, Affinity, 5, 3, 2)
		w.near(w.shares(many, 20), .001, .5, .3, .2)
	})
	t.Run("affinity, many keys", func(t *testing.T) {
		w := newWorld(t, Affinity, 5, 3, 2)
		got := make([]float64, 3)
		for key := range uint64(many) {
			w.request.Key = affinity.Draw(key, 1)
			got[w.choose()] += 1. / many
		}
		w.near(got, .02, .5, .3, .2)
	})
	t.Run("latency, all as fast", func(t *testing.T) {
		w := newWorld(t, Latency, 1, 1, 1, 1)
		for i := range w.endpoints {
			w.took(i, time.Second)
		}
		w.near(w.shares(many, 40), .02, .25, .25, .25, .25)
	})
	t.Run("latency by weight", func(t *testing.T) {
		w := newWorld(t, Latency, 2, 1, 1)
		for i := range w.endpoints {
			w.took(i, time.Second)
		}
		w.near(w.shares(many, 200), .06, .5, .25, .25) // of two that are compared it is never told what the third does
	})
}

func TestWeightedGoesSmoothly(t *testing.T) {
	w := newWorld(t, Weighted, 5, 1, 1)
	row := 0
	for range 700 {
		if row++; w.choose() != 0 {
			row = 0
		}
		if row > 4 {
			t.Fatal("five in a row go to one")
		}
	}
}

func TestRoundRobinSkipsWhatIsNotOffered(t *testing.T) {
	w := newWorld(t, RoundRobin, 1, 1, 1)
	for _, want := range []int{0, 1, 2, 0} {
		w.wants(want, "in turn")
	}
	w.away[1] = true
	w.wants(2, "the second is away")
	w.wants(0, "from the start")
	w.away[1] = false
	w.wants(1, "it is back")
	w = newWorld(t, RoundRobin, 1, 1)
	w.share[0], w.share[1] = .1, .1
	w.wants(0, "all recover: someone must")
	w.wants(1, "and then the next")
}

func TestLeastBusyCountsForTheWeight(t *testing.T) {
	newWorld(t, LeastBusy, 1, 4).busy(1, 3).wants(1, "3 of 4 is less than 1 of 1")
	newWorld(t, LeastBusy, 1, 4).busy(0, 1).wants(0, "nothing is less than something")
	w := newWorld(t, LeastBusy, 10000, 5000).busy(5, 3)
	w.wants(0, "loads are compared more finely than they are told")
	if w.options[0].Score != 0 || w.options[1].Score != 0 {
		t.Errorf("scores %d and %d", w.options[0].Score, w.options[1].Score)
	}
	w = newWorld(t, LeastBusy, 1, 4).busy(1, 3)
	w.choose()
	if w.options[0].Score != 1000 || w.options[1].Score != 750 {
		t.Errorf("scores %d and %d", w.options[0].Score, w.options[1].Score)
	}
}

func TestUnknownPolicy(t *testing.T) {
	if New("random", nil) != nil {
		t.Error("an unknown policy was made")
	}
	for _, name := range append(Names, "") {
		if New(name, nil) == nil {
			t.Errorf("there is no policy %q", name)
		}
	}
}
