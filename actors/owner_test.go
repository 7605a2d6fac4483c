package actors_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/actors/actortest"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/actors/sessions"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/dialects/openairesponses"
	"github.com/tollhouse/tollhouse/adapters/providers/compatible"
	"github.com/tollhouse/tollhouse/events"
)

// keepers are two registries that keep answers, of two endpoints each, and one that does not, behind which a store remembers.
type keepers struct {
	*world
	dir   string
	store *sessions.Store
}

func provider(kind string) adapters.Provider {
	all := compatible.Vendors()
	return all[slices.IndexFunc(all, func(p adapters.Provider) bool { return p.Name() == kind })]
}

// newKeepers begins a process: with the same folder, the next one.
func newKeepers(t *testing.T, dir string, script ...actortest.Call) *keepers {
	t.Helper()
	east, west, chat := registry("east", 2), registry("west", 2), registry("chat", 1)
	east.Provider, west.Provider = provider("openai"), provider("openai")
	store, err := sessions.Open(sessions.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{recorder: actortest.NewRecorder(), invoker: actortest.NewInvoker(script...)}
	pool := &routing.Pool{Members: []routing.Member{{Registry: chat, Weight: 50}, {Registry: east, Weight: 1}, {Registry: west, Weight: 1}}}
	w.snapshot = &routing.Snapshot{
		Registries: map[string]*adapters.Registry{"east": east, "west": west, "chat": chat}, Pools: map[string]*routing.Pool{"main": pool},
	}
	w.consumer = &routing.Consumer{
		Name: "app", Pool: pool,
		Retry: routing.RetryPolicy{MaxAttempts: 4, Budget: 30 * time.Second, On: []routing.Trigger{routing.OnHTTP5xx}},
	}
	if w.f, err = actors.NewForwarder(actors.Options{Snapshot: w.snapshot, Invoker: w.invoker, Recorder: w.recorder, Sessions: store}); err != nil {
		t.Fatal(err)
	}
	return &keepers{world: w, dir: dir, store: store}
}

func (k *keepers) end(t *testing.T) {
	t.Helper()
	k.over(t)
	if err := k.store.Close(); err != nil {
		t.Error(err)
	}
}

// respond asks for a response, or with a method for a stored one.
func (k *keepers) respond(ctx context.Context, consumer, method, previous string, in adapters.Inspection) (*actors.ForwardResult, error) {
	c := *k.consumer
	c.Name = consumer
	now := time.Now()
	op := adapters.OperationChat
	if method != http.MethodPost {
		op = adapters.OperationStored
	}
	in.PreviousResponse = previous
	return k.f.Forward(ctx, actors.ForwardInput{
		GatewayID: "gw", Consumer: &c, Data: actors.ConsumerData{KeyID: "k"},
		Request: &adapters.RequestContext{
			ID: events.NewRequestID(now), Dialect: openairesponses.Dialect{}, Operation: op, Method: method, Inspection: in, ReceivedAt: now,
		},
	})
}

// named answers with a response of that id.
func named(id string) actortest.Call {
	return func(ctx context.Context, t *adapters.Target) (*adapters.ProviderResponse, error) {
		resp, err := actortest.OK(ctx, t)
		resp.ResponseID = id
		return resp, err
	}
}

func keeps(model string) adapters.Inspection { return adapters.Inspection{Model: model, Keeps: true} }

// where is the endpoint of the last attempt.
func (k *keepers) where() string {
	parts := strings.Split(k.invoker.Seen[len(k.invoker.Seen)-1], "/")
	return parts[0] + "/" + parts[1]
}

// What builds on a response, reads it or deletes it goes to the endpoint that keeps it, in this process and in the next.
func TestAStoredResponseIsAskedForWhereItIs(t *testing.T) {
	dir := t.TempDir()
	k := newKeepers(t, dir, named("resp_1"))
	ask := func(method string) {
		t.Helper()
		in := adapters.Inspection{}
		if method == http.MethodPost {
			in = keeps("gpt")
		}
		if _, err := k.respond(t.Context(), "app", method, "resp_1", in); err != nil {
			t.Fatal(err)
		}
	}
	// Enough are made that one is made by an endpoint that keeps answers, and not the one that chance would choose again.
	owner := ""
	for !strings.HasPrefix(owner, "east/") {
		if _, err := k.respond(t.Context(), "app", http.MethodPost, "", keeps("gpt")); err != nil {
			t.Fatal(err)
		}
		owner = k.where()
	}
	for range 8 {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			if ask(method); k.where() != owner {
				t.Fatalf("%s went to %s, the response is kept by %s", method, k.where(), owner)
			}
		}
	}
	k.end(t)
	for range 2 {
		k = newKeepers(t, dir, named("resp_2"))
		for range 8 {
			if ask(http.MethodGet); k.where() != owner {
				t.Fatalf("after a restart it went to %s, the response is kept by %s", k.where(), owner)
			}
		}
		k.end(t)
	}
	k = newKeepers(t, dir, named(""))
	ask(http.MethodDelete)
	if k.where() != owner {
		t.Errorf("it was deleted at %s", k.where())
	}
	if o, ok := k.store.Owner("resp_1"); ok {
		t.Errorf("what was deleted is kept by %+v", o)
	}
	for _, s := range k.recorder.Settled {
		if s.SentModel != "" || s.RequestedModel != "" {
			t.Errorf("%+v", s)
		}
	}
	k.end(t)
}

