package routing

import (
	"cmp"
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/actors/affinity"
)

// Policies, by which a pool's registries are balanced and, in actors/balance, a registry's endpoints.
const (
	Weighted   = "weighted" // also where none is given
	RoundRobin = "round_robin"
	LeastBusy  = "least_busy"
	Latency    = "latency"
	Cost       = "cost"
	Affinity   = "affinity"
)

// View is what is known of a registry when a request is placed. A pool's policy asks for its own part of it.
type View struct {
	Available bool // some endpoint takes the model now
	InFlight  int  // over all endpoints
	// Wait is how long the best endpoint is expected to take, with what it has to do; it is not Known where none was ever asked.
	Wait     time.Duration
	Known    bool
	Cost     uint64 // what the request is expected to cost, in 10⁻¹² of the currency; Priced says whether that is known
	Currency string
	Priced   bool
}

// Views tells a pool what is known.
type Views interface {
	// View looks at a registry for the sake of a policy.
	View(policy string, c *Candidate) View
	// Key is what keeps requests together; 0: nothing does.
	Key() uint64
	// Turn puts that of a pool's registries first whose last turn is longest ago, and the others behind it in that order. It is now the
	// turn of the first.
	Turn(p *Pool, available []Candidate)
}

// ranked is a candidate while it is compared.
type ranked struct {
	Candidate
	View
	class int     // a lower one goes first
	by    float64 // then a lower one of these
}

// rank orders a pool's candidates: those that can serve now first, among them by the pool's policy, and what that finds equal by weight.
func (p *Pool) rank(all []Candidate, requestID string, views Views) {
	if len(all) < 2 {
		return
	}
	byWeight(all, requestID)
	if p == nil || views == nil || p.Balance == "" || p.Balance == Weighted {
		return
	}
	if p.Balance == Affinity {
		if key := views.Key(); key != 0 {
			byDraw(all, func(c *Candidate) uint64 { return affinity.Draw(key, affinity.Member(c.Registry.Name)) })
		}
	}
	look := make([]ranked, len(all))
	available := 0
	for i := range all {
		look[i] = ranked{Candidate: all[i], View: views.View(p.Balance, &all[i])}
		if !look[i].Available {
			look[i].class = unavailable
		} else {
			available++
		}
	}
	compare(p.Balance, look)
	slices.SortStableFunc(look, func(a, b ranked) int { return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.by, b.by)) })
	for i := range look {
		all[i] = look[i].Candidate
	}
	if p.Balance == RoundRobin && available > 0 {
		views.Turn(p, all[:available])
	}
}

// unavailable is the class of what cannot serve now. The policies use those below it.
const unavailable = 9

// compare finds what a policy goes by.
func compare(policy string, look []ranked) {
	switch policy {
	case LeastBusy:
		for i := range look {
			look[i].by = float64(look[i].InFlight) / float64(look[i].Weight)
		}
	case Latency:
		compareWaits(look)
	case Cost:
		compareCosts(look)
	case Affinity:
		passOverloaded(look)
	}
}

// compareWaits takes what expects to answer soonest for its weight. What is not known is tried when it has nothing to do, and is else
// taken to be as the best.
func compareWaits(look []ranked) {
	best := time.Duration(0)
	for _, r := range look {
		if r.Known && (best == 0 || r.Wait < best) {
			best = max(r.Wait, 1)
		}
	}
	for i := range look {
		r := &look[i]
		switch wait := r.Wait; {
		case !r.Known && r.InFlight == 0:
			r.by = 0
		case !r.Known:
			r.by = float64(max(best, 1)) * float64(r.InFlight+1) / float64(r.Weight)
		default:
			r.by = float64(wait) / float64(r.Weight)
		}
	}
}

// compareCosts takes what is cheapest. Behind stand those whose price is not known, or in another currency: there is no rate of exchange
// here, so one goes first, by its name. Costs are compared as they are, exactly; places in their order stand for them.
func compareCosts(look []ranked) {
	currency, some := "", false
	for _, r := range look {
		if r.Priced && r.class != unavailable && (!some || r.Currency < currency) {
			currency, some = r.Currency, true
		}
	}
	var amounts []uint64
	for i := range look {
		r := &look[i]
		if r.Priced && r.Currency == currency {
			amounts = append(amounts, r.Cost)
		} else if r.class != unavailable {
			r.class = unavailable - 1
		}
	}
	slices.Sort(amounts)
	for i := range look {
		if r := &look[i]; r.Priced && r.Currency == currency {
			place, _ := slices.BinarySearch(amounts, r.Cost)
			r.by = float64(place)
		}
	}
}

// passOverloaded puts those behind that have too much more to do than the others.
func passOverloaded(look []ranked) {
	inFlight, weights := 0, 0
	for _, r := range look {
		if r.class != unavailable {
			inFlight += r.InFlight
			weights += r.Weight
		}
	}
	for i := range look {
		r := &look[i]
		if r.class != unavailable && affinity.Overloaded(r.InFlight, r.Weight, inFlight, weights) {
			r.class = unavailable - 1
		}
	}
}

// weigh gives each candidate the weight that its registry has in the pool.
func weigh(all []Candidate, members []Member) {
	for i := range all {
		for _, m := range members {
			if m.Registry == all[i].Registry {
				all[i].Weight = max(m.Weight, 1)
				break
			}
		}
	}
}

// byWeight orders candidates by weighted rendezvous on the request's id, so that it needs no state and falls out the same for a request
// every time.
func byWeight(all []Candidate, requestID string) {
	byDraw(all, func(c *Candidate) uint64 { return draw(requestID, c.Registry.Name) })
}

func byDraw(all []Candidate, draw func(c *Candidate) uint64) {
	if len(all) < 2 {
		return
	}
	type scored struct {
		Candidate
		score float64
	}
	order := make([]scored, len(all))
	for i := range all {
		order[i] = scored{all[i], affinity.Score(draw(&all[i]), all[i].Weight)}
	}
	slices.SortStableFunc(order, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	for i := range order {
		all[i] = order[i].Candidate
	}
}

// draw hashes the two together: FNV-1a, mixed so that every bit counts.
func draw(requestID, registry string) uint64 {
	h := uint64(14695981039346656037)
	for _, s := range [...]string{requestID, "\x00", registry} {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
