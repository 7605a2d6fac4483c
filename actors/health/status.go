package health

import "time"

// Why is why an endpoint is passed over.
type Why string

// Reasons, as `explain` prints them.
const (
	OutOfUse      Why = "credential_refused"
	Busy          Why = "busy"           // all its permits are given out
	Open          Why = "circuit_open"   // it fails, and is left alone for a while
	Probing       Why = "circuit_probed" // one attempt is finding out whether it works again
	Limited       Why = "rate_limited"   // by the provider's word
	NearlyLimited Why = "nearly_limited" // others go first
)

// Binds says whether nothing may be sent; else it is only better not to.
func (w Why) Binds() bool { return w != "" && w != NearlyLimited }

// Status is a copy for others to read.
type Status struct {
	InFlight int
	Full     bool
	Out      bool
	whole    gate
	models   map[string]gate  // those of which there is something to tell; never changed
	paces    map[string]*pace // never changed, but for what they hold
	clear    bool             // nothing stands against it, whatever the model
}

// gate is what a breaker and a limit let through.
type gate struct {
	open, probing         bool
	until, limited, tight time.Time
	closed                time.Time
}

// Status returns a copy, in which nothing is changed any more.
func (e *Endpoint) Status() Status {
	s := Status{InFlight: e.inFlight, Full: e.Full(), Out: e.out, whole: e.whole.gate(), paces: e.paces}
	if len(e.told) > 0 {
		s.models = make(map[string]gate, len(e.told))
		for name, m := range e.told {
			s.models[name] = m.gate()
		}
	}
	s.clear = !s.Out && !s.Full && !s.whole.open && s.whole.closed.IsZero() && len(s.models) == 0
	return s
}

func (b *breaker) gate() gate {
	return gate{open: b.open, probing: b.probing, until: b.until, closed: b.closed}
}

// Refuses says why no attempt for a model may go there now, and when one may, as far as that is known. NearlyLimited is a wish, no refusal.
func (s Status) Refuses(now time.Time, model string) (why Why, wait time.Duration) {
	return s.refuses(now, s.models[model])
}

func (s Status) refuses(now time.Time, m gate) (why Why, wait time.Duration) {
	if s.Out {
		return OutOfUse, 0
	}
	for _, g := range [...]gate{s.whole, m} {
		switch {
		case g.open && now.Before(g.until):
			return Open, g.until.Sub(now)
		case g.open && g.probing:
			return Probing, 0
		case now.Before(g.limited):
			return Limited, g.limited.Sub(now)
		}
	}
	switch {
	case s.Full:
		return Busy, 0
	case now.Before(m.tight):
		return NearlyLimited, 0
	}
	return "", 0
}

// Serves says whether the endpoint takes requests at all, whatever becomes of single models.
func (s Status) Serves(now time.Time) bool {
	why, _ := s.refuses(now, gate{})
	return !why.Binds()
}

// RefusedModels is how many models are refused, each for itself.
func (s Status) RefusedModels(now time.Time) (n int) {
	for _, m := range s.models {
		if m.open && now.Before(m.until) || now.Before(m.limited) {
			n++
		}
	}
	return n
}

// leastShare is what an endpoint that has just recovered gets of its weight.
const leastShare = 0.1

// Share is how much of its weight an endpoint takes for a model: less than 1 for a while after it has recovered, so that it is not
// overrun.
func (s Status) Share(now time.Time, model string) float64 {
	share := 1.0
	for _, g := range [...]gate{s.whole, s.models[model]} {
		if g.closed.IsZero() {
			continue
		}
		if since := now.Sub(g.closed); since < RampUp {
			share = min(share, max(leastShare, float64(since)/float64(RampUp)))
		}
	}
	return share
}
