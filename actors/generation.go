package actors

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/tollhouse/tollhouse/actors/balance"
	"github.com/tollhouse/tollhouse/actors/health"
	"github.com/tollhouse/tollhouse/actors/queue"
	"github.com/tollhouse/tollhouse/actors/retry"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
)

// generation is one snapshot while requests are routed by it, with the actors of its registries. A request belongs to one from its
// beginning to its end, so a reload changes nothing under it.
//
// Actors belong to a registry or an endpoint by its pointer: a snapshot that takes over those of the one before it, where they did
// not change, takes over their actors with all they know. An actor ends when no generation has it any more.
type generation struct {
	snapshot   *routing.Snapshot
	registries map[*adapters.Registry]*registryActors
	hedges     map[*routing.Consumer]*retry.Share // of those that hedge
	priced     bool                               // some policy goes by what requests cost
	paced      bool                               // something goes by how long they take
	turns      turns
	live       atomic.Int64 // requests that are routed by it
}

// registryActors and endpointActor are the long-lived actors, and how many have them: generations, and registries.
type (
	registryActors struct {
		balancer *actor.PID
		status   []*atomic.Pointer[health.Status] // of the endpoints, in their order
		retries  *retry.Share
		waiting  *atomic.Int64 // for a permit
		users    int
	}
	endpointActor struct {
		registry, endpoint string
		provider           *actor.PID
		status             *atomic.Pointer[health.Status]
		users              int
	}
)

// Reload routes the requests that begin from now on by another snapshot. Those under way go on by theirs, and what only they still
// use ends with the last of them. After an error everything is as it was. Endpoints whose credential was refused are tried again.
func (f *Forwarder) Reload(s *routing.Snapshot) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.draining {
		return adapters.ErrShutdown
	}
	g, err := f.generation(s)
	if err != nil {
		return err
	}
	for _, e := range f.endpoints {
		f.system.Root.Send(e.provider, readAnew{})
	}
	if old := f.current.Swap(g); old != nil && old != g {
		f.retire(old)
	}
	return nil
}

// enter counts a request in, on the snapshot that it names; nil stands for the current one. The error is the client's.
func (f *Forwarder) enter(s *routing.Snapshot) (*generation, error) {
	for {
		g := f.current.Load()
		if g == nil || s != nil && s != g.snapshot {
			return f.enterOther(s)
		}
		g.live.Add(1)
		if f.current.Load() == g {
			return g, nil
		}
		f.leave(g) // a reload came between, and may have ended it
	}
}

// enterOther is enter for a request whose key was looked up before a reload. Its snapshot may have been given up since.
func (f *Forwarder) enterOther(s *routing.Snapshot) (*generation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.draining {
		return nil, cancelError(adapters.ErrShutdown)
	}
	g := f.current.Load()
	if s != nil {
		var err error
		if g, err = f.generation(s); err != nil {
			return nil, err
		}
	}
	g.live.Add(1)
	return g, nil
}

// leave counts a request out. The last one of a generation that is not the current one ends it.
func (f *Forwarder) leave(g *generation) {
	if g.live.Add(-1) == 0 && f.current.Load() != g {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.retire(g)
	}
}

// retire gives up a generation that nobody uses. A request that enters meanwhile has counted itself in before it looks whether the
// generation is still the current one, so either it is seen here or it sees that it is not.
func (f *Forwarder) retire(g *generation) {
	if f.generations[g.snapshot] != g || f.current.Load() == g || g.live.Load() != 0 {
		return
	}
	f.release(g)
	if f.draining && len(f.generations) == 0 {
		close(f.drained)
	}
}

// generation returns that of a snapshot. Actors that do not run yet are spawned.
func (f *Forwarder) generation(s *routing.Snapshot) (*generation, error) {
	if g := f.generations[s]; g != nil {
		return g, nil
	}
	g := &generation{
		snapshot: s, registries: make(map[*adapters.Registry]*registryActors, len(s.Registries)),
		hedges: map[*routing.Consumer]*retry.Share{}, priced: balances(s, balance.ByPrice), paced: balances(s, balance.ByTime),
	}
	f.generations[s] = g
	for _, c := range s.Consumers {
		if c.Hedge != nil {
			g.hedges[c] = retry.NewHedges(c.Hedge.Share, f.o.Now())
			g.paced, g.priced = true, g.priced || c.Hedge.MaxCost > 0
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Registries)) {
		r := s.Registries[name]
		if f.registries[r] == nil {
			if err := f.spawnRegistry(r); err != nil {
				f.release(g)
				return nil, err
			}
		}
		f.registries[r].users++
		g.registries[r] = f.registries[r]
	}
	return g, nil
}

// balances says whether some policy of a snapshot is of a kind.
func balances(s *routing.Snapshot, is func(policy string) bool) bool {
	for _, r := range s.Registries {
		if is(r.Balance) {
			return true
		}
	}
	for _, p := range s.Pools {
		if is(p.Balance) {
			return true
		}
	}
	return false
}

// defaultQueue is how many requests may wait for a permit of a registry that does not say.
const defaultQueue = 1000

// spawnRegistry spawns the balancer of a registry, and the actors of its endpoints that have none.
func (f *Forwarder) spawnRegistry(r *adapters.Registry) error {
	policy := balance.New(r.Balance, r.Endpoints)
	if policy == nil {
		return fmt.Errorf("registry %s: balance: unknown policy %q", r.Name, r.Balance)
	}
	b := &balancerActor{
		registry: r, policy: policy, now: f.o.Now,
		queue: queue.New[*pick](cmp.Or(r.Queue, defaultQueue)), waiting: new(atomic.Int64),
	}
	for _, e := range r.Endpoints {
		if f.endpoints[e] == nil {
			f.spawnEndpoint(r, e)
		}
		a := f.endpoints[e]
		a.users++
		b.status = append(b.status, a.status)
		b.providers = append(b.providers, a.provider)
	}
	f.registries[r] = &registryActors{
		balancer: f.spawn(b), status: b.status, waiting: b.waiting, retries: retry.NewShare(r.RetryShare, f.o.Now()),
	}
	return nil
}

func (f *Forwarder) spawnEndpoint(r *adapters.Registry, e *adapters.Endpoint) {
	p := &providerActor{
		endpoint: e, registry: r.Name, state: health.Endpoint{Limit: e.MaxConcurrency},
		status: new(atomic.Pointer[health.Status]), now: f.o.Now, log: f.o.Logger,
	}
	p.publish()
	f.endpoints[e] = &endpointActor{registry: r.Name, endpoint: e.Name, provider: f.spawn(p), status: p.status}
}

func (f *Forwarder) spawn(a actor.Actor) *actor.PID {
	return f.system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return a }, actor.WithGuardian(restartOnPanic), inline))
}

// release takes a generation away, and ends the actors that only it had. They end behind what was sent to them before.
func (f *Forwarder) release(g *generation) {
	delete(f.generations, g.snapshot)
	for r := range g.registries {
		a := f.registries[r]
		if a.users--; a.users > 0 {
			continue
		}
		delete(f.registries, r)
		f.system.Root.Poison(a.balancer)
		for _, e := range r.Endpoints {
			p := f.endpoints[e]
			if p.users--; p.users == 0 {
				delete(f.endpoints, e)
				f.system.Root.Poison(p.provider)
			}
		}
	}
}
