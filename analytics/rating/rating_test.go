package rating

import (
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/analytics/prices"
	"github.com/tollhouse/tollhouse/events"
)

var day = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func entry(t interface{ Fatal(...any) }, model string) *prices.Entry {
	c, err := prices.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	e := c.Lookup("anthropic", model, day, day)
	if e == nil {
		t.Fatal("no price for " + model)
	}
	return e
}

func TestRate(t *testing.T) {
	e := entry(t, "claude-haiku-4-5-20251001") // 1 / 5 / 0.1 / 1.25 / 2 a million
	c := Rate(&events.Usage{
		InputTokens: 1000, CacheReadTokens: 300, CacheWriteTokens: 200, CacheWrite1hTokens: 50, OutputTokens: 10, ReasoningTokens: 4,
	}, e)
	// 500×1 + 300×0.1 + 150×1.25 + 50×2 + 10×5, by a million
	if want := decimal.RequireFromString("0.0008675"); !c.Amount.Equal(want) {
		t.Errorf("amount %s, want %s (%v)", c.Amount, want, c.Breakdown)
	}
	if c.PriceVersion != e.Version || c.Currency != "USD" {
		t.Errorf("%+v", c)
	}
	if c := Rate(&events.Usage{InputTokens: 5}, nil); !c.Amount.IsZero() || c.PriceVersion != Unpriced {
		t.Errorf("unpriced: %+v", c)
	}
}

func usage(t *rapid.T) *events.Usage {
	n := func(name string) uint64 { return rapid.Uint64Range(0, 1<<40).Draw(t, name) }
	u := &events.Usage{
		InputTokens: n("input"), CacheReadTokens: n("read"), CacheWriteTokens: n("write"), CacheWrite1hTokens: n("write 1h"),
		InputAudioTokens: n("audio in"), OutputTokens: n("output"), ReasoningTokens: n("reasoning"), OutputAudioTokens: n("audio out"),
	}
	u.Normalize()
	return u
}

func TestAmountsAreExactAndAddUp(t *testing.T) {
	e := entry(t, "claude-sonnet-4-5")
	rapid.Check(t, func(t *rapid.T) {
		u := usage(t)
		c := Rate(u, e)
		sum := decimal.Zero
		for _, a := range c.Breakdown {
			if a.IsNegative() {
				t.Fatalf("negative: %v", c.Breakdown)
			}
			sum = sum.Add(a)
		}
		if !sum.Equal(c.Amount) {
			t.Fatalf("breakdown sums to %s, amount is %s", sum, c.Amount)
		}
		if !c.Amount.Equal(c.Amount.Round(12)) {
			t.Fatalf("%s has more than twelve places", c.Amount)
		}
		var parts uint64
		for _, n := range Parts(u) {
			parts += n
		}
		if parts != u.InputTokens+u.OutputTokens {
			t.Fatalf("the parts are %d of %d tokens", parts, u.InputTokens+u.OutputTokens)
		}
	})
}
