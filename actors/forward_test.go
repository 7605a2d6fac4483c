package actors_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/actors/actortest"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/dialects/openaichat"
	"github.com/tollhouse/tollhouse/adapters/providers/compatible"
	"github.com/tollhouse/tollhouse/events"
)

// world is two registries in a pool, one behind it, and who may use them.
type world struct {
	snapshot *routing.Snapshot
	consumer *routing.Consumer
	recorder *actortest.Recorder
	invoker  *actortest.Invoker
	f        *actors.Forwarder
	of       *routing.Snapshot // of the requests; nil: the current one
}

func registry(name string, endpoints int) *adapters.Registry {
	r := &adapters.Registry{Name: name, Provider: compatible.Vendors()[1]}
	for i := range endpoints {
		r.Endpoints = append(r.Endpoints, &adapters.Endpoint{Name: fmt.Sprint("e", i+1), Weight: 1})
	}
	return r
}

func newWorld(t testing.TB, script ...actortest.Call) *world {
	t.Helper()
	first, behind := registry("first", 2), registry("behind", 1)
	behind.ModelMap = map[string]string{"gpt": "gpt-mapped"}
	w := &world{recorder: actortest.NewRecorder(), invoker: actortest.NewInvoker(script...)}
	w.snapshot = &routing.Snapshot{
		Registries: map[string]*adapters.Registry{"first": first, "behind": behind},
		Pools:      map[string]*routing.Pool{"main": {Members: []routing.Member{{Registry: first, Weight: 1}}}},
	}
	w.consumer = &routing.Consumer{
		Name: "app", Pool: w.snapshot.Pools["main"], Fallback: []routing.Fallback{{Registry: behind}},
		Models: routing.ModelPolicy{Allow: []string{"gpt*"}, Default: "gpt", Aliases: map[string]string{"fast": "gpt"}},
		Retry: routing.RetryPolicy{MaxAttempts: 4, Budget: 30 * time.Second, On: []routing.Trigger{
			routing.OnHTTP429, routing.OnHTTP5xx, routing.OnTimeout, routing.OnTransport, routing.OnProviderError,
		}},
	}
	f, err := actors.NewForwarder(actors.Options{Snapshot: w.snapshot, Invoker: w.invoker, Recorder: w.recorder})
	if err != nil {
		t.Fatal(err)
	}
	w.f = f
	return w
}

func (w *world) forward(ctx context.Context, model string, stream bool) (*actors.ForwardResult, error) {
	now := time.Now()
	return w.f.Forward(ctx, actors.ForwardInput{
		GatewayID: "gw", Snapshot: w.of, Consumer: w.consumer, Data: actors.ConsumerData{KeyID: "k"},
		Request: &adapters.RequestContext{
			ID: events.NewRequestID(now), Dialect: openaichat.Dialect{}, Operation: adapters.OperationChat, Body: make([]byte, 400),
			Inspection: adapters.Inspection{Model: model, Stream: stream, OutputLimit: 100}, ReceivedAt: now,
		},
	})
}

// over ends the world and returns what is wrong with its books.
func (w *world) over(t testing.TB) {
	t.Helper()
	if err := w.f.Drain(context.Background()); err != nil {
		t.Error(err)
	}
	for _, broken := range w.recorder.Check() {
		t.Error(broken)
	}
}

func (w *world) closed() *events.RequestClosed {
	for _, c := range w.recorder.Closed {
		return c
	}
	return nil
}

