package actors

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/actors/affinity"
	"github.com/tollhouse/tollhouse/actors/balance"
	"github.com/tollhouse/tollhouse/actors/health"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// newBalancer is a balancer over endpoints whose states the test makes.
func newBalancer(policy string, states ...*health.Endpoint) *balancerActor {
	b := &balancerActor{registry: &adapters.Registry{Name: "r"}, now: func() time.Time { return noon }}
	for i, s := range states {
		b.registry.Endpoints = append(b.registry.Endpoints, &adapters.Endpoint{Name: fmt.Sprint("e", i), Weight: 1})
		published, status := new(atomic.Pointer[health.Status]), s.Status()
		published.Store(&status)
		b.status = append(b.status, published)
	}
	b.policy = balance.New(policy, b.registry.Endpoints)
	return b
}

// decide is what the balancer does with a question, without the actors around it.
func (b *balancerActor) decide(m *pick) (chosen int, considered []events.Considered) {
	b.offer(m)
	chosen = -1
	if len(b.options) > 0 {
		chosen = b.policy.Choose(&m.request, b.options)
	}
	considered = b.considered(m, chosen)
	if chosen >= 0 {
		chosen = b.options[chosen].Index
	}
	return chosen, considered
}

func after(model string, class events.ErrorClass, times int) *health.Endpoint {
	e := &health.Endpoint{}
	for range times {
		p, _ := e.Acquire(noon, model)
		e.Release(noon, p, health.Report{Held: class != "", Class: class})
	}
	return e
}

func TestWhatWasLookedAtIsTold(t *testing.T) {
	busy := &health.Endpoint{}
	for range 3 {
		busy.Acquire(noon, "m")
	}
	full := &health.Endpoint{Limit: 1}
	full.Acquire(noon, "m")
	tight := &health.Endpoint{}
	p, _ := tight.Acquire(noon, "m")
	tight.Release(noon, p, health.Report{Limits: adapters.Limits{Requests: adapters.Limit{Known: true, Of: 100}}})
	b := newBalancer("least_busy", &health.Endpoint{}, busy, full, tight, after("m", events.ErrorRateLimited, 1),
		after("m", events.ErrorOverloaded, 5), after("m", events.ErrorCredential, 1), &health.Endpoint{})
	chosen, considered := b.decide(&pick{
		request: balance.Request{Model: "m"}, attempt: 2, tried: []*adapters.Endpoint{b.registry.Endpoints[0]},
	})
	if chosen != 7 {
		t.Errorf("chose %d", chosen)
	}
	want := map[string]events.Considered{
		"e0": {Reason: events.TriedBefore}, "e1": {Reason: events.Behind, Score: 3000}, "e2": {Reason: "busy"}, "e3": {Reason: "nearly_limited"},
		"e4": {Reason: "rate_limited"}, "e5": {Reason: "circuit_open"}, "e6": {Reason: "credential_refused"}, "e7": {Reason: events.Chosen},
	}
	for i, c := range considered {
		w := want[c.Endpoint]
		w.Attempt, w.Registry, w.Endpoint, w.Model = 2, "r", c.Endpoint, "m"
		if c != w {
			t.Errorf("%+v, want %+v", c, w)
		}
		if (c.Reason == events.Chosen) != (i == 0) {
			t.Errorf("%s is the one of place %d", c.Endpoint, i)
		}
		delete(want, c.Endpoint)
	}
	for name := range want {
		t.Errorf("nothing is told of %s", name)
	}
}

func TestWhatIsToldIsBounded(t *testing.T) {
	states := make([]*health.Endpoint, 3*events.MaxConsidered)
	for i := range states {
		states[i] = &health.Endpoint{}
		if i%2 == 0 {
			states[i] = after("m", events.ErrorRateLimited, 1)
		}
	}
	b := newBalancer("weighted", states...)
	for range 3 * events.MaxConsidered {
		_, considered := b.decide(&pick{request: balance.Request{Model: "m"}})
		if len(considered) != events.MaxConsidered || considered[0].Reason != events.Chosen {
			t.Fatalf("%d are told of, and first that %s was %s", len(considered), considered[0].Endpoint, considered[0].Reason)
		}
	}
}

func TestWithNoneLeftItIsToldWhy(t *testing.T) {
	b := newBalancer("latency", after("m", events.ErrorRateLimited, 1), after("m", events.ErrorCredential, 1))
	chosen, considered := b.decide(&pick{request: balance.Request{Model: "m"}})
	if chosen != -1 || len(considered) != 2 || considered[0].Reason != "rate_limited" || considered[1].Reason != "credential_refused" {
		t.Errorf("chose %d of %+v", chosen, considered)
	}
}

// measured are endpoints that have been asked before, so that there is something to compare.
func measured(n int) []*health.Endpoint {
	states := make([]*health.Endpoint, n)
	for i := range states {
		states[i] = &health.Endpoint{}
		p, _ := states[i].Acquire(noon, "m")
		states[i].Release(noon, p, health.Report{Waited: health.Waited{Answered: true, For: time.Duration(i+1) * time.Millisecond}})
	}
	return states
}

// question is one that every policy has an answer to.
func question(b *balancerActor) *pick {
	return &pick{request: balance.Request{
		Model: "m", Key: 7, Price: &routing.Price{Input: 3e6, CacheRead: 3e5, Output: 15e6}, Input: 4000, Output: 500,
		Holders: []affinity.Holder{{Endpoint: b.registry.Endpoints[0], PerMille: 900}},
	}}
}

