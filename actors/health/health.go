// Package health is the state of one endpoint as a machine over a clock: permits, circuit breakers, cooldowns, and whether its credential
// works. It belongs to one actor, which alone changes it; others read copies.
package health

import (
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// Endpoint is the state of one endpoint. A failure to reach it counts against all of it; any other counts against the model that was asked
// for: providers run, limit and overload each for itself.
type Endpoint struct {
	Limit    int // permits at once; 0: no limit
	inFlight int
	out      bool // its credential was refused
	whole    breaker
	models   map[string]*model
	told     map[string]*model // those of which there is something to tell
	paces    map[string]*pace  // how long the models take
}

// model is what is known of one model at the endpoint.
type model struct {
	breaker
	limited time.Time // by the provider's word: nothing is sent before
	tight   time.Time // so little is left of a rate limit that others go first, until then
	used    time.Time
}

// maxModels bounds how many models are told apart. Behind them, those that were not used for longest are forgotten.
const maxModels = 256

// Permit is the right to one attempt. It is given back with what came of it.
type Permit struct {
	model string
	// of: on which breakers the attempt is the probe that decides whether they close
	probesWhole, probesModel bool
}

// Probes says whether a breaker waits for what comes of the attempt.
func (p Permit) Probes() bool { return p.probesWhole || p.probesModel }

// Decided is the permit of a probe that has been decided.
func (p Permit) Decided() Permit { return Permit{model: p.model} }

// Acquire takes a permit for a model, if there is one.
func (e *Endpoint) Acquire(now time.Time, name string) (p Permit, ok bool) {
	s := Status{InFlight: e.inFlight, Full: e.Full(), Out: e.out, whole: e.whole.gate()}
	m := e.told[name]
	var g gate
	if m != nil {
		g = m.gate()
	}
	if why, _ := s.refuses(now, g); why.Binds() {
		return p, false
	}
	p.model = name
	p.probesWhole = e.whole.begin()
	if m != nil {
		p.probesModel = m.begin()
	}
	e.inFlight++
	return p, true
}

// Full says whether all permits are given out.
func (e *Endpoint) Full() bool { return e.Limit > 0 && e.inFlight >= e.Limit }

func (m *model) gate() gate {
	g := m.breaker.gate()
	g.limited, g.tight = m.limited, m.tight
	return g
}

// Readmit lets an endpoint be tried again whose credential was refused.
func (e *Endpoint) Readmit() { e.out = false }

// Report is what came of an attempt, as far as the endpoint's health is concerned.
type Report struct {
	Held       bool // against the endpoint: not a success, and not cancelled by anybody else
	Cancelled  bool // nothing is known
	Class      events.ErrorClass
	RetryAfter time.Duration
	Limits     adapters.Limits
	Waited     Waited
}

// limitedCool follows a 429 that does not say for how long; maxCool is the longest that anything is believed.
const (
	limitedCool = time.Second
	maxCool     = 10 * time.Minute
)

// Release gives a permit back. It reports whether the endpoint went out just now.
func (e *Endpoint) Release(now time.Time, p Permit, r Report) (wentOut bool) {
	e.inFlight--
	e.paced(now, p.model, &r)
	m := e.model(now, p.model)
	defer e.tell(now, p.model, m)
	defer e.startOver(p.model, m)
	switch {
	case r.Cancelled:
		e.whole.undecided(p.probesWhole)
		m.undecided(p.probesModel)
		return false
	case r.Held && r.Class == events.ErrorCredential:
		e.whole.undecided(p.probesWhole)
		m.undecided(p.probesModel)
		wentOut, e.out = !e.out, true
		return wentOut
	case r.Held && r.Class == events.ErrorTransport:
		e.whole.failed(now, p.probesWhole)
		m.undecided(p.probesModel)
	case r.Held:
		e.whole.succeeded(now, p.probesWhole)
		e.limit(now, m, p, r)
	default:
		e.whole.succeeded(now, p.probesWhole)
		m.succeeded(now, p.probesModel)
	}
	if r.Limits.Tight(e.inFlight) {
		m.tight = now.Add(min(max(r.Limits.Reset(), limitedCool), maxCool))
	}
	return false
}

// limit takes account of a failure that is the model's: one that says for how long is no sign of illness.
func (e *Endpoint) limit(now time.Time, m *model, p Permit, r Report) {
	cool := min(r.RetryAfter, maxCool)
	if cool == 0 && r.Class == events.ErrorRateLimited {
		cool = limitedCool
	}
	if until := now.Add(cool); cool > 0 && until.After(m.limited) {
		m.limited = until
	}
	if r.Class == events.ErrorRateLimited {
		m.undecided(p.probesModel)
		return
	}
	m.failed(now, p.probesModel)
}

// model returns the state of one, which is made where there is none.
func (e *Endpoint) model(now time.Time, name string) *model {
	m := e.models[name]
	if m == nil {
		if e.models == nil {
			e.models = map[string]*model{}
		}
		if len(e.models) >= maxModels {
			e.forget()
		}
		m = &model{}
		e.models[name] = m
	}
	m.used = now
	return m
}

// forget drops the model that was not used for longest.
func (e *Endpoint) forget() {
	oldest := ""
	for name, m := range e.models {
		if oldest == "" || m.used.Before(e.models[oldest].used) {
			oldest = name
		}
	}
	delete(e.models, oldest)
	delete(e.told, oldest)
}

// tell keeps those models apart of which readers must know, so that there is little to copy.
func (e *Endpoint) tell(now time.Time, name string, m *model) {
	if m.clean(now) && !now.Before(m.limited) && !now.Before(m.tight) {
		delete(e.told, name)
		return
	}
	if e.told == nil {
		e.told = map[string]*model{}
	}
	e.told[name] = m
}
