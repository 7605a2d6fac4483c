package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/providers/compatible"
)

// Scenario is all that a run depends on.
type Scenario struct {
	Seed        uint64
	PoolBalance string
	Registries  []*Registry
	Consumers   []Consumer
	Load        Load
	Reloads     []Reload
	// Sample is how often what the forwarder publishes is compared with what must be so; 0: only at the end.
	Sample time.Duration
}

// Registry is one registry of the pool, or behind it.
type Registry struct {
	Name     string
	Balance  string
	Weight   int // in the pool
	Behind   bool
	ModelMap map[string]string
	Timeouts adapters.Timeouts
	Queue    int // as adapters.Registry has it
	Places   []*Place
}

// Consumer is one kind of client.
type Consumer struct {
	Retry routing.RetryPolicy
	Drain bool
	Hedge *routing.Hedge
	On    []routing.Trigger // of its fallbacks
}

// Reload reads the configuration anew, with what has changed in it.
type Reload struct {
	At     time.Duration
	Change func(*Scenario)
}

// Everything is every trigger.
var everything = []routing.Trigger{
	routing.OnHTTP429, routing.OnHTTP5xx, routing.OnTimeout, routing.OnTransport, routing.OnProviderError,
}

// snapshot is the configuration; of what was before, that is kept which has not changed.
func (s *Scenario) snapshot(before *routing.Snapshot) *routing.Snapshot {
	snapshot := &routing.Snapshot{Registries: map[string]*adapters.Registry{}, Prices: pricesOf(s.Registries)}
	pool := &routing.Pool{Name: "main", Balance: s.PoolBalance}
	var behind []*adapters.Registry
	for _, r := range s.Registries {
		reg := r.registry()
		if before != nil && before.Registries[r.Name] != nil {
			reg = reg.TakeOver(before.Registries[r.Name])
		}
		snapshot.Registries[r.Name] = reg
		if r.Behind {
			behind = append(behind, reg)
		} else {
			pool.Members = append(pool.Members, routing.Member{Registry: reg, Weight: r.Weight})
		}
	}
	snapshot.Pools = map[string]*routing.Pool{pool.Name: pool}
	for i, c := range s.Consumers {
		consumer := &routing.Consumer{Name: fmt.Sprint("app", i+1), Pool: pool, Retry: c.Retry, Drain: c.Drain, Hedge: c.Hedge}
		for _, reg := range behind {
			consumer.Fallback = append(consumer.Fallback, routing.Fallback{Registry: reg, On: c.On})
		}
		snapshot.Consumers = append(snapshot.Consumers, consumer)
	}
	return snapshot
}

func (r *Registry) registry() *adapters.Registry {
	reg := &adapters.Registry{
		Name: r.Name, Provider: compatible.Vendors()[1], Balance: r.Balance, ModelMap: r.ModelMap, Timeouts: r.Timeouts,
		Queue: r.Queue,
	}
	for _, p := range r.Places {
		reg.Endpoints = append(reg.Endpoints, &adapters.Endpoint{
			Name: p.Name, Weight: p.Weight, MaxConcurrency: p.Permits, Timeouts: r.Timeouts,
		})
	}
	return reg
}

// priced is what the models cost.
type priced map[string]routing.Price

// pricesOf are by which the places know the models as they are now.
func pricesOf(registries []*Registry) priced {
	const nano = 1000 // in 10⁻¹²
	all := priced{}
	for _, r := range registries {
		sent := "gpt"
		if mapped, ok := r.ModelMap[sent]; ok {
			sent = mapped
		}
		at := r.Places[0]
		all[sent] = routing.Price{Input: at.In * nano, CacheRead: at.In * nano / 10, Output: at.Out * nano, Currency: "USD"}
	}
	return all
}

// Price is the same whatever the provider, the size and the time.
func (p priced) Price(_, sentModel string, _ uint64, _ time.Time) (routing.Price, bool) {
	price, ok := p[sentModel]
	return price, ok
}

// String names what a failure needs to be looked at.
func (s *Scenario) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d", s.Seed)
	for _, r := range s.Registries {
		fmt.Fprintf(&b, "\n%s (%s, behind %v, timeouts %v)", r.Name, r.Balance, r.Behind, r.Timeouts)
		for _, p := range r.Places {
			fmt.Fprintf(&b, "\n  %s: %d permits, weather %+v", p.Name, p.Permits, p.Spells)
		}
	}
	for _, c := range s.Consumers {
		fmt.Fprintf(&b, "\nconsumer: %+v", c)
	}
	fmt.Fprintf(&b, "\nload: %+v", s.Load)
	return b.String()
}
