// Package rating turns usage and a price into an amount: a pure function, exact to the last place.
package rating

import (
	"github.com/shopspring/decimal"

	"github.com/tollhouse/tollhouse/analytics/prices"
	"github.com/tollhouse/tollhouse/events"
)

// Unpriced is the price version of what the catalogue does not know: it costs 0 and is listed.
const Unpriced = "unpriced"

// Charge is what an attempt cost.
type Charge struct {
	Amount       decimal.Decimal
	Currency     string
	PriceVersion string
	Breakdown    map[string]decimal.Decimal // by kind; their sum is the amount
}

// Parts splits a usage into kinds that do not overlap, which is what prices are for. A part is never taken from its total twice:
// what is both cached and audio counts as cached.
func Parts(u *events.Usage) map[string]uint64 {
	u = &events.Usage{
		InputTokens: u.InputTokens, CacheReadTokens: u.CacheReadTokens, CacheWriteTokens: u.CacheWriteTokens,
		CacheWrite1hTokens: u.CacheWrite1hTokens, InputAudioTokens: u.InputAudioTokens, OutputTokens: u.OutputTokens,
		ReasoningTokens: u.ReasoningTokens, OutputAudioTokens: u.OutputAudioTokens,
	}
	u.Normalize()
	input := u.InputTokens - u.CacheReadTokens - u.CacheWriteTokens
	audioIn := min(u.InputAudioTokens, input)
	reasoning := u.ReasoningTokens
	audioOut := min(u.OutputAudioTokens, u.OutputTokens-reasoning)
	return map[string]uint64{
		prices.Input: input - audioIn, prices.InputAudio: audioIn, prices.CacheRead: u.CacheReadTokens,
		prices.CacheWrite: u.CacheWriteTokens - u.CacheWrite1hTokens, prices.CacheWrite1h: u.CacheWrite1hTokens,
		prices.Output: u.OutputTokens - reasoning - audioOut, prices.Reasoning: reasoning, prices.OutputAudio: audioOut,
	}
}

// Rate prices a usage; entry may be nil.
func Rate(u *events.Usage, entry *prices.Entry) Charge {
	c := Charge{Currency: "USD", PriceVersion: Unpriced, Breakdown: map[string]decimal.Decimal{}}
	if entry == nil {
		return c
	}
	c.Currency, c.PriceVersion = entry.Currency, entry.Version
	add := func(kind string, n uint64, price decimal.Decimal) {
		if n == 0 || price.IsZero() {
			return
		}
		amount := decimal.NewFromUint64(n).Mul(price)
		c.Breakdown[kind] = amount
		c.Amount = c.Amount.Add(amount)
	}
	for kind, n := range Parts(u) {
		add(kind, n, entry.Token(kind, u.InputTokens))
	}
	for unit, n := range u.OtherUnits {
		if price, ok := entry.Unit(unit); ok {
			add(unit, n, price)
		}
	}
	return c
}
