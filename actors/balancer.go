package actors

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/tollhouse/tollhouse/actors/balance"
	"github.com/tollhouse/tollhouse/actors/health"
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
	now       func() time.Time
}

// Receive handles a message.
func (b *balancerActor) Receive(c actor.Context) {
	m, ok := c.Message().(*pick)
	if !ok {
		return
	}
	none := b.offer(m)
	if len(b.options) == 0 {
		m.reply(none)
		return
	}
	chosen := b.options[b.policy.Choose(b.options)].Endpoint
	m.back = c.Self()
	c.Send(b.providers[slices.Index(b.registry.Endpoints, chosen)], m)
}

// offer puts those endpoints into options that may be sent the model; those that a rate limit nearly stops only where there are no others. It
// returns the answer for the case that there is none.
func (b *balancerActor) offer(m *pick) picked {
	now := b.now()
	b.options = b.options[:0]
	none, pressed := picked{never: true}, 0
	for i, e := range b.registry.Endpoints {
		if m.only != nil && e != m.only {
			continue
		}
		s := b.status[i].Load()
		why, wait := s.Refuses(now, m.model)
		if !why.Binds() && !slices.Contains(m.tried, e) {
			if why != "" {
				pressed++
			}
			b.options = append(b.options, balance.Option{
				Endpoint: e, Index: i, InFlight: s.InFlight, Share: s.Share(now, m.model), Pressed: why != "",
			})
			continue
		}
		if why == health.OutOfUse {
			continue
		}
		if none.never || wait < none.available {
			none.never, none.available = false, wait
		}
	}
	if 0 < pressed && pressed < len(b.options) {
		b.options = slices.DeleteFunc(b.options, func(o balance.Option) bool { return o.Pressed })
	}
	return none
}
