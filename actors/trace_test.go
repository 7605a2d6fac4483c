package actors_test

import (
	"context"
	"testing"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/actors/actortest"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// follower counts, and costs nothing itself.
type follower struct{ attempts, settled, closed int }

func (f *follower) Attempt(context.Context, *adapters.RequestContext, *adapters.Target, *events.Start) actors.AttemptTrace {
	f.attempts++
	return f
}
func (f *follower) Settled(*events.AttemptSettled, string)            { f.settled++ }
func (f *follower) Closed(_ context.Context, _ *events.RequestClosed) { f.closed++ }

// Being followed costs what the follower costs, and nobody following costs nothing: the same allocations with one that has none.
func TestTracingCostsNothingWhenOff(t *testing.T) {
	allocations := func(tracer actors.Tracer) float64 {
		w := quickWorld(t)
		f, err := actors.NewForwarder(actors.Options{Snapshot: w.snapshot, Invoker: quick{}, Recorder: nothing{}, Tracer: tracer})
		if err != nil {
			t.Fatal(err)
		}
		w.f = f
		return testing.AllocsPerRun(2000, func() {
			if _, err := w.forward(context.Background(), "gpt", false); err != nil {
				t.Fatal(err)
			}
		})
	}
	on := &follower{}
	if off, followed := allocations(nil), allocations(on); off != followed {
		t.Errorf("%v allocations, and %v with a tracer that allocates nothing", off, followed)
	}
	if on.attempts == 0 || on.settled != on.attempts || on.closed != on.attempts {
		t.Errorf("%+v", on)
	}
}

// Every attempt that begins to be followed is settled once, and every request closed once, however it ends.
func TestWhatIsFollowedEnds(t *testing.T) {
	for name, c := range map[string]struct {
		script   []actortest.Call
		stream   bool
		attempts int
	}{
		"success":          {[]actortest.Call{actortest.OK}, false, 1},
		"a retry":          {[]actortest.Call{actortest.Status(500, events.ErrorOverloaded, 0), actortest.OK}, false, 2},
		"a panic":          {[]actortest.Call{actortest.Panic}, false, 1},
		"a stream":         {[]actortest.Call{actortest.Stream([]string{"a", "b"}, nil)}, true, 1},
		"a broken one":     {[]actortest.Call{actortest.Stream([]string{"a"}, context.Canceled)}, true, 1},
		"nothing recorded": {[]actortest.Call{actortest.OK}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.script...)
			on := &follower{}
			f, err := actors.NewForwarder(actors.Options{Snapshot: w.snapshot, Invoker: w.invoker, Recorder: w.recorder, Tracer: on})
			if err != nil {
				t.Fatal(err)
			}
			w.f = f
			if c.attempts == 0 {
				w.recorder.Err = events.ErrAccountingUnavailable
			}
			if res, _ := w.forward(context.Background(), "gpt", c.stream); res != nil && res.Stream != nil {
				for range res.Stream {
				}
			}
			w.over(t)
			if on.attempts != c.attempts || on.settled != c.attempts || on.closed != min(c.attempts, 1) {
				t.Errorf("%+v, want %d attempts", on, c.attempts)
			}
		})
	}
}
