package balance

// roundRobin takes the next in the registry's order. One that recovers is passed over as often as its share says.
type roundRobin struct {
	last   int
	credit []int // of those that recover, in hundredths of a turn
}

func (r *roundRobin) Choose(_ *Request, options []Option) int {
	first := 0
	for first < len(options) && options[first].Index <= r.last {
		first++
	}
	chosen := first % len(options)
	for i := range options {
		i = (first + i) % len(options)
		if r.turn(&options[i]) {
			chosen = i
			break
		}
	}
	r.last = options[chosen].Index
	return chosen
}

// turn says whether it is really an option's turn.
func (r *roundRobin) turn(o *Option) bool {
	credit := &r.credit[o.Index]
	if o.Share >= 1 {
		*credit = 0
		return true
	}
	if *credit += int(o.Share * unit); *credit < unit {
		return false
	}
	*credit -= unit
	return true
}

// weighted is smooth weighted round robin: each gains its weight, the highest is chosen and pays the sum.
type weighted struct{ current []int }

func (w *weighted) Choose(_ *Request, options []Option) int { return w.among(options, 0) }

// among gives the turn to one of the options of this rank.
func (w *weighted) among(options []Option, rank uint64) int {
	sum, chosen, most := 0, -1, 0
	for i := range options {
		o := &options[i]
		if o.rank != rank {
			continue
		}
		sum += o.Weight
		current := w.current[o.Index] + o.Weight
		w.current[o.Index] = current
		if chosen < 0 || current > most {
			chosen, most = i, current
		}
	}
	w.current[options[chosen].Index] -= sum
	return chosen
}

// lowest gives the turn to one of those whose rank is the lowest.
func (w *weighted) lowest(options []Option) int {
	rank := options[0].rank
	for i := range options {
		rank = min(rank, options[i].rank)
	}
	return w.among(options, rank)
}

// leastBusy takes the one with the fewest requests in flight for its weight; where there are several, they take turns.
type leastBusy struct{ weighted }

// busyUnit is how finely loads are compared; a thousand of a request are told.
const busyUnit = 1_000_000

func (l *leastBusy) Choose(_ *Request, options []Option) int {
	for i := range options {
		o := &options[i]
		if o.InFlight > 0 {
			o.rank = uint64(o.InFlight) * busyUnit * unit / uint64(o.Weight)
			o.Score = o.rank / (busyUnit / 1000)
		}
	}
	return l.lowest(options)
}
