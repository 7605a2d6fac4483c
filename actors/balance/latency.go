package balance

import (
	"time"

	"github.com/tollhouse/tollhouse/actors/affinity"
)

// latency takes two options by chance and of them the one that will answer sooner: by its peak-sensitive average, times what it has to do
// already, for its weight. Of two only, because all requests would go to the one best until it is the worst.
type latency struct{ drawn uint64 }

func (l *latency) Choose(r *Request, options []Option) int {
	n := uint64(len(options))
	if n == 1 {
		l.compare(r, &options[0], &options[0])
		return 0
	}
	l.drawn++
	chance := affinity.Draw(l.drawn, n)
	a := chance >> 32 % n
	b := (a + 1 + chance&0xffffffff%(n-1)) % n
	if l.compare(r, &options[a], &options[b]) {
		return int(a)
	}
	return int(b)
}

// compare says whether a is the better, or as good. One that is not known is tried as soon as it has nothing to do; else it is taken to
// be as the other.
func (*latency) compare(r *Request, a, b *Option) bool {
	timeA, knownA := a.Status.Expect(r.Now, r.Model, r.Streamed)
	timeB, knownB := b.Status.Expect(r.Now, r.Model, r.Streamed)
	assumed := max(timeA, timeB, time.Microsecond)
	a.wait(timeA, knownA, assumed)
	b.wait(timeB, knownB, assumed)
	if a.rank == b.rank {
		return a.InFlight*b.Weight <= b.InFlight*a.Weight
	}
	return a.rank < b.rank
}

func (o *Option) wait(expected time.Duration, known bool, assumed time.Duration) {
	o.rank = uint64(Wait(expected, known, assumed, o.InFlight, float64(o.Weight)/unit))
	o.Score = o.rank / uint64(time.Microsecond)
}

// Wait is what is compared of two that can answer: what one expects to take, times what is in flight there with the request that is to
// be placed, for its weight. One that is not known is tried when it has nothing to do; else what is assumed of it holds.
func Wait(expected time.Duration, known bool, assumed time.Duration, inFlight int, weight float64) time.Duration {
	switch {
	case !known && inFlight == 0:
		return 0
	case !known:
		expected = assumed
	}
	return time.Duration(float64(expected) * float64(inFlight+1) / weight)
}