func TestOutcomes(t *testing.T) {
	over := events.ErrorOverloaded
	reset := errors.New("connection reset")
	cases := []struct {
		name    string
		script  []actortest.Call
		status  int           // of the answer; 0: an error
		code    adapters.Code // of the error
		seen    []string
		outcome events.RequestOutcome
		took    time.Duration // at least
	}{
		{"success", []actortest.Call{actortest.OK}, 200, "", []string{"first/e1/gpt"}, events.RequestSuccess, 0},
		{
			"the second endpoint",
			[]actortest.Call{actortest.Status(500, over, 0), actortest.OK},
			200, "",
			[]string{"first/e1/gpt", "first/e2/gpt"},
			events.RequestSuccess, 0,
		},
		{
			"the fallback, with its model",
			[]actortest.Call{actortest.Status(500, over, 0), actortest.Fail(events.ErrorTransport, reset), actortest.OK},
			200, "",
			[]string{"first/e1/gpt", "first/e2/gpt", "behind/e1/gpt-mapped"},
			events.RequestSuccess, 0,
		},
		{
			"a request that is wrong is not tried again",
			[]actortest.Call{actortest.Status(400, events.ErrorInvalidRequest, 0)},
			400, "",
			[]string{"first/e1/gpt"},
			events.RequestFailed, 0,
		},
		{"Retry-After is obeyed", []actortest.Call{
			actortest.Status(429, events.ErrorRateLimited, 3*time.Second), actortest.Status(429, events.ErrorRateLimited, 5*time.Second),
			actortest.Status(429, events.ErrorRateLimited, 9*time.Second), actortest.OK,
		}, 200, "", []string{"first/e1/gpt", "first/e2/gpt", "behind/e1/gpt-mapped", "first/e1/gpt"}, events.RequestSuccess, 3 * time.Second},
		{
			"Retry-After beyond the budget is relayed",
			[]actortest.Call{actortest.Status(429, events.ErrorRateLimited, time.Minute)},
			429, "",
			[]string{"first/e1/gpt", "first/e2/gpt", "behind/e1/gpt-mapped"},
			events.RequestFailed, 0,
		},
		{"the best answer is relayed", []actortest.Call{
			actortest.Status(429, events.ErrorRateLimited, time.Minute), actortest.Status(503, over, 0), actortest.Fail(events.ErrorTransport, reset),
		}, 429, "", nil, events.RequestFailed, 0},
		{
			"a refused credential is ours",
			[]actortest.Call{actortest.Status(401, events.ErrorCredential, 0)},
			0, adapters.CodeUpstreamError,
			[]string{"first/e1/gpt", "first/e2/gpt", "behind/e1/gpt-mapped"},
			events.RequestFailed, 0,
		},
		{"nobody answers", []actortest.Call{actortest.Fail(events.ErrorTimeout, adapters.ErrTimeoutTotal)}, 0, adapters.CodeUpstreamTimeout, nil, events.RequestFailed, 0},
		{"a panic", []actortest.Call{actortest.Panic}, 0, adapters.CodeInternal, []string{"first/e1/gpt"}, events.RequestFailed, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, c.script...)
				begin := time.Now()
				res, err := w.forward(context.Background(), "fast", false)
				took := time.Since(begin)
				switch {
				case c.status != 0 && (err != nil || res.StatusCode != c.status):
					t.Errorf("result %+v, %v, want status %d", res, err, c.status)
				case c.status == 0 && (err == nil || adapters.AsError(err).Code != c.code):
					t.Errorf("error %v, want %s", err, c.code)
				}
				if c.seen != nil && !slices.Equal(w.invoker.Seen, c.seen) {
					t.Errorf("attempts %v, want %v", w.invoker.Seen, c.seen)
				}
				if took < c.took || took > 35*time.Second {
					t.Errorf("it took %v", took)
				}
				w.over(t)
				if got := w.closed(); got == nil || got.Outcome != c.outcome || int(got.Attempts) != len(w.invoker.Seen) {
					t.Errorf("closed as %+v, want %s", got, c.outcome)
				}
			})
		})
	}
}

