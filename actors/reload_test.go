package actors_test

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/actors/actortest"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// reloaded is the world's snapshot as a reload makes it: everything new, but for what did not change.
func (w *world) reloaded(change func(first, behind *adapters.Registry)) *routing.Snapshot {
	first, behind := registry("first", 2), registry("behind", 1)
	behind.ModelMap = map[string]string{"gpt": "gpt-mapped"}
	change(first, behind)
	first, behind = first.TakeOver(w.snapshot.Registries["first"]), behind.TakeOver(w.snapshot.Registries["behind"])
	s := &routing.Snapshot{
		Registries: map[string]*adapters.Registry{"first": first, "behind": behind},
		Pools:      map[string]*routing.Pool{"main": {Members: []routing.Member{{Registry: first, Weight: 1}}}},
	}
	consumer := *w.consumer
	consumer.Pool, consumer.Fallback = s.Pools["main"], []routing.Fallback{{Registry: behind}}
	w.consumer = &consumer
	return s
}

func unchanged(_, _ *adapters.Registry) {}

// gauges reads one of the endpoints' gauges.
func gauges(t *testing.T, reg *prometheus.Registry, metric string) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		if f.GetName() != metric {
			continue
		}
		for _, m := range f.GetMetric() { // labels come sorted: endpoint, registry
			all[m.GetLabel()[1].GetValue()+"/"+m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
		}
	}
	return all
}

func (w *world) measured(t *testing.T) *prometheus.Registry {
	t.Helper()
	reg := prometheus.NewRegistry()
	f, err := actors.NewForwarder(actors.Options{Snapshot: w.snapshot, Invoker: w.invoker, Recorder: w.recorder, Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	w.f = f
	return reg
}

// Endpoints that did not change keep their permits and their cooldown, whether their registry changed or not.
func TestAReloadKeepsTheStateOfWhatDidNotChange(t *testing.T) {
	changes := map[string]func(first, behind *adapters.Registry){
		"nothing changed":  unchanged,
		"the model list":   func(first, _ *adapters.Registry) { first.Models = []string{"gpt*"} },
		"another endpoint": func(_, behind *adapters.Registry) { behind.Endpoints[0].Weight = 7 },
		"one more endpoint": func(first, _ *adapters.Registry) {
			first.Endpoints = append(first.Endpoints, &adapters.Endpoint{Name: "e3", Weight: 1})
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, actortest.Status(429, events.ErrorRateLimited, time.Minute), actortest.Hang)
				reg := w.measured(t)
				ctx, cancel := context.WithCancelCause(context.Background())
				var client sync.WaitGroup
				client.Go(func() { _, _ = w.forward(ctx, "gpt", false) }) // e1 says 429, e2 hangs
				synctest.Wait()
				if err := w.f.Reload(w.reloaded(change)); err != nil {
					t.Fatal(err)
				}
				if got := gauges(t, reg, "tollhouse_endpoint_in_flight"); got["first/e2"] != 1 {
					t.Errorf("in flight: %v", got)
				}
				if got := gauges(t, reg, "tollhouse_endpoint_refused_models"); got["first/e1"] != 1 || got["first/e2"] != 0 {
					t.Errorf("models refused: %v", got)
				}
				cancel(adapters.ErrClientGone)
				client.Wait()
				if got := gauges(t, reg, "tollhouse_endpoint_in_flight"); got["first/e2"] != 0 {
					t.Errorf("in flight after the end: %v", got)
				}
				w.over(t)
			})
		})
	}
}

// What is not there any more ends with its last request, which goes on as if nothing had happened, its retries among it. What is new
// is used at once.
func TestARemovedEndpointEndsWithItsLastRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(ctx context.Context, target *adapters.Target) (*adapters.ProviderResponse, error) {
			time.Sleep(time.Second)
			return actortest.Status(500, events.ErrorOverloaded, 0)(ctx, target)
		}
		w := newWorld(t, slow, actortest.OK)
		reg := w.measured(t)
		var client sync.WaitGroup
		client.Go(func() {
			if res, err := w.forward(context.Background(), "gpt", false); err != nil || res.StatusCode != 200 {
				t.Errorf("%+v, %v", res, err)
			}
		})
		synctest.Wait()
		s := w.reloaded(unchanged)
		delete(s.Registries, "first")
		third := registry("third", 1)
		s.Registries["third"] = third
		w.consumer.Pool = &routing.Pool{Members: []routing.Member{{Registry: third, Weight: 1}}}
		if err := w.f.Reload(s); err != nil {
			t.Fatal(err)
		}
		want := map[string]float64{"first/e1": 1, "first/e2": 0, "behind/e1": 0, "third/e1": 0}
		if got := gauges(t, reg, "tollhouse_endpoint_in_flight"); !maps.Equal(got, want) {
			t.Errorf("while it runs: %v", got)
		}
		if got := gauges(t, reg, "tollhouse_endpoint_available"); !maps.Equal(got, map[string]float64{"behind/e1": 1, "third/e1": 1}) {
			t.Errorf("available: %v", got)
		}
		if _, err := w.forward(context.Background(), "gpt", false); err != nil {
			t.Error(err)
		}
		client.Wait()
		if got := gauges(t, reg, "tollhouse_endpoint_in_flight"); !maps.Equal(got, map[string]float64{"behind/e1": 0, "third/e1": 0}) {
			t.Errorf("after its end: %v", got)
		}
		want3 := []string{"first/e1/gpt", "third/e1/gpt", "first/e2/gpt"}
		for i, seen := range w.invoker.Seen {
			if seen != want3[i] {
				t.Errorf("seen %v, want %v", w.invoker.Seen, want3)
			}
		}
		w.over(t)
	})
}