// Choosing needs the memory of what it tells, and no other.
func TestChoosingAllocatesOnce(t *testing.T) {
	for _, policy := range balance.Names {
		for _, n := range []int{1, 10, 1000} {
			b := newBalancer(policy, measured(n)...)
			m := question(b)
			b.decide(m)
			if got := testing.AllocsPerRun(50, func() { b.decide(m) }); got > 1 {
				t.Errorf("%s among %d: %v allocations", policy, n, got)
			}
		}
	}
}

// BenchmarkChoosing is the pure part of a decision: what is published is read, compared, and told.
func BenchmarkChoosing(b *testing.B) {
	for _, policy := range balance.Names {
		for _, n := range []int{1, 10, 1000} {
			b.Run(fmt.Sprintf("%s/%d", policy, n), func(b *testing.B) {
				actor := newBalancer(policy, measured(n)...)
				m := question(actor)
				b.ReportAllocs()
				for b.Loop() {
					actor.decide(m)
				}
			})
		}
	}
}

// What was looked at comes back with the permit, also where the first endpoint that was chosen had none left.
func TestThePermitComesWithWhatWasLookedAt(t *testing.T) {
	r := &adapters.Registry{Name: "r", Endpoints: []*adapters.Endpoint{{Name: "e0", Weight: 9, MaxConcurrency: 1}, {Name: "e1", Weight: 1}}}
	f, err := NewForwarder(Options{Snapshot: &routing.Snapshot{Registries: map[string]*adapters.Registry{"r": r}}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Drain(t.Context())
	ask := func(only *adapters.Endpoint) picked {
		got := make(chan picked, 1)
		f.system.Root.Send(f.current.Load().registries[r].balancer, &pick{
			request: balance.Request{Model: "m"}, attempt: 1, only: only, reply: func(p picked) { got <- p },
		})
		return <-got
	}
	wants := func(p picked, want ...events.Considered) {
		t.Helper()
		for i := range want {
			want[i].Attempt, want[i].Registry, want[i].Model = 1, "r", "m"
		}
		if !slices.Equal(p.considered, want) {
			t.Errorf("%+v, want %+v", p.considered, want)
		}
	}
	wants(ask(nil), events.Considered{Endpoint: "e0", Reason: events.Chosen}, events.Considered{Endpoint: "e1", Reason: events.Behind})
	// e0 has no permit left, and the balancer has not heard of it yet.
	f.endpoints[r.Endpoints[0]].status.Store(&health.Status{})
	turned := 0 // away
	for range 9 {
		p := ask(nil)
		if len(p.considered) == 2 && p.considered[1].Reason == events.Reason(health.Busy) {
			turned++
		} else {
			wants(p, events.Considered{Endpoint: "e1", Reason: events.Chosen}, events.Considered{Endpoint: "e0", Reason: events.Behind})
		}
	}
	if turned < 7 {
		t.Errorf("it was e0's turn nine times of ten, and %d of 9 were turned away", turned)
	}
	wants(ask(r.Endpoints[0]), events.Considered{Endpoint: "e0", Reason: events.Reason(health.Busy)})
}

func TestWhatIsWaitedFor(t *testing.T) {
	start := noon
	first, end := start.Add(time.Second), start.Add(5*time.Second)
	for name, c := range map[string]struct {
		op      adapters.Operation
		settled events.AttemptSettled
		ended   ended
		want    health.Waited
	}{
		"a whole answer": {
			settled: events.AttemptSettled{Outcome: events.AttemptSuccess, FirstByteAt: first},
			want:    health.Waited{Answered: true, For: 5 * time.Second},
		},
		"a stream": {
			settled: events.AttemptSettled{Accept: events.Accept{Stream: true}, Outcome: events.AttemptSuccess, FirstByteAt: first},
			want:    health.Waited{Streamed: true, Answered: true, For: time.Second},
		},
		"a stream that broke after it had begun": {
			settled: events.AttemptSettled{Accept: events.Accept{Stream: true}, Outcome: events.AttemptRetryable, FirstByteAt: first},
			ended:   ended{committed: true},
			want:    health.Waited{Streamed: true, Answered: true, For: time.Second},
		},
		"a stream of which that was told when it began": {
			settled: events.AttemptSettled{Accept: events.Accept{Stream: true}, Outcome: events.AttemptSuccess, FirstByteAt: first},
			ended:   ended{committed: true, opened: true},
			want:    health.Waited{Streamed: true},
		},
		"a timeout": {
			settled: events.AttemptSettled{Outcome: events.AttemptRetryable, ErrorClass: events.ErrorTimeout},
			want:    health.Waited{For: 5 * time.Second},
		},
		"a client that left before the first byte": {
			settled: events.AttemptSettled{Accept: events.Accept{Stream: true}, Outcome: events.AttemptCancelled},
			want:    health.Waited{Streamed: true, For: 5 * time.Second},
		},
		"a failure":          {settled: events.AttemptSettled{Outcome: events.AttemptRetryable, FirstByteAt: first}},
		"a wrong request":    {settled: events.AttemptSettled{Outcome: events.AttemptTerminal, FirstByteAt: first}},
		"tokens are counted": {op: adapters.OperationCountTokens, settled: events.AttemptSettled{Outcome: events.AttemptSuccess, FirstByteAt: first}},
	} {
		r := &requestActor{in: ForwardInput{Request: &adapters.RequestContext{Operation: c.op}}}
		c.settled.StartedAt, c.settled.FinishedAt = start, end
		if got := r.waited(&c.ended, &c.settled); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