func TestModelReferences(t *testing.T) {
	for ref, want := range map[string]string{
		"gpt": "first/gpt", "": "first/gpt", "auto": "first/gpt", "fast": "first/gpt", "gpt-5": "first/gpt-5", "pool:main": "first/gpt",
		"pool:main/gpt-5": "first/gpt-5", "@behind/gpt": "behind/gpt-mapped", "@openai_compatible/gpt": "first/gpt",
		"claude": "model_not_allowed", "pool:none": "invalid_request", "@nowhere/gpt": "invalid_request", "@behind": "invalid_request",
		"@/gpt": "invalid_request",
	} {
		t.Run(ref, func(t *testing.T) {
			w := newWorld(t, actortest.OK)
			_, err := w.forward(context.Background(), ref, false)
			got := ""
			if err != nil {
				got = string(adapters.AsError(err).Code)
			} else {
				parts := strings.Split(w.invoker.Seen[0], "/")
				got = parts[0] + "/" + parts[2]
			}
			if got != want {
				t.Errorf("%q leads to %q, want %q", ref, got, want)
			}
			w.over(t)
			if len(w.recorder.Closed) != 1 {
				t.Errorf("%d requests closed", len(w.recorder.Closed))
			}
		})
	}
}

func TestStreams(t *testing.T) {
	frames := []string{"a", "b", "c"}
	broken := &adapters.Error{Code: adapters.CodeUpstreamError, Message: "cut"}
	read := func(w *world, n int) (got string, err error) {
		res, err := w.forward(context.Background(), "gpt", true)
		if err != nil {
			return "", err
		}
		for f, e := range res.Stream {
			got, err = got+string(f), e
			if n--; n == 0 {
				break
			}
		}
		return got, err
	}
	check := func(t *testing.T, w *world, attempt events.AttemptOutcome, request events.RequestOutcome, status uint16) {
		t.Helper()
		w.over(t)
		for _, s := range w.recorder.Settled {
			if s.Outcome != attempt {
				t.Errorf("attempt %s, want %s", s.Outcome, attempt)
			}
		}
		if c := w.closed(); c.Outcome != request || c.Status != status {
			t.Errorf("request %s %d, want %s %d", c.Outcome, c.Status, request, status)
		}
	}
	t.Run("whole", func(t *testing.T) {
		w := newWorld(t, actortest.Stream(frames, nil))
		if got, err := read(w, 0); got != "abc" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		check(t, w, events.AttemptSuccess, events.RequestSuccess, 200)
	})
	t.Run("settled before the last frame goes out", func(t *testing.T) {
		w := newWorld(t, actortest.Stream(frames, nil))
		res, err := w.forward(context.Background(), "gpt", true)
		if err != nil {
			t.Fatal(err)
		}
		for f := range res.Stream {
			if last := string(f) == "c"; last != (len(w.recorder.Closed) == 1) {
				t.Errorf("at %q %d requests are closed", f, len(w.recorder.Closed))
			}
		}
		check(t, w, events.AttemptSuccess, events.RequestSuccess, 200)
	})
	t.Run("broken", func(t *testing.T) {
		w := newWorld(t, actortest.Stream(frames, broken))
		if got, err := read(w, 0); got != "abc" || !errors.Is(err, broken) {
			t.Errorf("%q, %v", got, err)
		}
		check(t, w, events.AttemptRetryable, events.RequestFailed, 200)
	})
	t.Run("broken off by the client", func(t *testing.T) {
		w := newWorld(t, actortest.Stream(frames, nil))
		if got, err := read(w, 2); got != "ab" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		check(t, w, events.AttemptCancelled, events.RequestCancelled, 499)
	})
	t.Run("drained", func(t *testing.T) {
		w := newWorld(t, actortest.Stream(frames, nil))
		w.consumer.Drain = true
		if got, err := read(w, 1); got != "a" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		w.over(t)
		for _, s := range w.recorder.Settled {
			if s.Outcome != events.AttemptSuccess || s.UsageEvidence != events.EvidenceReported || !s.ClientDisconnected {
				t.Errorf("%+v", s)
			}
		}
	})
	t.Run("drained no further than it may", func(t *testing.T) {
		w := newWorld(t, actortest.Stream(slices.Repeat([]string{strings.Repeat("x", 1<<20)}, 8), nil))
		w.consumer.Drain = true
		_, _ = read(w, 1)
		check(t, w, events.AttemptCancelled, events.RequestCancelled, 499)
	})
	t.Run("never read", func(t *testing.T) {
		w := newWorld(t, actortest.Stream(frames, nil))
		ctx, cancel := context.WithCancelCause(context.Background())
		if _, err := w.forward(ctx, "gpt", true); err != nil {
			t.Fatal(err)
		}
		cancel(adapters.ErrClientGone)
		check(t, w, events.AttemptCancelled, events.RequestCancelled, 499)
	})
}

