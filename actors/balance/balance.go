// Package balance chooses an endpoint of a registry: one policy a type, over what the endpoints publish.
package balance

import (
	"github.com/tollhouse/tollhouse/actors/health"
	"github.com/tollhouse/tollhouse/adapters"
)

// Option is one endpoint that may be chosen.
type Option struct {
	Endpoint *adapters.Endpoint
	Status   health.Status
	index    int // in the registry
}

// At makes an option of the registry's i-th endpoint.
func At(e *adapters.Endpoint, s health.Status, i int) Option { return Option{e, s, i} }

// Policy chooses one of the options, which are never none. It belongs to one balancer.
type Policy interface {
	Choose(options []Option) int
}

// New returns the policy of that name for a registry of n endpoints; nil where there is none.
func New(name string, n int) Policy {
	switch name {
	case "", "weighted":
		return &weighted{current: make([]int, n)}
	case "round_robin":
		return &roundRobin{last: -1}
	case "least_busy":
		return leastBusy{}
	}
	return nil
}

// roundRobin takes the next in the registry's order.
type roundRobin struct{ last int }

func (r *roundRobin) Choose(options []Option) int {
	chosen := 0
	for i, o := range options {
		if o.index > r.last {
			chosen = i
			break
		}
	}
	r.last = options[chosen].index
	return chosen
}

// weighted is smooth weighted round robin: each gains its weight, the highest is chosen and pays the sum.
type weighted struct{ current []int }

func (w *weighted) Choose(options []Option) int {
	sum, chosen := 0, -1
	for i, o := range options {
		weight := max(o.Endpoint.Weight, 1)
		sum += weight
		w.current[o.index] += weight
		if chosen < 0 || w.current[o.index] > w.current[options[chosen].index] {
			chosen = i
		}
	}
	w.current[options[chosen].index] -= sum
	return chosen
}

// leastBusy takes the one with the fewest requests in flight for its weight.
type leastBusy struct{}

func (leastBusy) Choose(options []Option) int {
	chosen := 0
	for i := 1; i < len(options); i++ {
		a, b := options[i], options[chosen]
		if a.Status.InFlight*max(b.Endpoint.Weight, 1) < b.Status.InFlight*max(a.Endpoint.Weight, 1) {
			chosen = i
		}
	}
	return chosen
}
