package routing

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
)

// seen is what is known of registries, by name.
type seen struct {
	views map[string]View
	key   uint64
	turns []string // whose turn it was
	asked string   // for the sake of which policy
}

func (s *seen) View(policy string, c *Candidate) View {
	s.asked = policy
	return s.views[c.Registry.Name]
}
func (s *seen) Key() uint64                         { return s.key }
func (s *seen) Turn(_ *Pool, available []Candidate) { s.turns = names(available) }

// candidates reads "a b*3": registries with their weights.
func candidates(text string) []Candidate {
	var all []Candidate
	for _, f := range strings.Fields(text) {
		c := Candidate{Weight: 1}
		name, weight, given := strings.Cut(f, "*")
		if given {
			_, _ = fmt.Sscan(weight, &c.Weight)
		}
		c.Registry = &adapters.Registry{Name: name}
		all = append(all, c)
	}
	return all
}

func names(all []Candidate) (names []string) {
	for _, c := range all {
		names = append(names, c.Registry.Name)
	}
	return names
}

func ranks(policy, members string, s *seen, requestID string) string {
	all := candidates(members)
	var views Views
	if s != nil {
		views = s
	}
	(&Pool{Balance: policy}).rank(all, requestID, views)
	return strings.Join(names(all), " ")
}

func up(v View) View { v.Available = true; return v }

func TestRank(t *testing.T) {
	const s = time.Second
	free := up(View{})
	for name, c := range map[string]struct {
		policy, members string
		views           map[string]View
		want            string
	}{
		"least busy": {
			LeastBusy, "a b c", map[string]View{"a": up(View{InFlight: 3}), "b": up(View{InFlight: 1}), "c": up(View{InFlight: 2})}, "b c a",
		},
		"least busy, by weight": {
			LeastBusy, "a*4 b", map[string]View{"a": up(View{InFlight: 3}), "b": up(View{InFlight: 1})}, "a b",
		},
		"what cannot serve now stands behind, in its order": {
			LeastBusy, "a b c d",
			map[string]View{"a": {InFlight: 1}, "b": up(View{InFlight: 9}), "c": {}, "d": up(View{InFlight: 8})},
			"d b c a",
		},
		"latency": {
			Latency, "a b c",
			map[string]View{"a": up(View{Wait: 3 * s, Known: true}), "b": up(View{Wait: 2 * s, Known: true}), "c": up(View{Wait: s, Known: true})},
			"c b a",
		},
		"latency, by weight": {
			Latency, "a*3 b", map[string]View{"a": up(View{Wait: 2 * s, Known: true}), "b": up(View{Wait: s, Known: true})}, "a b",
		},
		"latency, one is not known and has nothing to do": {
			Latency, "a b", map[string]View{"a": up(View{Wait: s, Known: true, InFlight: 1}), "b": free}, "b a",
		},
		"latency, one is not known and is being tried": {
			Latency, "a b c",
			map[string]View{"a": up(View{Wait: s, Known: true}), "b": up(View{InFlight: 2}), "c": up(View{Wait: 4 * s, Known: true})},
			"a b c",
		},
		"latency, nothing is known": {
			Latency, "a b", map[string]View{"a": up(View{InFlight: 2}), "b": up(View{InFlight: 1})}, "b a",
		},
		"cost": {
			Cost, "a b c",
			map[string]View{"a": up(View{Cost: 30, Priced: true}), "b": up(View{Cost: 10, Priced: true}), "c": up(View{Cost: 20, Priced: true})},
			"b c a",
		},
		"cost, exact where a float is not": {
			Cost, "a b",
			map[string]View{"a": up(View{Cost: math.MaxUint64, Priced: true}), "b": up(View{Cost: math.MaxUint64 - 1, Priced: true})},
			"b a",
		},
		"cost, unknown behind known, unavailable behind unknown": {
			Cost, "a b c", map[string]View{"a": {Cost: 1, Priced: true}, "b": free, "c": up(View{Cost: 900, Priced: true})}, "c b a",
		},
		"cost, in another currency": {
			Cost, "a b c",
			map[string]View{
				"a": up(View{Cost: 1, Priced: true, Currency: "USD"}), "b": up(View{Cost: 9, Priced: true, Currency: "EUR"}),
				"c": up(View{Cost: 8, Priced: true, Currency: "EUR"}),
			},
			"c b a",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range 20 { // whatever the request's id draws
				look := &seen{views: c.views}
				if got := ranks(c.policy, c.members, look, fmt.Sprint("request ", i)); got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
				if look.asked != c.policy {
					t.Errorf("asked for the sake of %q", look.asked)
				}
			}
		})
	}
}

