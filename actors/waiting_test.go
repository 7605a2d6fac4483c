package actors_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/actors/actortest"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// slow answers after a while, unless it is cancelled.
func slow(d time.Duration) actortest.Call {
	return func(ctx context.Context, t *adapters.Target) (*adapters.ProviderResponse, error) {
		select {
		case <-time.After(d):
			return actortest.OK(ctx, t)
		case <-ctx.Done():
			return actortest.Hang(ctx, t)
		}
	}
}

// narrow is a world of one or more registries, each of so many endpoints with so many permits each.
func narrow(t testing.TB, registries, endpoints, permits, queue int, script ...actortest.Call) *world {
	t.Helper()
	w := newWorld(t, script...)
	w.snapshot = &routing.Snapshot{Registries: map[string]*adapters.Registry{}}
	w.consumer.Pool, w.consumer.Fallback = &routing.Pool{}, nil
	for n := range registries {
		r := registry(fmt.Sprint("r", n+1), endpoints)
		r.Queue = queue
		for _, e := range r.Endpoints {
			e.MaxConcurrency = permits
		}
		w.snapshot.Registries[r.Name] = r
		w.consumer.Pool.Members = append(w.consumer.Pool.Members, routing.Member{Registry: r, Weight: 1})
	}
	f, err := actors.NewForwarder(actors.Options{Snapshot: w.snapshot, Invoker: w.invoker, Recorder: w.recorder})
	if err != nil {
		t.Fatal(err)
	}
	w.f = f
	return w
}

// as is the same world as another consumer sees it.
func (w *world) as(name string) *world {
	other, consumer := *w, *w.consumer
	consumer.Name = name
	other.consumer = &consumer
	return &other
}

// Requests wait for a permit in turn; one that waits too long, or whose client hangs up, has taken nothing.
func TestWaitingForAPermit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := narrow(t, 1, 1, 1, 0, slow(time.Second))
		begin := time.Now()
		var mu sync.Mutex
		var order []string
		var clients sync.WaitGroup
		send := func(consumer string, n int, timeout time.Duration) {
			clients.Go(func() {
				ctx, cancel := context.WithTimeoutCause(context.Background(), timeout, adapters.ErrDeadline)
				defer cancel()
				_, err := w.as(consumer).forward(ctx, "gpt", false)
				mu.Lock()
				defer mu.Unlock()
				order = append(order, fmt.Sprintf("%s%d@%v:%v", consumer, n, time.Since(begin).Round(time.Second), err == nil))
			})
			synctest.Wait()
		}
		for n := range 3 {
			send("a", n, time.Hour)
		}
		send("b", 0, time.Hour)
		send("c", 0, 1500*time.Millisecond) // its turn comes after 2 s
		clients.Wait()
		want := []string{"a0@1s:true", "c0@2s:false", "a1@2s:true", "b0@3s:true", "a2@4s:true"}
		if !slices.Equal(order, want) {
			t.Errorf("ended as %v, want %v", order, want)
		}
		w.over(t)
	})
}

// Nobody waits longer than the consumer's budget, nor behind a full queue.
func TestWaitingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := narrow(t, 1, 1, 1, 2, slow(time.Hour))
		w.consumer.Retry.Budget = 10 * time.Second
		ctx, cancel := context.WithCancelCause(context.Background())
		var clients sync.WaitGroup
		clients.Go(func() { _, _ = w.forward(ctx, "gpt", false) })
		synctest.Wait()
		for n, want := range []time.Duration{10 * time.Second, 10 * time.Second, 0} {
			clients.Go(func() {
				begin := time.Now()
				_, err := w.forward(context.Background(), "gpt", false)
				if took := time.Since(begin); took != want || !errors.Is(err, actors.ErrNoBackendAvailable) {
					t.Errorf("request %d waited %v, want %v: %v", n, took, want, err)
				}
			})
			synctest.Wait()
		}
		time.Sleep(20 * time.Second)
		cancel(adapters.ErrClientGone)
		clients.Wait()
		w.over(t)
	})
}

