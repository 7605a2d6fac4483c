package health

import (
	"math/bits"
	"time"
)

// spread is how long attempts took lately: counts by size, four to a doubling, so that a quantile is off by a fifth at most.
type spread struct {
	counts [spreadSizes]uint16
	n      int
}

const (
	spreadFrom  = 100 * time.Microsecond // what is shorter counts as this
	spreadSizes = 4 * 24                 // up to half an hour
	fewest      = 20                     // samples of which something can be said
	manySamples = 1000                   // by then older ones count half
	slowest     = 95                     // of 100 are not slower
)

func (s *spread) add(d time.Duration) {
	s.counts[size(d)]++
	if s.n++; s.n < manySamples {
		return
	}
	s.n = 0
	for i := range s.counts {
		s.counts[i] /= 2
		s.n += int(s.counts[i])
	}
}

// size is the index of a duration: doublings above spreadFrom, and quarters between them.
func size(d time.Duration) int {
	v := uint64(max(d/spreadFrom, 1))
	doublings := bits.Len64(v) - 1
	quarter := int(v<<2>>doublings) & 3
	return min(doublings*4+quarter, spreadSizes-1)
}

// slow is what 95 of 100 attempts did not take longer than; 0: there are too few to say.
func (s *spread) slow() time.Duration {
	if s.n < fewest {
		return 0
	}
	left := s.n * (100 - slowest) / 100
	for i := spreadSizes - 1; i >= 0; i-- {
		if left -= int(s.counts[i]); left < 0 {
			return (spreadFrom << (i / 4)) * time.Duration(5+i%4) / 4 // the end of that size
		}
	}
	return 0
}
