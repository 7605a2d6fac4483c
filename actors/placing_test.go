package actors_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/actors/actortest"
	"github.com/tollhouse/tollhouse/actors/balance"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/dialects/openaichat"
	"github.com/tollhouse/tollhouse/adapters/providers/compatible"
	"github.com/tollhouse/tollhouse/analytics/prices"
	"github.com/tollhouse/tollhouse/events"
)

// field is upstreams that take time and have caches, in simulated time.
type field struct {
	first map[string]time.Duration // of each registry/endpoint: until the first byte
	lasts time.Duration            // a stream, from there on
	fails map[string]int           // with which status

	mu    sync.Mutex
	asked []string        // registry/endpoint
	cache map[string]bool // registry/endpoint/body's first half
}

func (v *field) ask(ctx context.Context, t *adapters.Target, req *adapters.RequestContext) (*adapters.ProviderResponse, error) {
	if err := t.Ticket.Redeem(); err != nil {
		return nil, err
	}
	at := t.Registry.Name + "/" + t.Endpoint.Name
	prefix := at + string(req.Body[:len(req.Body)/2])
	input := uint64(len(req.Body) / 4)
	usage := &events.Usage{InputTokens: input, OutputTokens: 20}
	v.mu.Lock()
	v.asked = append(v.asked, at)
	if v.cache[prefix] {
		usage.CacheReadTokens = input / 2
	}
	v.cache[prefix] = true
	v.mu.Unlock()
	select {
	case <-time.After(v.first[at]):
	case <-ctx.Done():
		return &adapters.ProviderResponse{Evidence: events.EvidenceNone}, context.Cause(ctx)
	}
	resp := &adapters.ProviderResponse{
		StatusCode: http.StatusOK, SentModel: t.SentModel, Usage: usage, Evidence: events.EvidenceReported, FirstByteAt: time.Now(), Body: []byte("{}"),
	}
	if status := v.fails[at]; status != 0 {
		resp.StatusCode, resp.Outcome, resp.ErrorClass, resp.Usage = status, adapters.OutcomeRetryable, events.ErrorRateLimited, nil
		resp.Evidence = events.EvidenceNone
		return resp, nil
	}
	resp.Outcome = adapters.OutcomeSuccess
	return resp, nil
}

func (v *field) Invoke(ctx context.Context, t *adapters.Target, req *adapters.RequestContext) (*adapters.ProviderResponse, error) {
	return v.ask(ctx, t, req)
}

func (v *field) InvokeStream(ctx context.Context, t *adapters.Target, req *adapters.RequestContext) (*adapters.ProviderResponse, error) {
	resp, err := v.ask(ctx, t, req)
	if err != nil || resp.Outcome != adapters.OutcomeSuccess {
		return resp, err
	}
	resp.Body = nil
	resp.Stream = iter.Seq2[[]byte, error](func(yield func([]byte, error) bool) {
		if !yield([]byte("first"), nil) {
			return
		}
		time.Sleep(v.lasts)
		resp.OnFinal()
		yield([]byte("last"), nil)
	})
	return resp, nil
}

// at returns where the requests since the last call went.
func (v *field) at() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	asked := v.asked
	v.asked = nil
	return asked
}

// placed is a gateway over a pool of registries with two endpoints each.
type placed struct {
	t        *testing.T
	field    *field
	recorder *actortest.Recorder
	consumer *routing.Consumer
	f        *actors.Forwarder
	n        atomic.Int64 // requests
}

const listed = `
prices:
  - {provider: groq, model: "*", valid_from: 2000-01-01, per_million: {input: "1", cache_read: "0.1", output: "2"}}
  - {provider: deepseek, model: "*", valid_from: 2000-01-01, per_million: {input: "0.6", output: "9"}}
`

