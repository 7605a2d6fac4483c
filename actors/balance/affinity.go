package balance

import (
	"github.com/tollhouse/tollhouse/actors/affinity"
	"github.com/tollhouse/tollhouse/adapters"
)

// sticky sends what has the same key to the same endpoint, as long as that has not much more to do than the others; then to the one that
// comes next for the key. What has no key takes turns.
type sticky struct {
	weighted
	members []uint64
}

func newSticky(endpoints []*adapters.Endpoint, turns weighted) *sticky {
	s := &sticky{weighted: turns}
	for _, e := range endpoints {
		s.members = append(s.members, affinity.Member(e.Name))
	}
	return s
}

func (s *sticky) Choose(r *Request, options []Option) int {
	if r.Key == 0 {
		return s.among(options, 0)
	}
	inFlight, weights := 0, 0
	for i := range options {
		inFlight += options[i].InFlight
		weights += options[i].Weight
	}
	chosen, best := -1, uint64(0)
	for i := range options {
		o := &options[i]
		if affinity.Overloaded(o.InFlight, o.Weight, inFlight, weights) {
			continue
		}
		draw := affinity.Draw(r.Key, s.members[o.Index])
		if chosen < 0 || affinity.Before(draw, o.Weight, best, options[chosen].Weight) {
			chosen, best = i, draw
		}
	}
	return max(chosen, 0)
}
