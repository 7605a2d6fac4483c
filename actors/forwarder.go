// Package actors decides what becomes of one request: which registry, which endpoint, how often, and with which end.
// It is the only code that knows proto.actor, and shows none of it: Forwarder is plain Go.
package actors

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollhouse/tollhouse/actors/affinity"
	"github.com/tollhouse/tollhouse/actors/balance"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/actors/sessions"
	"github.com/tollhouse/tollhouse/adapters"
)

// ForwardInput is one authenticated request.
type ForwardInput struct {
	GatewayID string
	Snapshot  *routing.Snapshot // that knew the key, and that the request is routed by to its end; nil: the current one
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
	Tracer     Tracer   // nil: nobody follows
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
	Random     func(n int64) int64 // from [0, n), for what is left to chance; nil: the process's own source
}

// Forwarder takes the whole decision for one request: which registry, which endpoint, how often, and how it ends.
type Forwarder struct {
	o       Options
	system  *actor.ActorSystem
	current atomic.Pointer[generation] // nil: no request may begin any more
	metrics *metrics
	outputs *balance.Outputs // how much models write
	holders *affinity.Table  // who has the beginnings of which prompts

	mu          sync.Mutex
	generations map[*routing.Snapshot]*generation // the current one, and those that requests still have
	registries  map[*adapters.Registry]*registryActors
	endpoints   map[*adapters.Endpoint]*endpointActor
	draining    bool
	drained     chan struct{} // closed when the last request has ended

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
	f := &Forwarder{
		o: o, system: newSystem(o.Logger), outputs: balance.NewOutputs(), holders: affinity.NewTable(), drained: make(chan struct{}),
		generations: map[*routing.Snapshot]*generation{}, registries: map[*adapters.Registry]*registryActors{},
		endpoints: map[*adapters.Endpoint]*endpointActor{},
	}
	f.shutdown, f.cut = context.WithCancelCause(context.Background())
	if err := f.Reload(o.Snapshot); err != nil {
		return nil, err
	}
	f.metrics = newMetrics(o.Registerer, f)
	return f, nil
}

// Drain refuses new requests with shutting_down and waits for the live ones until ctx ends; then it cancels what is left with
// adapters.ErrShutdown, waits for that too, and stops the actors.
func (f *Forwarder) Drain(ctx context.Context) error {
	f.mu.Lock()
	f.draining = true
	if g := f.current.Swap(nil); g != nil {
		f.retire(g)
	}
	f.mu.Unlock()
	var err error
	select {
	case <-f.drained:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	f.cut(adapters.ErrShutdown)
	<-f.drained
	f.system.Shutdown()
	return err
}