func newPlaced(t *testing.T, poolPolicy, policy string, registries ...string) *placed {
	catalogue, err := prices.Parse([]byte(listed))
	if err != nil {
		t.Fatal(err)
	}
	p := &placed{t: t, recorder: actortest.NewRecorder(), field: &field{
		first: map[string]time.Duration{}, fails: map[string]int{}, cache: map[string]bool{},
	}}
	snapshot := &routing.Snapshot{Registries: map[string]*adapters.Registry{}, Prices: balance.NewPrices(catalogue)}
	pool := &routing.Pool{Name: "main", Balance: poolPolicy}
	for i, spec := range registries {
		name, models, _ := strings.Cut(spec, ":")
		r := registry(name, 2)
		r.Provider, r.Balance, r.Models = vendor(t, []string{"groq", "deepseek", "openai"}[i]), policy, strings.Fields(models)
		snapshot.Registries[name] = r
		pool.Members = append(pool.Members, routing.Member{Registry: r, Weight: 1})
	}
	snapshot.Pools = map[string]*routing.Pool{"main": pool}
	p.consumer = &routing.Consumer{Name: "app", Pool: pool, Retry: routing.RetryPolicy{MaxAttempts: 1, Budget: time.Minute}}
	if p.f, err = actors.NewForwarder(actors.Options{Snapshot: snapshot, Invoker: p.field, Recorder: p.recorder}); err != nil {
		t.Fatal(err)
	}
	return p
}

func vendor(t *testing.T, name string) adapters.Provider {
	for _, v := range compatible.Vendors() {
		if v.Name() == name {
			return v
		}
	}
	t.Fatalf("there is no vendor %q", name)
	return nil
}

// ask makes one request and reads its answer to the end.
func (p *placed) ask(model, session, body string, stream bool) {
	req := &adapters.RequestContext{
		ID: fmt.Sprintf("request-%06d", p.n.Add(1)), Dialect: openaichat.Dialect{}, Operation: adapters.OperationChat, Body: []byte(body),
		Inspection: adapters.Inspection{Model: model, Stream: stream}, Header: http.Header{}, ReceivedAt: time.Now(),
	}
	if session != "" {
		req.Header.Set("X-Tollhouse-Session", session)
	}
	res, err := p.f.Forward(context.Background(), actors.ForwardInput{Consumer: p.consumer, Request: req})
	var known *adapters.Error
	if err != nil && !errors.As(err, &known) {
		p.t.Error(err)
	}
	if err == nil && res.Stream != nil {
		for range res.Stream {
			continue
		}
	}
}

func (p *placed) over() {
	if err := p.f.Drain(context.Background()); err != nil {
		p.t.Error(err)
	}
	for _, broken := range p.recorder.Check() {
		p.t.Error(broken)
	}
}

// conversation is a prompt with its turns, the first of which is long enough to be cached.
func conversation(about string, turns int) string {
	body := `{"messages":[{"role":"system","content":"` + strings.Repeat("You help with "+about+". ", 600) + `"},{"role":"user","content":"Hello"}`
	for range turns {
		body += `,{"role":"assistant","content":"Yes?"},{"role":"user","content":"Go on."}`
	}
	return body + `]}`
}

// Streams go on for long. How soon they begin must be known before they end, or the slow endpoint has got half of them.
func TestLatencyIsKnownWhenAStreamBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaced(t, "", balance.Latency, "r")
		p.field.first = map[string]time.Duration{"r/e1": 3 * time.Second, "r/e2": 100 * time.Millisecond}
		p.field.lasts = time.Minute
		var open sync.WaitGroup
		for range 20 {
			open.Go(func() { p.ask("m", "", "{}", true) })
			time.Sleep(4 * time.Second)
		}
		open.Wait()
		slow := 0
		for _, at := range p.field.at() {
			if at == "r/e1" {
				slow++
			}
		}
		if slow == 0 || slow > 3 {
			t.Errorf("%d of 20 streams began at the slow endpoint", slow)
		}
		p.over()
	})
}

// A stream's time says nothing of a whole answer's.
func TestLatencyOfWholeAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaced(t, "", balance.Latency, "r")
		p.field.first = map[string]time.Duration{"r/e1": time.Second, "r/e2": 100 * time.Millisecond}
		for _, stream := range []bool{true, false} {
			p.field.at()
			for range 10 {
				p.ask("m", "", "{}", stream)
			}
			got := p.field.at()
			if !slices.Contains(got[:2], "r/e1") || slices.Contains(got[2:], "r/e1") {
				t.Errorf("streamed %v: %v, want each once, and then the fast one", stream, got)
			}
		}
		p.over()
	})
}

func TestASessionKeepsItsEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, key := range map[string]func(i, turn int) (session, body string){
			"by its header":     func(i, turn int) (string, string) { return fmt.Sprint("s", i), conversation(fmt.Sprint(i, turn), 0) },
			"by its cache key":  func(i, _ int) (string, string) { return "", fmt.Sprintf(`{"prompt_cache_key":"k%d"}`, i) },
			"by its first turn": func(i, turn int) (string, string) { return "", conversation(fmt.Sprint(i), turn) },
		} {
			p := newPlaced(t, balance.Affinity, balance.Affinity, "a", "b", "c")
			homes := map[string]int{}
			for i := range 30 {
				home := ""
				for turn := range 3 {
					session, body := key(i, turn)
					p.ask([]string{"m", "n"}[turn%2], session, body, false)
					at := p.field.at()[0]
					if home == "" {
						home = at
					}
					if at != home {
						t.Errorf("%s: conversation %d goes from %s to %s", name, i, home, at)
					}
				}
				homes[home]++
			}
			if len(homes) < 5 {
				t.Errorf("%s: thirty conversations live at %v", name, homes)
			}
			p.over()
		}
	})
}

// All that is asked has one key, and much of it at once: the load spreads over the endpoints.
func TestAHotSessionIsSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaced(t, "", balance.Affinity, "r")
		p.field.first = map[string]time.Duration{"r/e1": time.Second, "r/e2": time.Second}
		var all sync.WaitGroup
		for range 80 {
			all.Go(func() { p.ask("m", "hot", "{}", false) })
			synctest.Wait()
		}
		all.Wait()
		at := map[string]int{}
		for _, a := range p.field.at() {
			at[a]++
		}
		if most := max(at["r/e1"], at["r/e2"]); most != 50 { // 1.25 of a half of 80
			t.Errorf("%v of 80 at once", at)
		}
		p.over()
	})
}

func TestCostFollowsTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaced(t, "", balance.Cost, "r")
		homes := make([]string, 6)
		for turn := range 4 {
			for i := range homes {
				p.ask("m", "", conversation(fmt.Sprint(i), turn), false)
				at := p.field.at()[0]
				if turn > 0 && at != homes[i] {
					t.Errorf("turn %d of conversation %d is at %s, and its prompt cached at %s", turn, i, at, homes[i])
				}
				homes[i] = at
			}
		}
		if slices.Sort(homes); homes[0] == homes[5] {
			t.Errorf("all conversations began at %s", homes[0])
		}
		p.over()
	})
}

// The cheapest registry goes first: by input for long prompts, by output where models write much. A cache turns it round, where the
// registry itself will find the endpoint that has it.
func TestAPoolByCost(t *testing.T) {
	t.Run("its registries go by cost, too", func(t *testing.T) { poolByCost(t, balance.Cost, "groq") })
	t.Run("its registries do not look for caches", func(t *testing.T) { poolByCost(t, balance.Weighted, "deepseek") })
}

func poolByCost(t *testing.T, policy, cached string) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaced(t, balance.Cost, policy, "groq", "deepseek", "unpriced")
		short, long := `{"messages":[{"role":"user","content":"Hello"}]}`, conversation("tolls", 0)
		wants := func(why, body, want string) {
			t.Helper()
			p.ask("m", "", body, false)
			if at := p.field.at()[0]; !strings.HasPrefix(at, want+"/") {
				t.Errorf("%s: it is at %s, want %s", why, at, want)
			}
		}
		// Of models that are expected to write 512 tokens: 2 a million there, 9 a million here.
		wants("a short question", short, "groq")
		// They wrote 20. 4000 tokens of input: 0.0040 there, 0.0024 here.
		wants("a long question", long, "deepseek")
		p.field.fails["deepseek/e1"], p.field.fails["deepseek/e2"] = 429, 429
		p.ask("m", "", conversation("bridges", 0), false)
		p.ask("m", "", conversation("bridges", 0), false)
		p.field.at()
		wants("deepseek is limited", conversation("ferries", 0), "groq")
		time.Sleep(2 * time.Second)
		clear(p.field.fails)
		wants("another question", conversation("tunnels", 0), "deepseek")
		// Half of the prompt is read from groq's cache, as it is guessed at first: 0.0022 there, 0.0024 here.
		wants("what is in a cache is cheaper", conversation("ferries", 1), cached)
		p.over()
	})
}

func TestAPoolInTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaced(t, balance.RoundRobin, "", "a:m n", "b:m n", "c:m")
		count := func(n int, models ...string) map[string]int {
			at := map[string]int{}
			for i := range n {
				p.ask(models[i%len(models)], "", "{}", false)
			}
			for _, a := range p.field.at() {
				at[a[:1]]++
			}
			return at
		}
		if got := count(9, "m"); got["a"] != 3 || got["b"] != 3 || got["c"] != 3 {
			t.Errorf("%v", got)
		}
		if got := count(40, "m", "n"); got["a"] < 10 || got["b"] < 10 || got["c"] < 10 {
			t.Errorf("of two models, one of which c does not serve: %v", got)
		}
		p.field.fails["b/e1"], p.field.fails["b/e2"] = 429, 429
		count(6, "m")
		if got := count(10, "m"); got["a"] != 5 || got["c"] != 5 {
			t.Errorf("b is limited: %v", got)
		}
		p.over()
	})
}

func TestAPoolByLatencyAndByLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaced(t, balance.Latency, balance.Latency, "a", "b")
		p.field.first = map[string]time.Duration{
			"a/e1": time.Second, "a/e2": 2 * time.Second, "b/e1": 300 * time.Millisecond, "b/e2": 600 * time.Millisecond,
		}
		for range 4 { // until each is known
			p.ask("m", "", "{}", true)
		}
		p.field.at()
		for range 5 {
			p.ask("m", "", "{}", true)
		}
		if got := p.field.at(); slices.Contains(got, "a/e1") || slices.Contains(got, "a/e2") {
			t.Errorf("the slower registry is asked: %v", got)
		}
		p.over()

		// Of two that nothing is known of, the second hangs: one request finds out, and the others do not.
		p = newPlaced(t, balance.Latency, balance.Latency, "a", "b")
		p.ask("m", "", "{}", true)
		known := p.field.at()[0][:1]
		for _, e := range []string{"a/e1", "a/e2", "b/e1", "b/e2"} {
			if e[:1] != known {
				p.field.first[e] = time.Minute
			}
		}
		var hanging sync.WaitGroup
		hanging.Go(func() { p.ask("m", "", "{}", true) })
		synctest.Wait()
		for range 5 {
			p.ask("m", "", "{}", true)
		}
		for i, at := range p.field.at() {
			if (at[:1] == known) != (i > 0) {
				t.Errorf("request %d goes to %s, and %s is the one that is known", i, at, known)
			}
		}
		hanging.Wait()
		p.over()

		p = newPlaced(t, balance.LeastBusy, balance.LeastBusy, "a", "b")
		for _, e := range []string{"a/e1", "a/e2", "b/e1", "b/e2"} {
			p.field.first[e] = time.Minute
		}
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() { p.ask("m", "", "{}", false) })
			synctest.Wait()
		}
		at := map[string]int{}
		for _, a := range p.field.at() {
			at[a]++
		}
		if !maps.Equal(at, map[string]int{"a/e1": 10, "a/e2": 10, "b/e1": 10, "b/e2": 10}) {
			t.Errorf("40 at once: %v", at)
		}
		all.Wait()
		p.over()
	})
}

// told is a dialect that notes whether somebody asked where its prompts stand.
type told struct {
	openaichat.Dialect
	asked *int
}

func (d told) Prompt() *adapters.Prompt {
	*d.asked++
	return d.Dialect.Prompt()
}

func TestAPromptIsReadOnlyForThoseWhoGoByIt(t *testing.T) {
	for _, policy := range balance.Names {
		for place, p := range map[string]*placed{"a registry": newPlaced(t, "", policy, "r"), "a pool": newPlaced(t, policy, "", "r", "s")} {
			asked := 0
			_, err := p.f.Forward(context.Background(), actors.ForwardInput{Consumer: p.consumer, Request: &adapters.RequestContext{
				ID: "request", Dialect: told{asked: &asked}, Operation: adapters.OperationChat, Body: []byte(conversation("x", 0)),
				Inspection: adapters.Inspection{Model: "m"},
			}})
			if err != nil {
				t.Fatal(err)
			}
			want := 0
			if balance.ByPrefix(policy) {
				want = 1
			}
			if asked != want {
				t.Errorf("%s by %s: the prompt is read %d times, want %d", place, policy, asked, want)
			}
			p.over()
		}
	}
}
