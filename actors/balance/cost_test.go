package balance

import (
	"math"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/tollhouse/tollhouse/actors/affinity"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/analytics/prices"
)

func TestCost(t *testing.T) {
	w := newWorld(t, Cost, 1, 1, 1)
	w.request.Input, w.request.Output = 10_000, 500
	w.request.Holders = []affinity.Holder{{Endpoint: w.endpoints[1], PerMille: 400}, {Endpoint: w.endpoints[2], PerMille: 900}}
	for i, want := range []int{0, 1, 2} {
		w.wants(want, "nobody knows what it costs: in turn")
		if w.options[i].Score != 0 {
			t.Errorf("a score of %d without a price", w.options[i].Score)
		}
	}
	w.request.Price = &routing.Price{Input: 3_000_000, CacheRead: 300_000, Output: 15_000_000} // 3, 0.30 and 15 a million
	for range 5 {
		w.wants(2, "most of the prompt is in its cache")
	}
	for i, want := range []uint64{37_500_000_000, 26_700_000_000, 13_200_000_000} {
		if got := w.options[i].Score; got != want {
			t.Errorf("it costs %d at %d, want %d", got, i, want)
		}
	}
	w.away[2] = true
	w.wants(1, "the next best")
	w.away[1] = true
	w.wants(0, "what is left")
}

func TestPricesAreExact(t *testing.T) {
	catalogue, err := prices.Parse([]byte(`
prices:
  - {provider: p, model: m, valid_from: 2026-01-01, per_million: {input: "0.075", cache_read: "0.000001", output: "1E+3"}, tiers: [{above_input: 1000, per_million: {input: "0.15", output: "2000"}}]}
  - {provider: p, model: next, valid_from: 2026-11-24, per_million: {input: "1", output: "1"}}
  - {provider: p, model: dear, valid_from: 2026-01-01, per_million: {input: "99999999999999999999999", output: "1E+40"}}
`))
	if err != nil {
		t.Fatal(err)
	}
	p := NewPrices(catalogue)
	for _, c := range []struct {
		model string
		input uint64
		now   time.Time
		want  routing.Price
		ok    bool
	}{
		{"m", 1000, noon, routing.Price{Input: 75_000, CacheRead: 1, Output: 1_000_000_000, Currency: "USD"}, true},
		{"m-2026-08-06", 1000, noon, routing.Price{Input: 75_000, CacheRead: 1, Output: 1_000_000_000, Currency: "USD"}, true},
		{"m", 1001, noon, routing.Price{Input: 150_000, CacheRead: 150_000, Output: 2_000_000_000, Currency: "USD"}, true},
		{"next", 1, noon, routing.Price{}, false},
		{"next", 1, noon.Add(12 * time.Hour), routing.Price{Input: 1_000_000, CacheRead: 1_000_000, Output: 1_000_000, Currency: "USD"}, true},
		{"dear", 1, noon, routing.Price{Input: math.MaxUint64, CacheRead: math.MaxUint64, Output: math.MaxUint64, Currency: "USD"}, true},
		{"unheard-of", 1, noon, routing.Price{}, false},
	} {
		if got, ok := p.Price("p", c.model, c.input, c.now); got != c.want || ok != c.ok {
			t.Errorf("%s with %d: %+v, %v; want %+v", c.model, c.input, got, ok, c.want)
		}
	}
	for i := range 2 * maxFound {
		p.Price("p", string(rune('a'+i%26))+time.Duration(i).String(), 1, noon)
	}
	if len(p.found) > maxFound {
		t.Errorf("%d models are remembered", len(p.found))
	}
}

// Every price of the catalogue that comes with the program is the same in units.
func TestEveryPriceIsTheSameInUnits(t *testing.T) {
	catalogue, err := prices.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range catalogue.Entries() {
		for kind, perMillion := range e.PerMillion() {
			if got := decimal.NewFromUint64(units(e.Token(kind, 0))).Shift(6 - places); !got.Equal(perMillion) {
				t.Errorf("%s %s: %s in units, %s in the catalogue", e.Version, kind, got, perMillion)
			}
		}
	}
}

func TestWhatAModelWrites(t *testing.T) {
	o := NewOutputs()
	expects := func(model string, limit, want uint64) {
		t.Helper()
		if got := o.Expect(model, limit); got != want {
			t.Errorf("%s within %d is expected to write %d, want %d", model, limit, got, want)
		}
	}
	expects("m", 0, firstOutput)
	expects("m", 100, 100)
	o.Wrote("m", 2000)
	expects("m", 0, 2000)
	expects("m", 300, 300)
	for range 100 {
		o.Wrote("m", 40)
	}
	expects("m", 0, 43)
	expects("other", 0, firstOutput)
	for i := range 2 * maxOutputs {
		o.Wrote(time.Duration(i).String(), 1)
	}
	if len(o.average) > maxOutputs {
		t.Errorf("%d models are remembered", len(o.average))
	}
}
