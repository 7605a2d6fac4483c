package actors_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/actors/actortest"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// terminal answers with an error that would be the same anywhere else.
func terminal(status int, class events.ErrorClass) actortest.Call {
	return func(ctx context.Context, t *adapters.Target) (*adapters.ProviderResponse, error) {
		resp, err := actortest.Status(status, class, 0)(ctx, t)
		resp.Outcome = adapters.OutcomeTerminal
		return resp, err
	}
}

// A fallback that names kinds of failure is for those, and only those that name them are for what no other endpoint does better.
func TestFallbackTriggers(t *testing.T) {
	overloaded, limited := actortest.Status(500, events.ErrorOverloaded, 0), actortest.Status(429, events.ErrorRateLimited, time.Hour)
	both := []string{"first/e1/gpt", "first/e2/gpt"}
	cases := []struct {
		name   string
		on     []routing.Trigger
		script []actortest.Call
		seen   []string // before the fallback
		used   bool
	}{
		{"none named, an error", nil, []actortest.Call{overloaded, overloaded, actortest.OK}, both, true},
		{"the kind that is named", []routing.Trigger{routing.OnHTTP5xx}, []actortest.Call{overloaded, overloaded, actortest.OK}, both, true},
		{"one of the kinds that happened", []routing.Trigger{routing.OnHTTP429}, []actortest.Call{overloaded, limited, actortest.OK}, both, true},
		{"another kind", []routing.Trigger{routing.OnHTTP429}, []actortest.Call{overloaded, overloaded, terminal(400, events.ErrorInvalidRequest)}, both, false},
		{"an unknown model, none named", nil, []actortest.Call{terminal(404, events.ErrorNotFound)}, both[:1], false},
		{"an unknown model", []routing.Trigger{routing.OnNotFound}, []actortest.Call{terminal(404, events.ErrorNotFound), actortest.OK}, both[:1], true},
		{"refused content", []routing.Trigger{routing.OnContentFilter}, []actortest.Call{terminal(400, events.ErrorContentFilter), actortest.OK}, both[:1], true},
		{"refused content, and no better there", []routing.Trigger{routing.OnContentFilter}, []actortest.Call{terminal(400, events.ErrorContentFilter)}, both[:1], true},
		{"a wrong request", []routing.Trigger{routing.OnContentFilter, routing.OnNotFound}, []actortest.Call{terminal(400, events.ErrorInvalidRequest)}, both[:1], false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, c.script...)
				w.consumer.Fallback[0].On = c.on
				w.consumer.Fallback[0].ModelMap = map[string]string{"gpt": "claude", "other": "wrong"}
				_, _ = w.forward(context.Background(), "gpt", false)
				want := c.seen
				if c.used {
					want = append(slices.Clone(want), "behind/e1/claude")
				}
				if got := w.invoker.Seen[:min(len(w.invoker.Seen), len(c.seen)+1)]; c.used && !slices.Equal(got, want) || !c.used && slices.Contains(w.invoker.Seen, "behind/e1/claude") {
					t.Errorf("went to %v, want %v", w.invoker.Seen, want)
				}
				w.over(t)
			})
		})
	}
}

// A fallback for what is not available is used where nothing before it could be asked.
func TestFallbackForWhatIsUnavailable(t *testing.T) {
	for on, want := range map[routing.Trigger]int{routing.OnUnavailable: 200, routing.OnHTTP429: 200, routing.OnTimeout: 429} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, actortest.Status(429, events.ErrorRateLimited, time.Hour), actortest.Status(429, events.ErrorRateLimited, time.Hour), actortest.OK)
			behind := w.consumer.Fallback
			w.consumer.Fallback = nil
			_, _ = w.forward(context.Background(), "gpt", false) // both are limited now
			w.consumer.Fallback = behind
			w.consumer.Fallback[0].On = []routing.Trigger{on}
			res, err := w.forward(context.Background(), "gpt", false)
			status := 0
			if err != nil {
				status = adapters.AsError(err).HTTPStatus()
			} else {
				status = res.StatusCode
			}
			if status != want {
				t.Errorf("on %s: %d, want %d (%v)", on, status, want, err)
			}
			w.over(t)
		})
	}
}

// Where all fail, the client is told of a limit rather than of a broken connection, and when the soonest endpoint may serve it.
func TestTheBestAnswerOfAllThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t,
			actortest.Status(429, events.ErrorRateLimited, 10*time.Minute), actortest.Status(429, events.ErrorRateLimited, 2*time.Minute),
			actortest.Fail(events.ErrorTransport, errors.New("connection reset")))
		w.consumer.Retry.MaxAttempts = 3
		res, err := w.forward(context.Background(), "gpt", false)
		if err != nil || res.StatusCode != 429 || res.Headers.Get("Retry-After") != "120" {
			t.Fatalf("%+v, %v", res, err)
		}
		// Nobody need be asked to say it again.
		w.consumer.Fallback = nil
		_, err = w.forward(context.Background(), "gpt", false)
		if e := adapters.AsError(err); e.Code != adapters.CodeRateLimited || e.RetryAfter != 2*time.Minute || !errors.Is(err, actors.ErrNoBackendAvailable) {
			t.Errorf("%v, Retry-After %v", err, e.RetryAfter)
		}
		if len(w.invoker.Seen) != 3 {
			t.Errorf("%v", w.invoker.Seen)
		}
		w.over(t)
	})
}

// An outage is not multiplied: retries at a registry that fails stay a share of what succeeds there, and what another registry can
// serve is not counted against it.
func TestRetriesAreAShareOfSuccesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failing := func(ctx context.Context, target *adapters.Target) (*adapters.ProviderResponse, error) {
			if target.Registry.Name == "first" {
				// Asked to wait a moment, which opens no breaker.
				return actortest.Status(429, events.ErrorRateLimited, time.Nanosecond)(ctx, target)
			}
			return actortest.OK(ctx, target)
		}
		w := newWorld(t, failing)
		behind := w.consumer.Fallback
		for range 1000 {
			w.consumer.Fallback = behind
			if res, err := w.forward(context.Background(), "gpt", false); err != nil || res.StatusCode != 200 {
				t.Fatalf("another registry would have served it: %+v, %v", res, err)
			}
			time.Sleep(time.Millisecond)
		}
		retries := 0
		for _, seen := range w.invoker.Seen {
			if seen == "first/e1/gpt" || seen == "first/e2/gpt" {
				retries++
			}
		}
		// 1,000 first attempts; 100 saved retries, and 10 in the second that it took.
		if retries -= 1000; retries < 100 || retries > 115 {
			t.Errorf("%d retries of an outage", retries)
		}
		w.over(t)
	})
}