// What a policy finds equal goes by weight, and so does a pool without a policy, and one that nothing is known of.
func TestWhatIsEqualGoesByWeight(t *testing.T) {
	equal := map[string]View{"a": up(View{}), "b": up(View{}), "c": up(View{})}
	for name, c := range map[string]struct {
		policy string
		look   *seen
	}{
		"weighted": {"weighted", &seen{}}, "no policy": {"", &seen{}}, "nothing is known": {Latency, nil},
		"least busy": {LeastBusy, &seen{views: equal}}, "latency": {Latency, &seen{views: equal}}, "cost": {Cost, &seen{views: equal}},
		"affinity without a key": {Affinity, &seen{views: equal}}, "none is available": {LeastBusy, &seen{}},
	} {
		t.Run(name, func(t *testing.T) {
			first := map[string]float64{}
			n, tolerance := 10_000, .05
			if c.policy == "weighted" {
				n, tolerance = 100_000, .02
			}
			for i := range n {
				order := ranks(c.policy, "a*5 b*3 c*2", c.look, fmt.Sprint("request ", i))
				first[order[:1]] += 1 / float64(n)
			}
			for name, want := range map[string]float64{"a": .5, "b": .3, "c": .2} {
				if got := first[name]; math.Abs(got-want) > tolerance*want {
					t.Errorf("%s is the first of %.4f, want %.2f", name, got, want)
				}
			}
		})
	}
}

func TestAKeyHasItsRegistry(t *testing.T) {
	idle := map[string]View{"a": up(View{}), "b": up(View{}), "c": up(View{})}
	first := map[byte]int{}
	for key := range uint64(3000) {
		look := &seen{views: idle, key: key<<32 + 1}
		order := ranks(Affinity, "a b c*4", look, "one")
		first[order[0]]++
		if again := ranks(Affinity, "c*4 a b", look, "two"); again != order {
			t.Fatalf("key %d goes to %s, then to %s", key, order, again)
		}
		// Its registry is full of other requests: the next in its order takes it, and the rest of the order stays.
		home := order[:1]
		look.views = map[string]View{"a": up(View{}), "b": up(View{}), "c": up(View{}), home: up(View{InFlight: 99})}
		if got, want := ranks(Affinity, "a b c*4", look, "one"), order[2:]+" "+home; got != want {
			t.Fatalf("%s, want %s", got, want)
		}
		look.views[home] = View{}
		if got, want := ranks(Affinity, "a b c*4", look, "one"), order[2:]+" "+home; got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	}
	if first['c'] < 1900 || first['c'] > 2100 {
		t.Errorf("four of six parts of the keys live at c: %v of 3000", first)
	}
}

func TestOnlyWhatIsAvailableTakesTurns(t *testing.T) {
	look := &seen{views: map[string]View{"b": up(View{}), "d": up(View{})}}
	ranks(RoundRobin, "a b c d", look, "one")
	slices.Sort(look.turns)
	if strings.Join(look.turns, " ") != "b d" {
		t.Errorf("%v take turns", look.turns)
	}
	look = &seen{}
	ranks(RoundRobin, "a b", look, "one")
	if look.turns != nil {
		t.Errorf("%v take turns, and none is available", look.turns)
	}
}

func TestCostsAreExact(t *testing.T) {
	p := Price{Input: 3_000_000, CacheRead: 300_000, Output: 15_000_000}
	for _, c := range []struct{ input, cached, output, want uint64 }{
		{0, 0, 0, 0},
		{1, 0, 0, 3_000_000},
		{1000, 400, 10, 600*3_000_000 + 400*300_000 + 10*15_000_000},
		{10, 90, 0, 10 * 300_000},
		{math.MaxUint64, 0, 0, math.MaxUint64},
		{math.MaxUint64 / 3_000_000, 0, 1, math.MaxUint64},
	} {
		if got := p.Cost(c.input, c.cached, c.output); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
