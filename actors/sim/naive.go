package sim

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
)

// naive is what the actors are compared with: round robin over all endpoints, and after a failure the next one at once, as often as the
// consumer has it. It has no breaker, no cooldown, no permits and no pauses, and keeps no books.
type naive struct {
	invoker adapters.ProviderInvoker

	mu      sync.Mutex
	current *routing.Snapshot
	next    int
}

var errExhausted = errors.New("every attempt failed")

// turn is the next endpoint of the pool and what stands behind it.
func (n *naive) turn(c *routing.Consumer) (*adapters.Registry, *adapters.Endpoint) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next++
	registries := make([]*adapters.Registry, 0, len(c.Pool.Members))
	all := 0
	for _, m := range c.Pool.Members {
		registries = append(registries, m.Registry)
		all += len(m.Registry.Endpoints)
	}
	i := n.next % all
	at := slices.IndexFunc(registries, func(r *adapters.Registry) bool {
		i -= len(r.Endpoints)
		return i < 0
	})
	return registries[at], registries[at].Endpoints[i+len(registries[at].Endpoints)]
}

// Forward tries until something answers.
func (n *naive) Forward(ctx context.Context, in actors.ForwardInput) (*actors.ForwardResult, error) {
	invoke := n.invoker.Invoke
	if in.Request.Stream {
		invoke = n.invoker.InvokeStream
	}
	for i := range max(in.Consumer.Retry.MaxAttempts, 1) {
		r, e := n.turn(in.Consumer)
		resp, err := invoke(ctx, &adapters.Target{
			Registry: r, Endpoint: e, SentModel: in.Request.Model, Attempt: uint16(i + 1), Ticket: &ticket{},
		}, in.Request)
		switch {
		case err == nil && resp.Outcome != adapters.OutcomeRetryable:
			return &actors.ForwardResult{
				StatusCode: resp.StatusCode, Headers: http.Header{}, Body: resp.Body, Stream: resp.Stream, Release: func() {},
			}, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		}
	}
	return nil, errExhausted
}

// Reload takes another snapshot.
func (n *naive) Reload(s *routing.Snapshot) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.current = s
	return nil
}

// Drain has nothing to wait for.
func (n *naive) Drain(context.Context) error { return nil }