// What keeps endpoints busy may end in another way: a probe that fails closes the door for a known time, a credential for good.
func TestWhatWasWaitedForDoesNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := func(ctx context.Context, t *adapters.Target) (*adapters.ProviderResponse, error) {
			time.Sleep(time.Second)
			return actortest.Status(401, events.ErrorCredential, 0)(ctx, t)
		}
		w := narrow(t, 1, 1, 1, 0, late)
		var clients sync.WaitGroup
		for n := range 3 {
			clients.Go(func() {
				begin := time.Now()
				_, err := w.forward(context.Background(), "gpt", false)
				if took := time.Since(begin); err == nil || took > 2*time.Second {
					t.Errorf("request %d: %v after %v", n, err, took)
				}
			})
			synctest.Wait()
		}
		clients.Wait()
		if len(w.invoker.Seen) != 1 {
			t.Errorf("attempts: %v", w.invoker.Seen)
		}
		w.over(t)
	})
}

// Whatever the clients do, no permit is given twice or lost, nobody who could be served is left waiting, and the books close.
func TestPermitsUnderRandomLoad(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		registries := rapid.IntRange(1, 2).Draw(rt, "registries")
		endpoints, permits := rapid.IntRange(1, 3).Draw(rt, "endpoints"), rapid.IntRange(1, 3).Draw(rt, "permits")
		type client struct {
			at, patience time.Duration
			consumer     string
		}
		var clients []client
		ms := func(name string, most int) time.Duration {
			return time.Duration(rapid.IntRange(0, most).Draw(rt, name)) * time.Millisecond
		}
		for range rapid.IntRange(1, 30).Draw(rt, "clients") {
			clients = append(clients, client{
				ms("at", 300), ms("patience", 400), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "consumer"),
			})
		}
		synctest.Test(t, func(*testing.T) {
			var mu sync.Mutex
			running := map[*adapters.Endpoint]int{}
			call := func(ctx context.Context, target *adapters.Target) (*adapters.ProviderResponse, error) {
				mu.Lock()
				running[target.Endpoint]++
				if n := running[target.Endpoint]; n > permits {
					rt.Errorf("%d run at %s, of %d", n, target.Endpoint.Name, permits)
				}
				mu.Unlock()
				defer func() {
					mu.Lock()
					running[target.Endpoint]--
					mu.Unlock()
				}()
				return slow(time.Duration(time.Now().UnixMilli()*7%50+1)*time.Millisecond)(ctx, target)
			}
			w := narrow(t, registries, endpoints, permits, 0, call)
			var all sync.WaitGroup
			for _, c := range clients {
				all.Go(func() {
					time.Sleep(c.at)
					ctx, cancel := context.WithTimeoutCause(context.Background(), c.patience, adapters.ErrClientGone)
					defer cancel()
					_, err := w.as(c.consumer).forward(ctx, "gpt", false)
					if code := adapters.AsError(err).Code; err != nil && code != adapters.CodeClientClosedRequest {
						rt.Errorf("%v", err)
					}
				})
			}
			all.Wait()
			// Every permit is back: as many requests as there are permits run at once.
			begin := time.Now()
			for range registries * endpoints * permits {
				all.Go(func() { _, _ = w.forward(context.Background(), "gpt", false) })
			}
			all.Wait()
			if took := time.Since(begin); took > 50*time.Millisecond {
				rt.Errorf("a permit is missing: the last wave took %v", took)
			}
			w.over(t)
		})
	})
}

// A request that waits at two registries takes one permit, also where both come at the same moment.
func TestTwoPermitsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := narrow(t, 2, 1, 1, 0, slow(time.Second))
		for range 300 {
			begin := time.Now()
			var clients sync.WaitGroup
			for range 4 { // two at once, two rounds of it
				clients.Go(func() { _, _ = w.forward(context.Background(), "gpt", false) })
			}
			clients.Wait()
			if took := time.Since(begin); took != 2*time.Second {
				t.Fatalf("four requests took %v: a permit is lost", took)
			}
		}
		w.over(t)
	})
}
