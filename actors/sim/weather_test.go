package sim

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
)

// variant is one row of the table for each weather. What else can be switched on (hedging, a queue for permits, a retry budget) is one
// more variant, whose With changes the consumer or the registry.
type variant struct {
	name    string
	balance string // empty: the naive forwarder
	with    func(*Registry, *Consumer)
}

var variants = []variant{
	{name: "round robin without breaker"},
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
	all    bool // of the endpoints
}

func lasting(sky Sky) func(from, to time.Duration) []Spell {
	return func(from, to time.Duration) []Spell { return []Spell{{from, to, sky}} }
}

var weathers = []weather{
	{name: "fair", spells: lasting(Sky{})},
	{name: "a slows ten-fold", spells: lasting(Sky{Slow: 10})},
	{name: "a refuses connections", spells: lasting(Sky{Refuses: true})},
	{name: "a does not accept connections", spells: lasting(Sky{Drops: true})},
	{name: "a hangs", spells: lasting(Sky{Hangs: true})},
	{name: "a answers 500", spells: lasting(Sky{Fails: 1})},
	{name: "a answers 500 to 30 %", spells: lasting(Sky{Fails: 0.3})},
	{name: "a is overloaded, in a 200", spells: lasting(Sky{Overloads: 1})},
	{name: "a limits to 3/s", spells: lasting(Sky{Limit: 3})},
	{name: "a flaps every 3 s", spells: func(from, to time.Duration) []Spell { return Flapping(from, to, 3*time.Second, Sky{Refuses: true}) }},
	{name: "all slow three-fold", spells: lasting(Sky{Slow: 3}), all: true},
}

// scenario is four endpoints at 60 % of their capacity: a and b alike, c fast and dear, d slow and cheap.
func scenario(w weather, v variant, seconds int) *Scenario {
	length := time.Duration(seconds) * time.Second
	reg := &Registry{
		Name: "main", Balance: v.balance, Weight: 1,
		Timeouts: adapters.Timeouts{Connect: 2 * time.Second, FirstByte: 5 * time.Second, Idle: 5 * time.Second, Total: time.Minute},
		Places: []*Place{
			{Name: "a", Weight: 1, Permits: 40, First: 400 * time.Millisecond, Speed: 80, Capacity: 40, In: 2500, Out: 10000},
			{Name: "b", Weight: 1, Permits: 40, First: 400 * time.Millisecond, Speed: 80, Capacity: 40, In: 2500, Out: 10000},
			{Name: "c", Weight: 1, Permits: 40, First: 250 * time.Millisecond, Speed: 120, Capacity: 40, In: 5000, Out: 15000},
			{Name: "d", Weight: 1, Permits: 40, First: 700 * time.Millisecond, Speed: 50, Capacity: 40, In: 1000, Out: 4000},
		},
	}
	for i, p := range reg.Places {
		if i == 0 || w.all {
			p.Spells = w.spells(length/3, 2*length/3)
		}
	}
	consumer := Consumer{Retry: routing.RetryPolicy{MaxAttempts: 3, Budget: 10 * time.Second, On: everything}}
	if v.with != nil {
		v.with(reg, &consumer)
	}
	const rate = 40
	return &Scenario{
		Seed: 1, Registries: []*Registry{reg}, Consumers: []Consumer{consumer}, Sample: 2 * time.Second,
		Load: Load{
			Requests: rate * seconds, Rate: rate, Models: []string{"gpt"}, Sessions: 1000, Input: 3000, Output: 150, Streams: 0.7,
		},
	}
}

// TestTheWeather prints how each policy does under each weather. Under any, what the actors decide must keep the rules.
func TestTheWeather(t *testing.T) {
	length := 60
	if testing.Short() {
		length = 12
	}
	var known []variant
	for _, v := range variants {
		if v.balance != "" && !knows(t, v.balance) {
			t.Logf("there is no policy %q: it is left out", v.balance)
			continue
		}
		known = append(known, v)
	}
	rows := make([]Row, len(weathers)*len(known))
	t.Run("runs", func(t *testing.T) {
		for i, w := range weathers {
			for j, v := range known {
				t.Run(w.name+", "+v.name, func(t *testing.T) {
					t.Parallel()
					rows[i*len(known)+j] = row(w.name, v.name, play(t, scenario(w, v, length), v.balance == ""))
				})
			}
		}
	})
	var out strings.Builder
	writeTable(&out, rows)
	t.Logf("\n%s", out.String())
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
