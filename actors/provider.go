package actors

import (
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/tollhouse/tollhouse/actors/balance"
	"github.com/tollhouse/tollhouse/actors/health"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// providerActor is one endpoint: it alone gives out permits and judges its health. It does no I/O.
//
//	pick           → a permit, given to the request; or back to the balancer, without this endpoint
//	release        → the permit is back, with what came of the attempt
//	opened         → how long a stream took to begin is noted
//	readAnew       → a credential that was refused is tried again
//	watch, unwatch → a balancer in whose queue somebody waits is told when a permit may be free
type providerActor struct {
	endpoint *adapters.Endpoint
	registry string
	state    health.Endpoint
	status   *atomic.Pointer[health.Status]
	now      func() time.Time
	log      *slog.Logger
	watchers []*actor.PID
}

// pick asks for an endpoint of a registry that serves a model. It goes to the balancer, which sends it on to an endpoint, and is
// answered once.
type pick struct {
	at       int    // the candidate, for the answer
	consumer string // whose turn it is, where it waits
	request  balance.Request
	attempt  uint16               // that is to be placed
	tried    []*adapters.Endpoint // of this round
	only     *adapters.Endpoint   // the one that may answer; nil: any
	wait     bool                 // for a permit, where there is none now
	hedge    bool                 // for an attempt beside another
	reply    func(picked)

	considered []events.Considered // what the balancer looked at

	back   *actor.PID           // the balancer, where an endpoint has no permit after all
	full   []*adapters.Endpoint // that had none
	served bool                 // its turn had come
	left   bool                 // nobody waits for the answer any more
}

// picked answers a pick: an endpoint whose permit the request now holds, or none, and when one may be free.
type picked struct {
	at       int
	endpoint *adapters.Endpoint
	provider *actor.PID
	permit   health.Permit
	slow     time.Duration // after which an answer there is later than nearly all; 0: not known
	hedge    bool
	// considered is what was looked at, and why it was used or passed over, at most events.MaxConsidered; the chosen one is first.
	considered []events.Considered

	// With none:
	waited    bool          // it is the answer to one that waited,
	left      bool          // and left the queue
	never     bool          // no endpoint will come, as far as is known
	available time.Duration // until the soonest does
	busy      bool          // one would serve it, had it a permit, or were it known whether it works again
	limited   bool          // one is limited by the provider's word
	otherwise bool          // one is refused for any other reason
}

// leave takes a pick out of the queue. It is answered with none, unless its permit is on its way.
type leave struct{ pick *pick }

// watch asks an endpoint to say freed to a balancer, in whose queue somebody waits, whenever it may give out a permit; unwatch ends that.
type (
	watch   struct{ balancer *actor.PID }
	unwatch struct{ balancer *actor.PID }
	freed   struct{}
)

// release gives a permit back.
type release struct {
	permit health.Permit
	report health.Report
}

// readAnew says that the configuration was read anew, and has this endpoint still.
type readAnew struct{}

// Receive handles a message.
func (p *providerActor) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *pick:
		if permit, ok := p.state.Acquire(p.now(), m.request.Model); ok {
			p.publish()
			m.reply(picked{
				at: m.at, endpoint: p.endpoint, provider: c.Self(), permit: permit, considered: m.considered, hedge: m.hedge,
				slow: p.state.Slow(m.request.Model, m.request.Streamed),
			})
			p.freed(c) // there may be one more
			return
		}
		m.full = append(m.full, p.endpoint)
		c.Send(m.back, m)
	case release:
		if p.state.Release(p.now(), m.permit, m.report) {
			p.log.Error("the provider refuses this endpoint's credential; it is not used any more until the configuration is read anew",
				"registry", p.registry, "endpoint", p.endpoint.Name)
		}
		p.publish()
		p.freed(c)
	case opened:
		if p.state.Opened(p.now(), m.permit, m.after) {
			p.publish()
			p.freed(c)
		}
	case readAnew:
		p.state.Readmit()
		p.publish()
		p.freed(c)
	case watch:
		p.watchers = append(p.watchers, m.balancer)
		if !p.state.Full() { // one was given back while the question was on its way to the queue
			c.Send(m.balancer, freed{})
		}
	case unwatch:
		p.watchers = slices.DeleteFunc(p.watchers, m.balancer.Equal)
	}
}

// freed tells those who watch that a permit may be free.
func (p *providerActor) freed(c actor.Context) {
	if p.state.Full() {
		return
	}
	for _, w := range p.watchers {
		c.Send(w, freed{})
	}
}

func (p *providerActor) publish() {
	s := p.state.Status()
	p.status.Store(&s)
}
