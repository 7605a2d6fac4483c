// Package balance chooses an endpoint of a registry: one policy a type, over what the endpoints publish.
package balance

import (
	"time"

	"github.com/tollhouse/tollhouse/actors/affinity"
	"github.com/tollhouse/tollhouse/actors/health"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
)

// Names are the policies that there are, of a registry and of a pool.
var Names = []string{Weighted, RoundRobin, LeastBusy, Latency, Cost, Affinity}

// Policies, as routing names them.
const (
	Weighted   = routing.Weighted
	RoundRobin = routing.RoundRobin
	LeastBusy  = routing.LeastBusy
	Latency    = routing.Latency
	Cost       = routing.Cost
	Affinity   = routing.Affinity
)

// Option is one endpoint that may be chosen.
type Option struct {
	Endpoint *adapters.Endpoint
	Index    int // in the registry
	InFlight int
	Weight   int            // what it counts now: its weight times its share, in hundredths
	Share    float64        // of its weight: less than 1 while it recovers
	Pressed  bool           // a rate limit is nearly used up
	Status   *health.Status // that this is read from

	// Score is what the policy compared, as events.Considered tells it; 0 where it compared nothing.
	Score uint64
	rank  uint64 // the same as finely as it is compared
}

// unit is what a weight of 1 counts, so that a share of it is a whole number.
const unit = 100

// Set makes it the option of an endpoint. One option is set again and again, so what stays the same is not written.
func (o *Option) Set(e *adapters.Endpoint, index int, s *health.Status, share float64) {
	if o.Endpoint != e {
		o.Endpoint = e
	}
	if o.Status != s {
		o.Status = s
	}
	o.Index, o.InFlight, o.Share, o.Pressed, o.Score, o.rank = index, s.InFlight, share, false, 0, 0
	if o.Weight = max(e.Weight, 1) * unit; share < 1 {
		o.Weight = max(int(float64(o.Weight)*share), 1)
	}
}

// Request is what policies know of a request that is to be placed. What a policy does not ask for may be left out.
type Request struct {
	Now      time.Time
	Model    string // as it is sent
	Streamed bool
	Key      uint64            // of what should stay together; 0: nothing
	Holders  []affinity.Holder // of the beginning of its prompt
	Price    *routing.Price    // nil: not known
	Input    uint64            // tokens, as far as can be guessed
	Output   uint64            // likewise
}

// Policy chooses one of the options, which are never none. It belongs to one balancer.
type Policy interface {
	Choose(r *Request, options []Option) int
}

// New returns the policy of that name for a registry with these endpoints; nil where there is none.
func New(name string, endpoints []*adapters.Endpoint) Policy {
	turns := weighted{current: make([]int, len(endpoints))}
	switch name {
	case "", Weighted:
		return &turns
	case RoundRobin:
		return &roundRobin{last: -1, credit: make([]int, len(endpoints))}
	case LeastBusy:
		return &leastBusy{turns}
	case Latency:
		return &latency{}
	case Cost:
		return &cost{turns}
	case Affinity:
		return newSticky(endpoints, turns)
	}
	return nil
}

// ByPrefix says whether a policy asks for the request's key.
func ByPrefix(policy string) bool { return policy == Affinity || policy == Cost }

// ByTime says whether a policy asks how long endpoints take.
func ByTime(policy string) bool { return policy == Latency }

// ByPrice says whether a policy asks what the request costs.
func ByPrice(policy string) bool { return policy == Cost }
