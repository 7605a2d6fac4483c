package balance

import (
	"math"
	"math/bits"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/analytics/prices"
)

// Prices is a catalogue as placing asks it. Looking up a model takes some searching, so what was found holds for a while.
type Prices struct {
	catalogue *prices.Catalogue
	mu        sync.Mutex
	found     map[model]found
}

type model struct{ provider, name string }

// found is an entry, nil where there is none, and until when that is believed: a price may begin at any time.
type found struct {
	entry *prices.Entry
	until time.Time
}

// Bounds of what is found: clients can name any model.
const (
	foundFor = time.Minute
	maxFound = 1024
)

var _ routing.Prices = (*Prices)(nil)

// NewPrices returns the prices of a catalogue.
func NewPrices(c *prices.Catalogue) *Prices { return &Prices{catalogue: c, found: map[model]found{}} }

// Price returns what the catalogue says now.
func (p *Prices) Price(provider, sentModel string, input uint64, now time.Time) (routing.Price, bool) {
	e := p.entry(model{provider, sentModel}, now)
	if e == nil {
		return routing.Price{}, false
	}
	return routing.Price{
		Input: units(e.Token(prices.Input, input)), CacheRead: units(e.Token(prices.CacheRead, input)),
		Output: units(e.Token(prices.Output, input)), Currency: e.Currency,
	}, true
}

func (p *Prices) entry(m model, now time.Time) *prices.Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, ok := p.found[m]
	if !ok || !now.Before(f.until) {
		if !ok && len(p.found) >= maxFound {
			clear(p.found)
		}
		f = found{p.catalogue.Lookup(m.provider, m.name, now, now), now.Add(foundFor)}
		p.found[m] = f
	}
	return f.entry
}

// places is what a price of one token has behind its point at most: the catalogue refuses more.
const places = 12

// units returns a price in 10⁻¹² of its currency, exactly, or the most that can be told.
func units(d decimal.Decimal) uint64 {
	coefficient := d.Coefficient()
	if !coefficient.IsUint64() {
		return math.MaxUint64
	}
	n := coefficient.Uint64()
	for range int(d.Exponent()) + places {
		high, low := bits.Mul64(n, 10)
		if high != 0 {
			return math.MaxUint64
		}
		n = low
	}
	return n
}
