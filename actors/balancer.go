package actors

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/tollhouse/tollhouse/actors/balance"
	"github.com/tollhouse/tollhouse/actors/health"
	"github.com/tollhouse/tollhouse/actors/queue"
	"github.com/tollhouse/tollhouse/adapters"
)

// balancerActor is one registry: it chooses among its endpoints by what they publish, and sends the request's question on to
// the one it chose. It does no I/O.
type balancerActor struct {
	registry  *adapters.Registry
	policy    balance.Policy
	providers []*actor.PID                     // in the registry's order
	status    []*atomic.Pointer[health.Status] // likewise
	options   []balance.Option                 // scratch
	queue     *queue.Queue[*pick]              // who waits for a permit
	waiting   *atomic.Int64                    // how many those are, for others to read
	now       func() time.Time
}

// Receive handles a message.
func (b *balancerActor) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *pick:
		b.pick(c, m)
	case *leave:
		b.leave(c, m.pick)
	case freed:
		b.freed(c)
	}
}

// pick sends a question on to the endpoint that is best, or answers that there is none.
func (b *balancerActor) pick(c actor.Context, m *pick) {
	if m.left {
		m.reply(picked{at: m.at, waited: true, left: true})
		return
	}
	if none := b.offer(m); len(b.options) == 0 {
		b.noneFor(c, m, none)
		return
	}
	b.send(c, m)
}

// send sends a question on to the best of the options.
func (b *balancerActor) send(c actor.Context, m *pick) {
	chosen := b.options[b.policy.Choose(b.options)].Index
	m.back = c.Self()
	c.Send(b.providers[chosen], m)
}

// offer puts those endpoints into options that may be sent the model; those that a rate limit nearly stops only where there are no others. It
// returns the answer for the case that there is none.
func (b *balancerActor) offer(m *pick) picked {
	now := b.now()
	b.options = b.options[:0]
	none, pressed := picked{at: m.at, waited: m.wait, hedge: m.hedge, never: true}, 0
	for i, e := range b.registry.Endpoints {
		if m.only != nil && e != m.only {
			continue
		}
		s := b.status[i].Load()
		why, wait := s.Refuses(now, m.model)
		if !why.Binds() && !slices.Contains(m.tried, e) && !slices.Contains(m.full, e) {
			if why != "" {
				pressed++
			}
			b.options = append(b.options, balance.Option{
				Endpoint: e, Index: i, InFlight: s.InFlight, Share: s.Share(now, m.model), Pressed: why != "",
			})
			continue
		}
		switch {
		case why == health.Busy, why == health.Probing, slices.Contains(m.full, e):
			none.busy = true
			continue
		case why == health.Limited:
			none.limited = true
		default:
			none.otherwise = true
		}
		if why != health.OutOfUse && (none.never || wait < none.available) {
			none.never, none.available = false, wait
		}
	}
	if 0 < pressed && pressed < len(b.options) {
		b.options = slices.DeleteFunc(b.options, func(o balance.Option) bool { return o.Pressed })
	}
	return none
}
