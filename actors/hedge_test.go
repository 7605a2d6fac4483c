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

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/actors/actortest"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// slowStream opens after a while.
func slowStream(d time.Duration) actortest.Call {
	return func(ctx context.Context, t *adapters.Target) (*adapters.ProviderResponse, error) {
		if resp, err := slow(d)(ctx, t); err != nil {
			return resp, err
		}
		resp, err := actortest.Stream([]string{t.Endpoint.Name, "end"}, nil)(ctx, t)
		resp.FirstByteAt = time.Now()
		return resp, err
	}
}

// hedged is a world whose consumer hedges, and whose endpoints are known to answer within 100 ms.
func hedged(t testing.TB, stream bool, share float64, script ...actortest.Call) *world {
	t.Helper()
	return hedgedAt(t, stream, routing.Hedge{Share: share}, nil, script...)
}

func hedgedAt(t testing.TB, stream bool, hedge routing.Hedge, prices routing.Prices, script ...actortest.Call) *world {
	t.Helper()
	usual := slow(100 * time.Millisecond)
	if stream {
		usual = slowStream(100 * time.Millisecond)
	}
	const known = 40
	w := newWorld(t, append(slices.Repeat([]actortest.Call{usual}, known), script...)...)
	w.consumer.Hedge = &hedge
	w.snapshot.Consumers, w.snapshot.Prices = []*routing.Consumer{w.consumer}, prices
	f, err := actors.NewForwarder(actors.Options{Snapshot: w.snapshot, Invoker: w.invoker, Recorder: w.recorder})
	if err != nil {
		t.Fatal(err)
	}
	w.f = f
	for range known {
		if _, err := w.read(stream); err != nil {
			t.Fatal(err)
		}
	}
	for _, broken := range w.recorder.Check() {
		t.Error(broken)
	}
	fresh := actortest.NewRecorder()
	w.recorder.Begun, w.recorder.Started, w.recorder.Settled, w.recorder.Closed = fresh.Begun, fresh.Started, fresh.Settled, fresh.Closed
	return w
}

// read sends a request and reads its answer: for a stream the name of the endpoint.
func (w *world) read(stream bool) (string, error) {
	res, err := w.forward(context.Background(), "gpt", stream)
	if err != nil || res.Stream == nil {
		return "", err
	}
	first := ""
	for frame, err := range res.Stream {
		if err != nil {
			return first, err
		}
		if first == "" {
			first = string(frame)
		}
	}
	return first, nil
}

func TestHedging(t *testing.T) {
	fail := actortest.Status(500, events.ErrorOverloaded, 0)
	late := func(d time.Duration, then actortest.Call) actortest.Call {
		return func(ctx context.Context, target *adapters.Target) (*adapters.ProviderResponse, error) {
			if resp, err := slow(d)(ctx, target); err != nil {
				return resp, err
			}
			return then(ctx, target)
		}
	}
	long := time.Minute
	cases := []struct {
		name     string
		script   []actortest.Call // of the first attempt and its hedge
		stream   []actortest.Call
		attempts int
		winner   uint16
		took     time.Duration // at most
	}{
		{"an answer in time", []actortest.Call{slow(time.Millisecond)}, []actortest.Call{slowStream(time.Millisecond)}, 1, 1, time.Millisecond},
		{"the second is first", []actortest.Call{slow(long), slow(time.Millisecond)}, []actortest.Call{slowStream(long), slowStream(time.Millisecond)}, 2, 2, 150 * time.Millisecond},
		{"the first is first", []actortest.Call{slow(200 * time.Millisecond), slow(long)}, []actortest.Call{slowStream(200 * time.Millisecond), slowStream(long)}, 2, 1, 200 * time.Millisecond},
		{"the second fails", []actortest.Call{slow(200 * time.Millisecond), fail}, []actortest.Call{slowStream(200 * time.Millisecond), fail}, 2, 1, 200 * time.Millisecond},
		{"the first fails", []actortest.Call{late(200*time.Millisecond, fail), slow(200 * time.Millisecond)}, []actortest.Call{late(200*time.Millisecond, fail), slowStream(200 * time.Millisecond)}, 2, 2, 350 * time.Millisecond},
		{"both fail, another does not", []actortest.Call{late(200*time.Millisecond, fail), late(200*time.Millisecond, fail), actortest.OK}, []actortest.Call{late(200*time.Millisecond, fail), late(200*time.Millisecond, fail), slowStream(1)}, 3, 3, 400 * time.Millisecond},
		{"the second is wrong, so is the request", []actortest.Call{slow(long), terminal(400, events.ErrorInvalidRequest)}, []actortest.Call{slowStream(long), terminal(400, events.ErrorInvalidRequest)}, 2, 0, 150 * time.Millisecond},
		{"the second panics", []actortest.Call{slow(long), actortest.Panic}, []actortest.Call{slowStream(long), actortest.Panic}, 2, 0, 150 * time.Millisecond},
	}
	for _, stream := range []bool{false, true} {
		for _, c := range cases {
			t.Run(fmt.Sprintf("%s, stream %v", c.name, stream), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					script := c.script
					if stream {
						script = c.stream
					}
					w := hedged(t, stream, 1, script...)
					begin := time.Now()
					_, err := w.read(stream)
					took := time.Since(begin)
					if (err != nil) != (c.name == "the second panics") {
						t.Errorf("%v", err)
					}
					synctest.Wait()
					closed := w.closed()
					if closed == nil || int(closed.Attempts) != c.attempts || closed.WinningAttempt != c.winner || took > c.took {
						t.Errorf("after %v closed as %+v, want attempt %d of %d within %v", took, closed, c.winner, c.attempts, c.took)
					}
					for n := range c.attempts {
						e := w.recorder.Settled[events.SettledEventID(closed.RequestID, uint16(n+1))]
						if e.Outcome == events.AttemptCancelled && (e.ErrorClass != "" || n+1 == int(c.winner)) {
							t.Errorf("attempt %d: %+v", n+1, e)
						}
					}
					w.over(t)
				})
			})
		}
	}
}

