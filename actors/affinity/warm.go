package affinity

import (
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
)

// WarmFor is how long a provider is believed to have the beginning of a prompt in its cache after it was sent last.
const WarmFor = 5 * time.Minute

// Bounds of the table: how many beginnings it knows, in two halves of which the older goes at once, and how many endpoints of each.
const (
	maxKeys     = 1 << 16
	maxHolders  = 4
	cachedFrom  = 1024 // tokens: nobody caches less
	firstGuess  = 500  // per mille, of what was sent once: whether it can be read from a cache shows the second time
	wholeCached = 1000
)

// Holder is an endpoint that was sent the beginning of a prompt lately, for a model, and how much of such an input it read from its cache.
type Holder struct {
	Endpoint *adapters.Endpoint
	PerMille uint64 // of the input
	model    uint64
	at       time.Time
}

// Table remembers which endpoints were sent which beginnings. It holds hashes and no text, and any goroutine may use it.
type Table struct {
	mu     sync.Mutex
	recent map[uint64][]Holder // never changed in place: readers have them
	older  map[uint64][]Holder
	turned time.Time
}

// NewTable makes an empty one.
func NewTable() *Table { return &Table{recent: map[uint64][]Holder{}} }

// Holders returns who has the beginning now, for a model as it is sent.
func (t *Table) Holders(now time.Time, key uint64, model string) []Holder {
	t.mu.Lock()
	all := t.find(key)
	t.mu.Unlock()
	of := Member(model)
	for i, h := range all {
		if h.is(now, of) {
			continue
		}
		held := append([]Holder(nil), all[:i]...)
		for _, h := range all[i:] {
			if h.is(now, of) {
				held = append(held, h)
			}
		}
		return held
	}
	return all
}

func (h *Holder) is(now time.Time, model uint64) bool {
	return h.model == model && now.Sub(h.at) < WarmFor
}

// Sent is told that an endpoint answered a prompt with this beginning, how long its input was, and how much of that it read from its
// cache, or wrote there, in tokens.
func (t *Table) Sent(now time.Time, key uint64, model string, e *adapters.Endpoint, input, read, written uint64) {
	h := Holder{Endpoint: e, model: Member(model), at: now}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn(now)
	before := t.find(key)
	known := false
	all := make([]Holder, 1, maxHolders)
	for _, b := range before {
		switch {
		case b.Endpoint == e && b.model == h.model:
			known = now.Sub(b.at) < WarmFor
		case len(all) < maxHolders && now.Sub(b.at) < WarmFor:
			all = append(all, b)
		}
	}
	switch cached := read + written; {
	case cached > 0 && input > 0:
		h.PerMille = min(wholeCached*cached/input, wholeCached)
	case !known && input >= cachedFrom:
		h.PerMille = firstGuess
	}
	all[0] = h
	t.recent[key] = all
}

func (t *Table) find(key uint64) []Holder {
	if all, ok := t.recent[key]; ok {
		return all
	}
	return t.older[key]
}

// turn forgets the older half once the younger is full, or so old that nothing in the older can be warm.
func (t *Table) turn(now time.Time) {
	if len(t.recent) < maxKeys/2 && now.Sub(t.turned) < WarmFor {
		return
	}
	t.older, t.recent, t.turned = t.recent, make(map[uint64][]Holder), now
}
