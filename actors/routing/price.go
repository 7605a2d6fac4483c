package routing

import (
	"math"
	"math/bits"
	"time"
)

// Price is what tokens of one model cost, each, in 10⁻¹² of the currency: exact, since no price has more places.
type Price struct {
	Input, CacheRead, Output uint64
	Currency                 string
}

// Prices knows what models cost.
type Prices interface {
	// Price returns the price of an attempt that starts now and has that much input; ok is false where it is not known.
	Price(provider, sentModel string, input uint64, now time.Time) (p Price, ok bool)
}

// Cost is what an attempt with these tokens costs in 10⁻¹² of the currency; cached are those of the input that are read from a cache. What
// is too much to be told is the most that can be.
func (p Price) Cost(input, cached, output uint64) uint64 {
	cached = min(cached, input)
	return add(add(multiply(input-cached, p.Input), multiply(cached, p.CacheRead)), multiply(output, p.Output))
}

func multiply(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	if high != 0 {
		return math.MaxUint64
	}
	return low
}

func add(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry != 0 {
		return math.MaxUint64
	}
	return sum
}