// A client that hangs up, or a deadline, ends both.
func TestBothOfARaceAreCancelled(t *testing.T) {
	for _, stream := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := hedged(t, stream, 1, actortest.Hang)
			ctx, cancel := context.WithTimeoutCause(context.Background(), time.Second, adapters.ErrDeadline)
			defer cancel()
			_, err := w.forward(ctx, "gpt", stream)
			if adapters.AsError(err).Code != adapters.CodeUpstreamTimeout {
				t.Error(err)
			}
			if c := w.closed(); c.Attempts != 2 || c.Outcome != events.RequestCancelled {
				t.Errorf("%+v", c)
			}
			w.over(t)
		})
	}
}

// Hedges are a share of the requests, go nowhere but to another endpoint, and not where two answers would be kept.
func TestHedgesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hedged(t, false, 0.1, slow(time.Second))
		for range 200 {
			if _, err := w.read(false); err != nil {
				t.Fatal(err)
			}
		}
		hedges := 0
		for _, c := range w.recorder.Closed {
			hedges += int(c.Attempts) - 1
		}
		// Ten may be saved, and what is slow everywhere is usual soon: nothing to be hedged.
		if hedges < 2 || hedges > 25 {
			t.Errorf("%d hedges of 200 requests", hedges)
		}
		w.over(t)
	})
	for name, change := range map[string]func(w *world){
		"no other endpoint": func(w *world) {
			w.consumer.Pool = &routing.Pool{Members: []routing.Member{{Registry: registry("alone", 1)}}}
		},
		"one attempt only": func(w *world) { w.consumer.Retry.MaxAttempts = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				script := slices.Repeat([]actortest.Call{slow(100 * time.Millisecond)}, 51)
				script[50] = slow(10 * time.Second)
				w := newWorld(t, script...)
				change(w)
				w.consumer.Hedge = &routing.Hedge{Share: 1}
				w.snapshot.Registries = map[string]*adapters.Registry{}
				for _, m := range w.consumer.Pool.Members {
					w.snapshot.Registries[m.Registry.Name] = m.Registry
				}
				w.consumer.Fallback = nil
				w.snapshot.Consumers = []*routing.Consumer{w.consumer}
				f, err := actors.NewForwarder(actors.Options{Snapshot: w.snapshot, Invoker: w.invoker, Recorder: w.recorder})
				if err != nil {
					t.Fatal(err)
				}
				w.f = f
				for range 51 {
					_, _ = w.read(false)
				}
				if len(w.invoker.Seen) != 51 {
					t.Errorf("%d attempts of 51 requests", len(w.invoker.Seen))
				}
				w.over(t)
			})
		})
	}
}

// The journal may refuse the second intent: the first goes on.
func TestAHedgeThatCannotBeKept(t *testing.T) {
	for _, refused := range []error{events.ErrNotStarted, errors.New("written, and could not be kept")} {
		synctest.Test(t, func(t *testing.T) {
			w := hedged(t, false, 1, slow(time.Second))
			w.recorder.StartErr = refused
			var client sync.WaitGroup
			client.Go(func() {
				if _, err := w.read(false); err != nil {
					t.Error(err)
				}
			})
			client.Wait()
			if c := w.closed(); c.Outcome != events.RequestSuccess || c.WinningAttempt != 1 {
				t.Errorf("%+v", c)
			}
			w.over(t)
		})
	}
}

// onePrice is one price for everything, or none that anybody knows.
type onePrice struct{ known bool }

func (p onePrice) Price(string, string, uint64, time.Time) (routing.Price, bool) {
	return routing.Price{Input: 1000, Output: 10_000, Currency: "USD"}, p.known
}

// A second attempt is not made where it is expected to cost more than it may: 100 tokens in, at most 100 out.
func TestAHedgeMayCostSoMuch(t *testing.T) {
	const cost = 100*1000 + 10_000*5 // it is known by then that five are written
	for _, c := range []struct {
		most   uint64
		known  bool
		hedges bool
	}{{cost, true, true}, {cost - 1, true, false}, {cost, false, false}, {0, false, true}} {
		synctest.Test(t, func(t *testing.T) {
			w := hedgedAt(t, false, routing.Hedge{Share: 1, MaxCost: c.most}, onePrice{c.known}, slow(time.Second))
			_, _ = w.read(false)
			if got := len(w.invoker.Seen) > 41; got != c.hedges {
				t.Errorf("at most %d, known %v: hedged %v", c.most, c.known, got)
			}
			w.over(t)
		})
	}
}
