package actors_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/actors/balance"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/dialects/openaichat"
	"github.com/tollhouse/tollhouse/events"
)

// instant answers at once, and noBooks keeps nothing: what is left is the decision.
type (
	instant struct{ resp adapters.ProviderResponse }
	noBooks struct{}
)

func (v *instant) Invoke(context.Context, *adapters.Target, *adapters.RequestContext) (*adapters.ProviderResponse, error) {
	return &v.resp, nil
}

func (v *instant) InvokeStream(ctx context.Context, t *adapters.Target, req *adapters.RequestContext) (*adapters.ProviderResponse, error) {
	return v.Invoke(ctx, t, req)
}

func (noBooks) Begin(context.Context, *events.Accept, *events.Start) (events.Ticket, error) {
	return nil, nil
}

func (noBooks) Start(context.Context, *events.Start) (events.Ticket, error)  { return nil, nil }
func (noBooks) Refuse(*events.Accept, *events.RequestClosed) error           { return nil }
func (noBooks) Note(*events.Note)                                            {}
func (noBooks) Settle(*events.AttemptSettled)                                {}
func (noBooks) Close(*events.RequestClosed)                                  {}
func (noBooks) SettleAndClose(*events.AttemptSettled, *events.RequestClosed) {}

// decision makes a forwarder over a pool of registries with n endpoints each, and what takes one request through it.
func decision(tb testing.TB, policy string, registries, n int) (decide func()) {
	tb.Helper()
	pool := &routing.Pool{Balance: policy}
	snapshot := &routing.Snapshot{Registries: map[string]*adapters.Registry{}, Pools: map[string]*routing.Pool{"main": pool}}
	for i := range registries {
		r := registry(fmt.Sprint("r", i), n)
		r.Balance = policy
		pool.Members = append(pool.Members, routing.Member{Registry: r, Weight: 1})
		snapshot.Registries[r.Name] = r
	}
	consumer := &routing.Consumer{Name: "app", Pool: pool, Retry: routing.RetryPolicy{MaxAttempts: 2, Budget: time.Minute}}
	f, err := actors.NewForwarder(actors.Options{
		Snapshot: snapshot, Recorder: noBooks{},
		Invoker: &instant{adapters.ProviderResponse{StatusCode: 200, Outcome: adapters.OutcomeSuccess, Headers: nil}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := f.Drain(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	body := []byte(`{"model":"m","messages":[{"role":"system","content":"You help."},{"role":"user","content":"Hello"}]}`)
	ctx := context.Background()
	return func() {
		_, err := f.Forward(ctx, actors.ForwardInput{
			Consumer: consumer,
			Request: &adapters.RequestContext{
				ID: "01JDCKQ8Z0000000000000000", Dialect: openaichat.Dialect{}, Operation: adapters.OperationChat, Body: body,
				Inspection: adapters.Inspection{Model: "m"},
			},
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// BenchmarkDecision is a whole request without its I/O: resolve, balance, permit, and both given back.
func BenchmarkDecision(b *testing.B) {
	for _, policy := range balance.Names {
		for _, n := range []int{1, 10, 1000} {
			b.Run(fmt.Sprintf("%s/%d", policy, n), func(b *testing.B) {
				decide := decision(b, policy, 1, n)
				b.ReportAllocs()
				for b.Loop() {
					decide()
				}
			})
		}
	}
}

// BenchmarkPool is the same over a pool of ten registries with a hundred endpoints each.
func BenchmarkPool(b *testing.B) {
	for _, policy := range balance.Names {
		b.Run(policy, func(b *testing.B) {
			decide := decision(b, policy, 10, 100)
			b.ReportAllocs()
			for b.Loop() {
				decide()
			}
		})
	}
}

// A request's decision may allocate so often, whatever the policy and however many endpoints there are: most of it is its actor.
const decisionBudget = 68

func TestTheDecisionKeepsItsAllocationBudget(t *testing.T) {
	for _, policy := range balance.Names {
		for _, n := range []int{1, 10, 1000} {
			decide := decision(t, policy, 1, n)
			decide()
			if got := testing.AllocsPerRun(200, decide); got > decisionBudget {
				t.Errorf("%s among %d: %v allocations, at most %d", policy, n, got, decisionBudget)
			}
		}
		decide := decision(t, policy, 10, 10)
		decide()
		if got := testing.AllocsPerRun(200, decide); got > decisionBudget {
			t.Errorf("%s in a pool: %v allocations, at most %d", policy, got, decisionBudget)
		}
	}
}
