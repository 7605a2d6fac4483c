package actors

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/actors/affinity"
	"github.com/tollhouse/tollhouse/actors/balance"
	"github.com/tollhouse/tollhouse/actors/health"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// placing is what policies ask of a request, found when the first of them asks.
type placing struct {
	key   uint64
	keyed bool
}

// keyOf returns what keeps the request with others.
func (r *requestActor) keyOf() uint64 {
	if !r.placing.keyed {
		r.placing = placing{key: affinity.Key(r.in.Request), keyed: true}
	}
	return r.placing.key
}

// about is what the policy of a candidate's registry may want to know. What it does not ask for is not looked for.
func (r *requestActor) about(c *routing.Candidate) balance.Request {
	q := balance.Request{Model: c.SentModel, Streamed: r.in.Request.Stream}
	if balance.ByPrefix(c.Registry.Balance) {
		q.Key = r.keyOf()
	}
	if balance.ByPrice(c.Registry.Balance) {
		r.price(&q, c)
	}
	return q
}

// price says what the request is expected to cost at a candidate.
func (r *requestActor) price(q *balance.Request, c *routing.Candidate) {
	now := r.f.o.Now()
	q.Input = r.in.Request.EstimateInputTokens()
	q.Output = r.f.outputs.Expect(c.SentModel, r.in.Request.OutputLimit)
	if prices := r.gen.snapshot.Prices; prices != nil {
		if p, ok := prices.Price(c.Registry.Provider.Name(), c.SentModel, q.Input, now); ok {
			q.Price = &p
		}
	}
	if q.Key = r.keyOf(); q.Key != 0 {
		q.Holders = r.f.holders.Holders(now, q.Key, c.SentModel)
	}
}

// learn keeps of a settled attempt what tells of those to come, where some policy goes by it.
func (r *requestActor) learn(t *try, s *events.AttemptSettled) {
	if !r.gen.priced || s.Outcome != events.AttemptSuccess || s.UsageEvidence == events.EvidenceNone {
		return
	}
	u := &s.Usage
	r.f.outputs.Wrote(s.SentModel, u.OutputTokens)
	if key := r.keyOf(); key != 0 {
		r.f.holders.Sent(s.FinishedAt, key, s.SentModel, t.target.Endpoint, u.InputTokens, u.CacheReadTokens, u.CacheWriteTokens)
	}
}

// waited is how long an attempt took, for the endpoint's pace. Counting tokens is no work for a model, and would make it look fast.
func (r *requestActor) waited(e *ended, s *events.AttemptSettled) health.Waited {
	w := health.Waited{Streamed: s.Stream}
	if op := r.in.Request.Operation; e.opened || op == adapters.OperationCountTokens || op == adapters.OperationStored {
		return w
	}
	answered := s.Outcome == events.AttemptSuccess || e.committed
	switch {
	case answered && s.Stream && !s.FirstByteAt.IsZero():
		w.Answered, w.For = true, s.FirstByteAt.Sub(s.StartedAt)
	case answered && !s.Stream:
		w.Answered, w.For = true, s.FinishedAt.Sub(s.StartedAt)
	case s.Outcome == events.AttemptCancelled, s.ErrorClass == events.ErrorTimeout:
		w.For = s.FinishedAt.Sub(s.StartedAt)
	}
	return w
}

// opened is told to an endpoint whose stream has begun, where a breaker waits for that, or something goes by time: until it ends is too
// late to know.
type opened struct {
	permit health.Permit
	after  time.Duration
}

func (w *forward) opened(s step, e *ended) {
	if at := e.resp.FirstByteAt; e.err == nil && e.resp.Stream != nil && (w.gen.paced || s.permit.Probes()) && !at.IsZero() {
		e.opened = true
		w.f.system.Root.Send(s.provider, opened{s.permit, at.Sub(s.start.StartedAt)})
	}
}

// views are what the endpoints of a generation publish, as a pool's policy sees a registry.
type views struct{ r *requestActor }

var _ routing.Views = views{}

// Key is the request's.
func (v views) Key() uint64 { return v.r.keyOf() }

// View looks at a registry.
func (v views) View(policy string, c *routing.Candidate) routing.View {
	now, status := v.r.f.o.Now(), v.r.gen.registries[c.Registry].status
	var look routing.View
	switch policy {
	case balance.RoundRobin:
		look.Available = slices.ContainsFunc(status, func(p *atomic.Pointer[health.Status]) bool { return takes(p.Load(), now, c.SentModel) })
	case balance.Latency:
		v.wait(&look, c, status, now)
	default:
		for _, p := range status {
			s := p.Load()
			look.InFlight += s.InFlight
			look.Available = look.Available || takes(s, now, c.SentModel)
		}
		if policy == balance.Cost {
			v.cost(&look, c)
		}
	}
	return look
}

// takes says whether an endpoint takes a model now.
func takes(s *health.Status, now time.Time, model string) bool {
	if s.Clear() {
		return true
	}
	why, _ := s.Refuses(now, model)
	return !why.Binds()
}

// wait finds how long the best endpoint is expected to take.
func (v views) wait(look *routing.View, c *routing.Candidate, status []*atomic.Pointer[health.Status], now time.Time) {
	for i, p := range status {
		s := p.Load()
		if !takes(s, now, c.SentModel) {
			continue
		}
		look.Available = true
		look.InFlight += s.InFlight
		expected, known := s.Expect(now, c.SentModel, v.r.in.Request.Stream)
		if !known {
			continue
		}
		weight := float64(max(c.Registry.Endpoints[i].Weight, 1))
		if !s.Clear() {
			weight *= s.Share(now, c.SentModel)
		}
		if w := balance.Wait(expected, true, 0, s.InFlight, weight); !look.Known || w < look.Wait {
			look.Wait, look.Known = w, true
		}
	}
}

// cost is what the request is expected to cost at a registry: with what is in a cache there, where its own policy will find that.
func (v views) cost(look *routing.View, c *routing.Candidate) {
	var q balance.Request
	v.r.price(&q, c)
	if q.Price == nil {
		return
	}
	perMille := uint64(0)
	if balance.ByPrefix(c.Registry.Balance) || len(c.Registry.Endpoints) == 1 {
		for _, h := range q.Holders {
			if slices.Contains(c.Registry.Endpoints, h.Endpoint) {
				perMille = max(perMille, h.PerMille)
			}
		}
	}
	look.Cost, look.Priced, look.Currency = q.Price.Cost(q.Input, q.Input*perMille/1000, q.Output), true, q.Price.Currency
}

// Turn gives the turn to that of a pool's registries whose last is longest ago.
func (v views) Turn(p *routing.Pool, available []routing.Candidate) { v.r.gen.turns.take(p, available) }

// turns knows whose turn it was in each pool. Which registries serve differs from model to model, so there is no one place to count from.
type turns struct {
	mu   sync.Mutex
	n    uint64
	last map[turn]uint64
}

type turn struct {
	pool     *routing.Pool
	registry *adapters.Registry
}

func (t *turns) take(p *routing.Pool, available []routing.Candidate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		t.last = map[turn]uint64{}
	}
	slices.SortStableFunc(available, func(a, b routing.Candidate) int {
		return int(int64(t.last[turn{p, a.Registry}] - t.last[turn{p, b.Registry}]))
	})
	t.n++
	t.last[turn{p, available[0].Registry}] = t.n
}