// A key that was looked up before a reload goes by its own snapshot, also where nobody else does any more.
func TestAKeyOfBeforeTheReload(t *testing.T) {
	w := newWorld(t, actortest.OK)
	reg := w.measured(t)
	before, consumer := w.snapshot, w.consumer
	s := w.reloaded(unchanged)
	s.Registries = map[string]*adapters.Registry{}
	w.consumer.Pool, w.consumer.Fallback = &routing.Pool{}, nil
	if err := w.f.Reload(s); err != nil {
		t.Fatal(err)
	}
	if got := gauges(t, reg, "tollhouse_endpoint_in_flight"); len(got) != 0 {
		t.Errorf("endpoints are left: %v", got)
	}
	if _, err := w.forward(context.Background(), "gpt", false); adapters.AsError(err).Code != adapters.CodeNoRegistryInPool {
		t.Errorf("by the new one: %v", err)
	}
	w.consumer, w.of = consumer, before
	if res, err := w.forward(context.Background(), "gpt", false); err != nil || res.StatusCode != 200 {
		t.Errorf("by the one before: %+v, %v", res, err)
	}
	if got := gauges(t, reg, "tollhouse_endpoint_in_flight"); len(got) != 0 {
		t.Errorf("endpoints are left: %v", got)
	}
	w.over(t)
}

func TestAReloadThatCannotBeChangesNothing(t *testing.T) {
	w := newWorld(t, actortest.OK)
	reg := w.measured(t)
	was := *w.consumer
	s := w.reloaded(func(_, behind *adapters.Registry) { behind.Balance = "by_mood" })
	s.Registries["another"] = registry("another", 1)
	if err := w.f.Reload(s); err == nil {
		t.Fatal("an unknown policy was taken")
	}
	w.consumer = &was
	want := map[string]float64{"first/e1": 0, "first/e2": 0, "behind/e1": 0}
	if got := gauges(t, reg, "tollhouse_endpoint_in_flight"); !maps.Equal(got, want) {
		t.Errorf("endpoints %v", got)
	}
	if _, err := w.forward(context.Background(), "gpt", false); err != nil {
		t.Error(err)
	}
	w.over(t)
}

// A refused credential may have been made good where the provider keeps it: reading the configuration anew tries it again.
func TestAReloadTriesRefusedCredentialsAgain(t *testing.T) {
	w := newWorld(t, actortest.Status(401, events.ErrorCredential, 0))
	for range 2 {
		if _, err := w.forward(context.Background(), "gpt", false); err == nil {
			t.Error("no error")
		}
	}
	if len(w.invoker.Seen) != 3 {
		t.Errorf("a refused credential is used: %v", w.invoker.Seen)
	}
	if err := w.f.Reload(w.reloaded(unchanged)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.forward(context.Background(), "gpt", false); err == nil || len(w.invoker.Seen) != 6 {
		t.Errorf("%v after %v", err, w.invoker.Seen)
	}
	w.over(t)
}

// Requests and reloads at once, whichever way they fall.
func TestReloadsUnderLoad(t *testing.T) {
	w := newWorld(t, actortest.OK)
	reg := w.measured(t)
	snapshots := []*routing.Snapshot{w.snapshot}
	consumers := []*routing.Consumer{w.consumer}
	for range 3 {
		snapshots = append(snapshots, w.reloaded(func(first, _ *adapters.Registry) { first.Endpoints[1].Weight = len(snapshots) }))
		consumers = append(consumers, w.consumer)
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range 200 {
				mine := (i + n) % len(snapshots)
				res, err := (&world{f: w.f, consumer: consumers[mine], of: snapshots[mine]}).forward(context.Background(), "gpt", false)
				if err != nil || res.StatusCode != 200 {
					t.Errorf("%+v, %v", res, err)
					return
				}
			}
		})
	}
	for n := range 200 {
		if err := w.f.Reload(snapshots[n%len(snapshots)]); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
	if got := gauges(t, reg, "tollhouse_endpoint_in_flight"); len(got) != 3 {
		t.Errorf("endpoints are left: %v", got)
	}
	w.over(t)
}

func TestNothingBeginsWhileDraining(t *testing.T) {
	w := newWorld(t, actortest.OK)
	w.over(t)
	for _, of := range []*routing.Snapshot{nil, w.snapshot} {
		w.of = of
		res, err := w.forward(context.Background(), "gpt", false)
		if adapters.AsError(err).Code != adapters.CodeShuttingDown || res != nil {
			t.Errorf("%+v, %v", res, err)
		}
	}
	if err := w.f.Reload(w.snapshot); !errors.Is(err, adapters.ErrShutdown) {
		t.Errorf("%v", err)
	}
}
