package actors

import (
	"log/slog"
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
//	pick    → a permit, given to the request; or back to the balancer, without this endpoint
//	release → the permit is back, with what came of the attempt
//	opened  → how long a stream took to begin is noted
//	readAnew → a credential that was refused is tried again
type providerActor struct {
	endpoint *adapters.Endpoint
	registry string
	state    health.Endpoint
	status   *atomic.Pointer[health.Status]
	now      func() time.Time
	log      *slog.Logger
}

// pick asks for an endpoint of a registry that serves a model. It goes to the balancer, which sends it on to an endpoint.
type pick struct {
	request    balance.Request
	attempt    uint16               // that is to be placed
	tried      []*adapters.Endpoint // of this round
	only       *adapters.Endpoint   // the one that may answer; nil: any
	considered []events.Considered  // what the balancer looked at
	reply      func(picked)
	back       *actor.PID // the balancer
}

// picked answers a pick: an endpoint whose permit the request now holds, or none, and when one may be free.
type picked struct {
	endpoint  *adapters.Endpoint
	provider  *actor.PID
	permit    health.Permit
	available time.Duration // until the soonest endpoint; with none
	never     bool          // none will be: every endpoint is out
	// considered is what was looked at, and why it was used or passed over, at most events.MaxConsidered; the chosen one is first.
	considered []events.Considered
}

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
			m.reply(picked{endpoint: p.endpoint, provider: c.Self(), permit: permit, considered: m.considered})
			return
		}
		m.tried = append(m.tried, p.endpoint)
		c.Send(m.back, m)
	case release:
		if p.state.Release(p.now(), m.permit, m.report) {
			p.log.Error("the provider refuses this endpoint's credential; it is not used any more until the configuration is read anew",
				"registry", p.registry, "endpoint", p.endpoint.Name)
		}
		p.publish()
	case opened:
		if p.state.Opened(p.now(), m.model, m.after) {
			p.publish()
		}
	case readAnew:
		p.state.Readmit()
		p.publish()
	}
}

func (p *providerActor) publish() {
	s := p.state.Status()
	p.status.Store(&s)
}