func TestTheClientsEndIsTheAttemptsEnd(t *testing.T) {
	for why, want := range map[error]struct {
		code   adapters.Code
		status uint16
	}{
		adapters.ErrClientGone: {adapters.CodeClientClosedRequest, 499},
		adapters.ErrDeadline:   {adapters.CodeUpstreamTimeout, 504},
	} {
		w := newWorld(t, actortest.Hang)
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(20*time.Millisecond, func() { cancel(why) })
		_, err := w.forward(ctx, "gpt", false)
		if adapters.AsError(err).Code != want.code {
			t.Errorf("%v: %v", why, err)
		}
		w.over(t)
		if c := w.closed(); c.Outcome != events.RequestCancelled || c.Status != want.status || c.ClientDisconnected != (why == adapters.ErrClientGone) {
			t.Errorf("%v: closed as %+v", why, c)
		}
		for _, s := range w.recorder.Settled {
			if s.Outcome != events.AttemptCancelled || s.UsageEvidence != events.EvidenceEstimated || s.Usage.InputTokens != 100 {
				t.Errorf("%v: settled as %+v", why, s)
			}
		}
	}
}

func TestWhatCannotBeRecordedIsNotServed(t *testing.T) {
	w := newWorld(t, actortest.OK)
	w.recorder.Err = events.ErrAccountingUnavailable
	for _, model := range []string{"gpt", "forbidden"} {
		_, err := w.forward(context.Background(), model, false)
		if e := adapters.AsError(err); e.Code != adapters.CodeAccountingUnavailable || e.RetryAfter == 0 || e.HTTPStatus() != http.StatusServiceUnavailable {
			t.Errorf("%s: %v", model, err)
		}
	}
	if len(w.invoker.Seen) != 0 {
		t.Error("an attempt was made")
	}
	w.over(t)
}

// A retry whose intent cannot be kept ends the request; it counts as an attempt only where its start was written.
func TestARetryThatCannotBeRecorded(t *testing.T) {
	for attempts, startErr := range map[uint16]error{
		1: fmt.Errorf("%w: %w", events.ErrNotStarted, events.ErrAccountingUnavailable),
		2: events.ErrAccountingUnavailable,
	} {
		w := newWorld(t, actortest.Status(500, events.ErrorOverloaded, 0), actortest.OK)
		w.recorder.StartErr = startErr
		_, err := w.forward(context.Background(), "gpt", false)
		if e := adapters.AsError(err); e.Code != adapters.CodeAccountingUnavailable {
			t.Errorf("%v", err)
		}
		w.over(t)
		if c := w.closed(); c.Attempts != attempts || len(w.invoker.Seen) != 1 {
			t.Errorf("after %v: %d attempts, %d calls", startErr, c.Attempts, len(w.invoker.Seen))
		}
	}
}

func TestAnEndpointsLimitHolds(t *testing.T) {
	w := newWorld(t, actortest.Hang)
	for _, r := range w.snapshot.Registries {
		for _, e := range r.Endpoints {
			e.MaxConcurrency = 1
		}
	}
	f, err := actors.NewForwarder(actors.Options{Snapshot: w.snapshot, Invoker: w.invoker, Recorder: w.recorder})
	if err != nil {
		t.Fatal(err)
	}
	w.f = f
	w.consumer.Retry.Budget = 0
	ctx, cancel := context.WithCancelCause(context.Background())
	errs := make(chan error, 5)
	for range 5 {
		go func() {
			_, err := w.forward(ctx, "gpt", false)
			errs <- err
		}()
	}
	for range 2 { // three endpoints, one permit each
		if err := <-errs; adapters.AsError(err).Code != adapters.CodeNoBackendAvailable || !errors.Is(err, actors.ErrNoBackendAvailable) {
			t.Errorf("%v", err)
		}
	}
	cancel(adapters.ErrClientGone)
	for range 3 {
		<-errs
	}
	w.over(t)
}

func TestBooksCloseWhateverHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		calls := []actortest.Call{
			actortest.OK, actortest.Panic, actortest.Status(500, events.ErrorOverloaded, 0), actortest.Status(429, events.ErrorRateLimited, 0),
			actortest.Status(401, events.ErrorCredential, 0), actortest.Status(400, events.ErrorInvalidRequest, 0),
			actortest.Fail(events.ErrorTransport, errors.New("reset")), actortest.Stream([]string{"a", "b"}, nil),
			actortest.Stream([]string{"a"}, errors.New("cut")),
		}
		var script []actortest.Call
		for range rapid.IntRange(1, 8).Draw(rt, "attempts") {
			script = append(script, calls[rapid.IntRange(0, len(calls)-1).Draw(rt, "call")])
		}
		stopAfter := rapid.IntRange(0, 3).Draw(rt, "frames read")
		requests := rapid.IntRange(1, 4).Draw(rt, "requests")
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, script...)
			for range requests {
				res, err := w.forward(context.Background(), "gpt", true)
				if err != nil {
					continue
				}
				if res.Stream != nil {
					n := 0
					for range res.Stream {
						if n++; n == stopAfter {
							break
						}
					}
				}
				res.Release()
			}
			w.over(t)
		})
	})
}

// quickWorld decides, and does nothing.
func quickWorld(t testing.TB) *world {
	w := newWorld(t, actortest.OK)
	f, err := actors.NewForwarder(actors.Options{Snapshot: w.snapshot, Invoker: quick{}, Recorder: nothing{}})
	if err != nil {
		t.Fatal(err)
	}
	w.f = f
	return w
}

// The whole decision of one request, its three actors' messages and both events. Most are proto.actor's: an actor's mailbox is 10, a
// message to an idle one 1.
func TestAllocations(t *testing.T) {
	w := quickWorld(t)
	n := testing.AllocsPerRun(2000, func() {
		if _, err := w.forward(context.Background(), "gpt", false); err != nil {
			t.Fatal(err)
		}
	})
	if n > 64 {
		t.Errorf("%v allocations a request", n)
	}
	t.Logf("%v allocations a request", n)
}

func BenchmarkForward(b *testing.B) {
	w := quickWorld(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.forward(context.Background(), "gpt", false); err != nil {
			b.Fatal(err)
		}
	}
}

type (
	nothing struct{}
	quick   struct{}
	pass    struct{}
)

func (pass) Redeem() error { return nil }
func (nothing) Begin(context.Context, *events.Accept, *events.Start) (events.Ticket, error) {
	return pass{}, nil
}

func (nothing) Start(context.Context, *events.Start) (events.Ticket, error)  { return pass{}, nil }
func (nothing) Refuse(*events.Accept, *events.RequestClosed) error           { return nil }
func (nothing) Note(*events.Note)                                            {}
func (nothing) Settle(*events.AttemptSettled)                                {}
func (nothing) Close(*events.RequestClosed)                                  {}
func (nothing) SettleAndClose(*events.AttemptSettled, *events.RequestClosed) {}
func (quick) Invoke(c context.Context, t *adapters.Target, _ *adapters.RequestContext) (*adapters.ProviderResponse, error) {
	return actortest.OK(c, t)
}

func (quick) InvokeStream(c context.Context, t *adapters.Target, _ *adapters.RequestContext) (*adapters.ProviderResponse, error) {
	return actortest.OK(c, t)
}
