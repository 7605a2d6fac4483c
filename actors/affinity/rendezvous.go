package affinity

import "math"

// Draw is the number that a key draws for a member: the same every time and everywhere, and for different members as if by chance.
func Draw(key, member uint64) uint64 { return mix(mix(key+0x9e3779b97f4a7c15) ^ member) }

// mix makes every bit count.
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// Score orders members by what was drawn for them, the highest first, so that each comes first as often as its weight says, and when one
// goes away only what was its own moves: weighted rendezvous, -w/ln(u).
func Score(draw uint64, weight int) float64 {
	u := (float64(draw>>11) + 0.5) / (1 << 53)
	return -float64(weight) / math.Log(u)
}

// Before says whether the first of two members has the higher score. Of the same weight it is the one with the higher draw.
func Before(draw uint64, weight int, than uint64, thanWeight int) bool {
	if weight == thanWeight {
		return draw > than
	}
	return Score(draw, weight) > Score(than, thanWeight)
}

// Member is the number under which a name takes part.
func Member(name string) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}

// Overloaded says whether a member has more in flight than its share of all that is in flight with the request that is to be placed,
// and a quarter: it is passed over, so that one key does not drown it. There is always one that is not.
func Overloaded(inFlight, weight, allInFlight, allWeight int) bool {
	return 4*inFlight*allWeight >= 5*(allInFlight+1)*weight
}
