package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
)

// Random draws a scenario in which much goes wrong: small endpoints under all kinds of weather, impatient clients, and reloads.
func Random(seed uint64, policies []string) *Scenario {
	d := draw{rand.New(rand.NewPCG(seed, 6))}
	s := &Scenario{Seed: seed, Sample: time.Duration(500+d.IntN(2000))*time.Millisecond + time.Duration(d.IntN(1000))}
	s.Load = Load{
		Requests: 60 + d.IntN(120), Rate: 1 + 15*d.Float64(), Models: []string{"gpt", "gpt-mini", "gpt-large"}[:1+d.IntN(3)],
		Sessions: 1 + d.IntN(30), Input: 100, Output: 10 + 100*d.Float64(), Streams: d.Float64(),
		HangUps: 0.3 * d.Float64(), Patience: d.between(time.Second, 20*time.Second),
		Hasty: 0.5 * d.Float64(), Deadline: d.between(time.Second, 30*time.Second),
	}
	length := time.Duration(float64(s.Load.Requests) / s.Load.Rate * float64(time.Second))
	for i := range 1 + d.IntN(3) {
		s.Registries = append(s.Registries, d.registry(i, length, policies))
	}
	if d.often(0.5) {
		behind := d.registry(len(s.Registries), length, policies)
		behind.Behind = true
		s.Registries = append(s.Registries, behind)
	}
	for range 1 + d.IntN(3) {
		s.Consumers = append(s.Consumers, d.consumer())
	}
	for range d.IntN(4) {
		s.Reloads = append(s.Reloads, Reload{d.between(0, length), d.change()})
	}
	slices.SortFunc(s.Reloads, func(a, b Reload) int { return int(a.At - b.At) })
	return s
}

// draw is a source of random parts of a scenario.
type draw struct{ *rand.Rand }

func (d draw) often(share float64) bool { return d.Float64() < share }

func (d draw) between(from, to time.Duration) time.Duration {
	return from + time.Duration(d.Int64N(int64(to-from)))
}

func (d draw) registry(i int, length time.Duration, policies []string) *Registry {
	r := &Registry{
		Name: fmt.Sprint("r", i+1), Balance: policies[d.IntN(len(policies))], Weight: 1 + d.IntN(4),
		Timeouts: adapters.Timeouts{
			Connect: d.between(100*time.Millisecond, 3*time.Second), FirstByte: d.between(500*time.Millisecond, 8*time.Second),
			Idle: d.between(500*time.Millisecond, 5*time.Second), Total: d.between(5*time.Second, 40*time.Second),
		},
	}
	if d.often(0.3) {
		r.ModelMap = map[string]string{"gpt-mini": "mini-2026"}
	}
	if d.often(0.3) {
		r.Queue = d.IntN(6) - 1
	}
	for n := range 1 + d.IntN(4) {
		r.Places = append(r.Places, d.place(n, length))
	}
	return r
}

func (d draw) place(n int, length time.Duration) *Place {
	p := &Place{
		Name: fmt.Sprint("e", n+1), Weight: 1 + d.IntN(5), First: d.between(20*time.Millisecond, time.Second), Speed: 20 + 200*d.Float64(),
		Capacity: 1 + d.IntN(20), In: 1000, Out: 4000,
	}
	if d.often(0.6) {
		p.Permits = 1 + d.IntN(8)
	}
	for range d.IntN(4) {
		from := d.between(0, length)
		to := from + d.between(time.Millisecond, length/2+2*time.Millisecond)
		if sky := d.sky(); d.often(0.2) {
			p.Spells = append(p.Spells, Flapping(from, to, d.between(200*time.Millisecond, 5*time.Second), sky)...)
		} else {
			p.Spells = append(p.Spells, Spell{from, to, sky})
		}
	}
	return p
}

func (d draw) sky() Sky {
	share := 0.2 + 0.8*d.Float64()
	return []Sky{
		{Slow: 2 + 10*d.Float64()},
		{Refuses: true},
		{Drops: true},
		{Hangs: true},
		{Revoked: true},
		{Limit: 0.2 + 3*d.Float64(), RetryAfter: d.between(0, 8*time.Second), Untold: d.often(0.3)},
		{Fails: share},
		{Overloads: share},
		{Breaks: share},
		{Panics: 0.1 * share},
		{Fails: 0.2, Breaks: 0.2, Overloads: 0.3, Slow: 3},
	}[d.IntN(11)]
}

func (d draw) consumer() Consumer {
	c := Consumer{
		Retry: routing.RetryPolicy{MaxAttempts: 1 + d.IntN(6), Budget: d.between(0, 20*time.Second)},
		Drain: d.often(0.3),
	}
	for _, t := range everything {
		if d.often(0.8) {
			c.Retry.On = append(c.Retry.On, t)
		}
	}
	if d.often(0.3) {
		c.Hedge = &routing.Hedge{Share: 0.05 + 0.95*d.Float64()}
	}
	if d.often(0.3) {
		c.On = []routing.Trigger{everything[d.IntN(len(everything))], routing.OnUnavailable}
	}
	return c
}

// change is what a reload finds changed; some change nothing.
func (d draw) change() func(*Scenario) {
	kind, which := d.IntN(4), d.Uint64()
	return func(s *Scenario) {
		r := s.Registries[which%uint64(len(s.Registries))]
		p := r.Places[which%uint64(len(r.Places))]
		switch kind {
		case 0:
			p.Weight++
		case 1:
			p.Permits = 1 + int(which%7)
		case 2:
			r.ModelMap = map[string]string{"gpt": fmt.Sprint("gpt-", which%3)}
		}
	}
}
