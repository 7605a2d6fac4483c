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
		weights += options[i].weight()
	}
	chosen, best := -1, 0.0
	for i := range options {
		o := &options[i]
		weight := o.weight()
		if affinity.Overloaded(o.InFlight, weight, inFlight, weights) {
			continue
		}
		if score := affinity.Score(affinity.Draw(r.Key, s.members[o.Index]), weight); chosen < 0 || score > best {
			chosen, best = i, score
		}
	}
	return max(chosen, 0)
}
