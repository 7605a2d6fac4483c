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
	now := b.now()
	b.options = b.options[:0]
	none := picked{never: true}
	for i, e := range b.registry.Endpoints {
		if m.only != nil && e != m.only {
			continue
		}
		s := *b.status[i].Load()
		tried := slices.Contains(m.tried, e)
		if s.Available(now) && !tried {
			b.options = append(b.options, balance.At(e, s, i))
			continue
		}
		if s.Out {
			continue
		}
		if wait := max(s.Cool.Sub(now), 0); none.never || wait < none.available {
			none.never, none.available = false, wait
		}
	}
	if len(b.options) == 0 {
		m.reply(none)
		return
	}
	chosen := b.options[b.policy.Choose(b.options)].Endpoint
	m.back = c.Self()
	c.Send(b.providers[slices.Index(b.registry.Endpoints, chosen)], m)
}
