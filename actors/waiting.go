package actors

import (
	"github.com/asynkron/protoactor-go/actor"
)

// mostOffered bounds to how many that wait one free permit is offered, where endpoints refuse some of their models.
const mostOffered = 64

// noneFor answers that no endpoint can be had now, or lets the question wait for a permit.
func (b *balancerActor) noneFor(c actor.Context, m *pick, none picked) {
	if m.wait && none.busy && b.enqueue(c, m) {
		return
	}
	none.considered = b.considered(m, -1)
	m.reply(none)
}

// enqueue puts a question into the queue, before all others if its turn had come already; false: the queue is full.
func (b *balancerActor) enqueue(c actor.Context, m *pick) bool {
	m.full = nil
	first := b.queue.Len() == 0
	if m.served {
		b.queue.PushFront(m.consumer, m)
	} else if !b.queue.Push(m.consumer, m) {
		return false
	}
	b.waiting.Store(int64(b.queue.Len()))
	if first {
		for _, p := range b.providers {
			c.Send(p, watch{c.Self()})
		}
	}
	return true
}

// leave takes a question out of the queue. One that is on its way to an endpoint, or back, is answered when it arrives.
func (b *balancerActor) leave(c actor.Context, m *pick) {
	m.left = true
	if b.queue.Remove(m.consumer, m) {
		m.reply(picked{at: m.at, waited: true, left: true})
		b.served(c)
	}
}

// freed gives a permit that may be free to whoever is next and can use it. Those for whom there is nothing to wait any more are told.
func (b *balancerActor) freed(c actor.Context) {
	sent := false
	for !sent && b.queue.Serve(mostOffered, func(m *pick) bool {
		none := b.offer(m)
		switch {
		case len(b.options) > 0:
			m.served, sent = true, true
			b.send(c, m)
		case none.busy:
			return false
		default:
			none.considered = b.considered(m, -1)
			m.reply(none)
		}
		return true
	}) {
		continue
	}
	b.served(c)
}

// served says how many wait still; endpoints need not say anything where nobody does.
func (b *balancerActor) served(c actor.Context) {
	before := b.waiting.Swap(int64(b.queue.Len()))
	if before > 0 && b.queue.Len() == 0 {
		for _, p := range b.providers {
			c.Send(p, unwatch{c.Self()})
		}
	}
}
