// Package actors decides what becomes of one request: which registry, which endpoint, how often, and with which end.
// It is the only code that knows proto.actor, and shows none of it: Forwarder is plain Go.
package actors

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollhouse/tollhouse/actors/balance"
	"github.com/tollhouse/tollhouse/actors/health"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/actors/sessions"
	"github.com/tollhouse/tollhouse/adapters"
)

// ForwardInput is one authenticated request.
type ForwardInput struct {
	GatewayID string
	Consumer  *routing.Consumer
	Data      ConsumerData
	RoleIDs   []string // none yet
	Request   *adapters.RequestContext
}

// ConsumerData is what is known of the caller beside the configuration.
type ConsumerData struct {
	KeyID  string
	Labels map[string]string // the consumer's and the request's, bounded
}

// ForwardResult is the answer for the client, in its dialect. Exactly one of Body and Stream is set.
//
// A stream is bound to the context given to Forward: cancelling it ends the upstream body, the permit and the
// settlement, whether the stream was read or not, and breaking off the iteration cancels. Each slice is to be written
// verbatim and flushed once, and is valid until the next. The second value is the error that broke the stream, for which
// the dialect has a frame.
type ForwardResult struct {
	StatusCode int
	Headers    http.Header // the provider's that may go back, and X-Tollhouse-*
	Body       []byte
	Stream     iter.Seq2[[]byte, error]
	// Release gives pooled memory back once Body has been written; it may be called always, and once.
	Release func()
}

// Options of a forwarder.
type Options struct {
	Snapshot   *routing.Snapshot
	Invoker    adapters.ProviderInvoker
	Recorder   Recorder
	Sessions   Sessions // nil: who keeps an answer is forgotten with the process
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
}

// Forwarder takes the whole decision for one request: which registry, which endpoint, how often, and how it ends.
type Forwarder struct {
	o         Options
	system    *actor.ActorSystem
	snapshot  atomic.Pointer[routing.Snapshot]
	balancers map[*adapters.Registry]*actor.PID
	endpoints []endpointGauge
	pids      []*actor.PID
	metrics   *metrics

	live     sync.WaitGroup
	shutdown context.Context // ends what is live when the grace period is over
	cut      context.CancelCauseFunc
}

// NewForwarder spawns the actors of every registry and endpoint.
func NewForwarder(o Options) (*Forwarder, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Sessions == nil {
		store, err := sessions.Open(sessions.Options{})
		if err != nil {
			return nil, err
		}
		o.Sessions = store
	}
	f := &Forwarder{o: o, system: newSystem(o.Logger), balancers: map[*adapters.Registry]*actor.PID{}}
	f.shutdown, f.cut = context.WithCancelCause(context.Background())
	f.snapshot.Store(o.Snapshot)
	for _, name := range slices.Sorted(maps.Keys(o.Snapshot.Registries)) {
		if err := f.spawnRegistry(o.Snapshot.Registries[name]); err != nil {
			return nil, err
		}
	}
	f.metrics = newMetrics(o.Registerer, f.endpoints)
	return f, nil
}

func (f *Forwarder) spawnRegistry(r *adapters.Registry) error {
	policy := balance.New(r.Balance, len(r.Endpoints))
	if policy == nil {
		return fmt.Errorf("registry %s: balance: unknown policy %q", r.Name, r.Balance)
	}
	b := &balancerActor{registry: r, policy: policy, now: f.o.Now}
	spawn := func(a actor.Actor) *actor.PID {
		pid := f.system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return a }, actor.WithGuardian(restartOnPanic), inline))
		f.pids = append(f.pids, pid)
		return pid
	}
	for _, e := range r.Endpoints {
		p := &providerActor{
			endpoint: e, registry: r.Name, state: health.Endpoint{Limit: e.MaxConcurrency},
			status: new(atomic.Pointer[health.Status]), now: f.o.Now, log: f.o.Logger,
		}
		p.publish()
		b.status = append(b.status, p.status)
		b.providers = append(b.providers, spawn(p))
		f.endpoints = append(f.endpoints, endpointGauge{r.Name, e.Name, p.status})
	}
	f.balancers[r] = spawn(b)
	return nil
}

func (f *Forwarder) balancer(r *adapters.Registry) *actor.PID { return f.balancers[r] }

// Live returns once no request is being forwarded any more, or ctx has ended.
func (f *Forwarder) Live(ctx context.Context) error {
	done := make(chan struct{})
	go func() { f.live.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Drain waits for the live requests until ctx ends, then cancels what is left with adapters.ErrShutdown, and stops the actors.
// No Forward may be called any more.
func (f *Forwarder) Drain(ctx context.Context) error {
	err := f.Live(ctx)
	f.cut(adapters.ErrShutdown)
	f.live.Wait()
	for _, pid := range f.pids {
		f.system.Root.Stop(pid)
	}
	f.system.Shutdown()
	return err
}
