// Package balance chooses an endpoint of a registry: one policy a type, over what the endpoints publish.
package balance

import "github.com/tollhouse/tollhouse/adapters"

// Option is one endpoint that may be chosen.
type Option struct {
	Endpoint *adapters.Endpoint
	Index    int // in the registry
	InFlight int
	Share    float64 // of its weight: less than 1 while it recovers
	Pressed  bool    // a rate limit is nearly used up
}

// unit is what a weight of 1 counts, so that a share of it is a whole number.
const unit = 100

// weight is what the endpoint counts now.
func (o *Option) weight() int { return max(int(float64(max(o.Endpoint.Weight, 1))*o.Share*unit), 1) }

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
		if o.Index > r.last {
			chosen = i
			break
		}
	}
	r.last = options[chosen].Index
	return chosen
}

// weighted is smooth weighted round robin: each gains its weight, the highest is chosen and pays the sum.
type weighted struct{ current []int }

func (w *weighted) Choose(options []Option) int {
	sum, chosen := 0, -1
	for i, o := range options {
		weight := o.weight()
		sum += weight
		w.current[o.Index] += weight
		if chosen < 0 || w.current[o.Index] > w.current[options[chosen].Index] {
			chosen = i
		}
	}
	w.current[options[chosen].Index] -= sum
	return chosen
}

// leastBusy takes the one with the fewest requests in flight for its weight.
type leastBusy struct{}

func (leastBusy) Choose(options []Option) int {
	chosen := 0
	for i := 1; i < len(options); i++ {
		a, b := options[i], options[chosen]
		if a.InFlight*b.weight() < b.InFlight*a.weight() {
			chosen = i
		}
	}
	return chosen
}