// The endpoint that keeps it is waited for, and no other is asked.
func TestAnOwnerThatFailsIsAskedAgain(t *testing.T) {
	k := newKeepers(t, t.TempDir(), actortest.Status(500, events.ErrorOverloaded, 0), named("resp_2"))
	if err := k.store.Keep("resp_1", sessions.Owner{Consumer: "app", Registry: "west", Endpoint: "e2"}); err != nil {
		t.Fatal(err)
	}
	if _, err := k.respond(t.Context(), "app", http.MethodPost, "resp_1", keeps("gpt")); err != nil {
		t.Fatal(err)
	}
	if want := []string{"west/e2/gpt", "west/e2/gpt"}; !slices.Equal(k.invoker.Seen, want) {
		t.Errorf("%v, want %v", k.invoker.Seen, want)
	}
	k.end(t)
}

func TestWhoseResponseItIs(t *testing.T) {
	mine := sessions.Owner{Consumer: "app", Registry: "east", Endpoint: "e1"}
	for name, c := range map[string]struct {
		owner    sessions.Owner
		consumer string
		method   string
		param    string // of the refusal; empty: it is served
	}{
		"mine":                    {mine, "app", http.MethodGet, ""},
		"another's":               {mine, "other", http.MethodGet, "response_id"},
		"another's, built upon":   {mine, "other", http.MethodPost, "previous_response_id"},
		"of a registry that left": {sessions.Owner{Consumer: "app", Registry: "gone", Endpoint: "e1"}, "app", http.MethodPost, "previous_response_id"},
		"of an endpoint that did": {sessions.Owner{Consumer: "app", Registry: "east", Endpoint: "e9"}, "app", http.MethodDelete, "response_id"},
		"nobody knows whose":      {sessions.Owner{}, "app", http.MethodGet, ""},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeepers(t, t.TempDir(), named("resp_2"))
			if err := k.store.Keep("resp_1", c.owner); err != nil {
				t.Fatal(err)
			}
			_, err := k.respond(t.Context(), c.consumer, c.method, "resp_1", keeps("gpt"))
			var e *adapters.Error
			switch {
			case c.param == "" && err != nil:
				t.Error(err)
			case c.param == "" && strings.HasPrefix(k.where(), "chat/"):
				t.Errorf("it went to %s, which keeps no answers", k.where())
			case c.param != "" && (!errors.As(err, &e) || e.Code != adapters.CodeInvalidRequest || e.HTTPStatus() != 404 || e.Param != c.param):
				t.Errorf("%v", err)
			case c.param != "" && len(k.invoker.Seen) > 0:
				t.Errorf("it was asked for: %v", k.invoker.Seen)
			}
			k.end(t)
		})
	}
}

// What is not to be kept, or was translated, or is only asked for, is not remembered; a stream is as soon as it has a name, also where
// its client leaves.
func TestWhatIsRemembered(t *testing.T) {
	stream := func(ctx context.Context, target *adapters.Target) (*adapters.ProviderResponse, error) {
		resp, err := actortest.Stream([]string{"a", "b", "c"}, nil)(ctx, target)
		resp.ResponseID = "resp_1"
		return resp, err
	}
	for name, c := range map[string]struct {
		call   actortest.Call
		in     adapters.Inspection
		method string
		want   bool
	}{
		"kept":          {named("resp_1"), keeps("@openai/gpt"), http.MethodPost, true},
		"not to be":     {named("resp_1"), adapters.Inspection{Model: "@openai/gpt"}, http.MethodPost, false},
		"translated":    {named("resp_1"), keeps("@chat/gpt"), http.MethodPost, false},
		"streamed":      {stream, adapters.Inspection{Model: "@openai/gpt", Keeps: true, Stream: true}, http.MethodPost, true},
		"only read":     {named("resp_1"), adapters.Inspection{}, http.MethodGet, false},
		"never made":    {actortest.Status(400, events.ErrorInvalidRequest, 0), keeps("@openai/gpt"), http.MethodPost, false},
		"without an id": {named(""), keeps("@openai/gpt"), http.MethodPost, false},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeepers(t, t.TempDir(), c.call)
			previous := ""
			if c.method == http.MethodGet {
				previous = "resp_1"
			}
			result, err := k.respond(t.Context(), "app", c.method, previous, c.in)
			if err != nil {
				t.Fatal(err)
			}
			if result.Stream != nil {
				for range result.Stream {
					break // the client hangs up
				}
			}
			o, ok := k.store.Owner("resp_1")
			if ok != c.want || c.want && (o.Consumer != "app" || o.Registry+"/"+o.Endpoint != k.where()) {
				t.Errorf("%+v, %v; it was made at %s", o, ok, k.where())
			}
			k.end(t)
		})
	}
}
