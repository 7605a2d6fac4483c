package sim

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
)

// variant is one row of the table under each weather. What else can be switched on (hedging, a queue for permits, a retry budget) is one
// more variant, whose with changes the registry or the consumer.
type variant struct {
	name    string
	balance string // of the registry or of the pool; empty: the naive forwarder
	with    func(*Registry, *Consumer)
}

const naively = "round robin without breaker"

var variants = []variant{
	{name: naively},
	{name: "round_robin", balance: "round_robin"},
	{name: "weighted", balance: "weighted"},
	{name: "least_busy", balance: "least_busy"},
	{name: "latency", balance: "latency"},
	{name: "cost", balance: "cost"},
	{name: "affinity", balance: "affinity"},
}

// weather is what befalls endpoint a from a third to two thirds of a run.
type weather struct {
	name   string
	spells func(from, to time.Duration) []Spell
	all    bool // befalls all of them
	pool   bool // it is shown for a pool, too
}

func lasting(sky Sky) func(from, to time.Duration) []Spell {
	return func(from, to time.Duration) []Spell { return []Spell{{from, to, sky}} }
}

var weathers = []weather{
	{name: "fair", spells: lasting(Sky{}), pool: true},
	{name: "a slows ten-fold", spells: lasting(Sky{Slow: 10}), pool: true},
	{name: "a refuses connections", spells: lasting(Sky{Refuses: true}), pool: true},
	{name: "a does not accept connections", spells: lasting(Sky{Drops: true})},
	{name: "a hangs", spells: lasting(Sky{Hangs: true})},
	{name: "a answers 500", spells: lasting(Sky{Fails: 1})},
	{name: "a answers 500 to 30 %", spells: lasting(Sky{Fails: 0.3})},
	{name: "a is overloaded, in a 200", spells: lasting(Sky{Overloads: 1})},
	{name: "a limits to 3/s", spells: lasting(Sky{Limit: 3}), pool: true},
	{name: "a flaps every 3 s", spells: func(from, to time.Duration) []Spell { return Flapping(from, to, 3*time.Second, Sky{Refuses: true}) }},
	{name: "all slow three-fold", spells: lasting(Sky{Slow: 3}), all: true},
}

// lot is four endpoints at half of their capacity: a and b alike, c fast, d slow.
func lot() []*Place {
	return []*Place{
		{Name: "a", Weight: 1, Permits: 40, First: 400 * time.Millisecond, Speed: 80, Capacity: 40, In: 2500, Out: 10000},
		{Name: "b", Weight: 1, Permits: 40, First: 400 * time.Millisecond, Speed: 80, Capacity: 40, In: 2500, Out: 10000},
		{Name: "c", Weight: 1, Permits: 40, First: 250 * time.Millisecond, Speed: 120, Capacity: 40, In: 2500, Out: 10000},
		{Name: "d", Weight: 1, Permits: 40, First: 700 * time.Millisecond, Speed: 50, Capacity: 40, In: 2500, Out: 10000},
	}
}

func scenario(places []*Place, w weather, seconds int) *Scenario {
	length := time.Duration(seconds) * time.Second
	for i, p := range places {
		if i == 0 || w.all {
			p.Spells = w.spells(length/3, 2*length/3)
		}
	}
	const rate = 40
	return &Scenario{
		Seed: 1, Sample: 2*time.Second - 7, // never in the instant in which the weather turns
		Consumers: []Consumer{{Retry: routing.RetryPolicy{MaxAttempts: 4, Budget: 30 * time.Second, On: everything}}},
		Load: Load{
			Requests: rate * seconds, Rate: rate, Models: []string{"gpt"}, Sessions: 1000, Input: 3000, Output: 150, Streams: 0.7,
		},
	}
}

var patience = adapters.Timeouts{Connect: 2 * time.Second, FirstByte: 5 * time.Second, Idle: 5 * time.Second, Total: 20 * time.Second}

// inRegistry is the lot as the endpoints of one registry.
func inRegistry(w weather, v variant, seconds int) *Scenario {
	places := lot()
	s := scenario(places, w, seconds)
	s.Registries = []*Registry{{Name: "main", Balance: v.balance, Weight: 1, Timeouts: patience, Places: places}}
	return s
}

// inPool is the lot as registries of a pool: now c is dear, and d cheap.
func inPool(w weather, v variant, seconds int) *Scenario {
	places := lot()
	s := scenario(places, w, seconds)
	places[2].In, places[2].Out = 2*places[2].In, 2*places[2].Out
	places[3].In, places[3].Out = places[3].In/2, places[3].Out/2
	s.PoolBalance = v.balance
	for _, p := range places {
		s.Registries = append(s.Registries, &Registry{
			Name: p.Name, Weight: 1, Timeouts: patience, Places: []*Place{p}, ModelMap: map[string]string{"gpt": "gpt-" + p.Name},
		})
	}
	return s
}

// TestTheWeather prints how each policy does under each weather: of the endpoints of one registry, and of the registries of a pool. Whatever
// the weather, what the actors decide must keep the rules, and what one endpoint cannot serve is served by the others.
// TOLLHOUSE_SIM_SECONDS is how long a run is; the table in ARCHITECTURE.md is of 60.
func TestTheWeather(t *testing.T) {
	t.Parallel()
	length := 15
	if testing.Short() {
		length = 6
	}
	if n, err := strconv.Atoi(os.Getenv("TOLLHOUSE_SIM_SECONDS")); err == nil {
		length = n
	}
	var known []variant
	for _, v := range variants {
		if v.name != naively && !knows(t, v.balance) {
			t.Logf("there is no policy %q: it is left out", v.balance)
			continue
		}
		known = append(known, v)
	}
	var pool []weather
	for _, w := range weathers {
		if w.pool {
			pool = append(pool, w)
		}
	}
	ofPools := known
	if !knows(t, "latency") {
		t.Log("pools go by weight, whatever their policy: the others are left out")
		ofPools = []variant{{name: naively}, {name: "weighted", balance: "weighted"}}
	}
	var out strings.Builder
	writeTable(&out, "endpoints of one registry", runs(t, "endpoints", inRegistry, weathers, known, length))
	writeTable(&out, "registries of a pool", runs(t, "registries", inPool, pool, ofPools, length))
	t.Logf("\n%s", out.String())
}

// runs plays every variant under every weather.
func runs(t *testing.T, name string, world func(weather, variant, int) *Scenario, weathers []weather, known []variant, length int) []Row {
	rows := make([]Row, len(weathers)*len(known))
	t.Run(name, func(t *testing.T) {
		for i, w := range weathers {
			for j, v := range known {
				t.Run(w.name+", "+v.name, func(t *testing.T) {
					t.Parallel()
					s := world(w, v, length)
					if v.with != nil {
						v.with(s.Registries[0], &s.Consumers[0])
					}
					r := row(w.name, v.name, play(t, s, v.name == naively))
					if lost := 1 - r.Success - r.Cut; v.name != naively && !w.all && lost > 0.001 {
						t.Errorf("%.2f %% of the requests fail, which other endpoints could have served", 100*lost)
					}
					rows[i*len(known)+j] = r
				})
			}
		}
	})
	return rows
}

// play runs a scenario in a bubble of its own.
func play(t *testing.T, s *Scenario, naively bool) (rep *Report) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		if naively {
			rep, err = s.RunNaive()
		} else {
			rep, err = s.Run()
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	for _, b := range rep.Broken {
		t.Errorf("%s\n%s", b, s)
	}
	return rep
}
