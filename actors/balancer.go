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
	"github.com/tollhouse/tollhouse/events"
)

// balancerActor is one registry: it chooses among its endpoints by what they publish, and sends the request's question on to
// the one it chose. It does no I/O.
type balancerActor struct {
	registry  *adapters.Registry
	policy    balance.Policy
	providers []*actor.PID                     // in the registry's order
	status    []*atomic.Pointer[health.Status] // likewise
	options   []balance.Option                 // scratch
	passed    []passed                         // scratch: what is not among the options, and why
	queue     *queue.Queue[*pick]              // who waits for a permit
	waiting   *atomic.Int64                    // how many those are, for others to read
	now       func() time.Time
}

// passed is an endpoint that is no option.
type passed struct {
	index  int
	reason events.Reason
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
	chosen := b.policy.Choose(&m.request, b.options)
	m.considered = b.considered(m, chosen)
	m.back = c.Self()
	c.Send(b.providers[b.options[chosen].Index], m)
}

// offer puts those endpoints into options that may be sent the model; those that a rate limit nearly stops only where there are no others. It
// returns the answer for the case that there is none.
func (b *balancerActor) offer(m *pick) picked {
	m.request.Now = b.now()
	if b.options == nil {
		b.options = make([]balance.Option, 0, len(b.registry.Endpoints))
	}
	b.options, b.passed = b.options[:0], b.passed[:0]
	none, pressed := picked{at: m.at, waited: m.wait, hedge: m.hedge, never: true}, 0
	for i, e := range b.registry.Endpoints {
		if m.only != nil && e != m.only {
			continue
		}
		s := b.status[i].Load()
		var why health.Why
		var wait time.Duration
		share := 1.0
		if !s.Clear() {
			why, wait = s.Refuses(m.request.Now, m.request.Model)
			share = s.Share(m.request.Now, m.request.Model)
		}
		tried := len(m.tried) > 0 && slices.Contains(m.tried, e)
		full := len(m.full) > 0 && slices.Contains(m.full, e)
		if !tried && !full && !why.Binds() {
			b.options = b.options[:len(b.options)+1]
			o := &b.options[len(b.options)-1]
			if o.Set(e, i, s, share); why != "" {
				o.Pressed = true
				pressed++
			}
			continue
		}
		if full && why == "" {
			why = health.Busy
		}
		b.pass(i, why, tried)
		switch {
		case why == health.Busy, why == health.Probing:
			none.busy = true
			continue
		case why == health.Limited:
			none.limited = true
		case !tried:
			none.otherwise = true
		}
		if why != health.OutOfUse && (none.never || wait < none.available) {
			none.never, none.available = false, wait
		}
	}
	if 0 < pressed && pressed < len(b.options) {
		b.options = slices.DeleteFunc(b.options, func(o balance.Option) bool {
			if o.Pressed {
				b.pass(o.Index, health.NearlyLimited, false)
			}
			return o.Pressed
		})
	}
	return none
}

// pass notes why an endpoint is no option.
func (b *balancerActor) pass(i int, why health.Why, tried bool) {
	reason := events.TriedBefore
	if why.Binds() || !tried {
		reason = events.Reason(why)
	}
	if len(b.passed) < events.MaxConsidered {
		b.passed = append(b.passed, passed{i, reason})
	}
}

// considered tells what was looked at: what was chosen first, then what was no option, then what was behind, as far as there is room.
func (b *balancerActor) considered(m *pick, chosen int) []events.Considered {
	n := min(len(b.options)+len(b.passed), events.MaxConsidered)
	all := make([]events.Considered, 0, n)
	tell := func(index int, reason events.Reason, score uint64) {
		all = append(all, events.Considered{
			Attempt: m.attempt, Registry: b.registry.Name, Endpoint: b.registry.Endpoints[index].Name, Model: m.request.Model,
			Reason: reason, Score: score,
		})
	}
	if chosen >= 0 {
		tell(b.options[chosen].Index, events.Chosen, b.options[chosen].Score)
	}
	for _, p := range b.passed {
		if len(all) == n {
			break
		}
		tell(p.index, p.reason, 0)
	}
	for i := 0; i < len(b.options) && len(all) < n; i++ {
		if i != chosen {
			tell(b.options[i].Index, events.Behind, b.options[i].Score)
		}
	}
	return all
}
