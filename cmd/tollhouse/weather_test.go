package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/adapters/adaptertest/upstream"
)

// Three upstreams under weather, and a steady load. What one of them cannot serve the others do, and soon nobody waits for it.

// spell is what befalls one upstream.
type spell struct {
	name   string
	begin  func(u *upstream.Server)
	end    func(t *testing.T, u *upstream.Server)
	mayCut bool // streams that have begun break: nobody can try those elsewhere
	// It is no illness: a policy goes by it and no breaker opens, and what was so slow is asked again when that is forgotten, half a minute later.
	justSlow bool
}

func scripted(name, script string) spell {
	return spell{
		name:  name,
		begin: func(u *upstream.Server) { u.Weather(script) },
		end:   func(_ *testing.T, u *upstream.Server) { u.Weather(fair) },
	}
}

// fair is how an upstream answers in fair weather.
const fair = "delay=20ms chunks=6 pace=5ms"

var killed = spell{
	name:   "killed",
	begin:  func(u *upstream.Server) { u.Kill() },
	mayCut: true,
	end: func(t *testing.T, u *upstream.Server) {
		if err := u.Revive(); err != nil {
			t.Fatal(err)
		}
	},
}

// Weather of the endpoints of one registry, and of the registries of a pool.
var (
	ofEndpoints = []spell{
		killed, scripted("hung", "hang=1"), scripted("failing", "status=500"), scripted("overloaded in a 200", "overload=1"),
		scripted("limited", "status=429 retry_after=1"),
	}
	ofRegistries = []spell{killed, scripted("hung", "hang=1"), slowed}
	slowed       = spell{
		name: "ten times as slow", begin: func(u *upstream.Server) { u.Weather("delay=200ms chunks=6 pace=50ms") },
		end: func(_ *testing.T, u *upstream.Server) { u.Weather(fair) }, justSlow: true,
	}
)

const weatherTimeouts = "timeouts: {connect: 500ms, first_byte: 500ms, idle: 2s, total: 1500ms}"

func TestWeather(t *testing.T) {
	t.Run("endpoints", func(t *testing.T) {
		weathers(t, ofEndpoints, func(urls []string) (registries, members string) {
			registries = "  - name: three\n    provider: openai\n    balance: round_robin\n    " + weatherTimeouts + "\n    endpoints:\n"
			for i, u := range urls {
				registries += fmt.Sprintf("      - {name: e%d, base_url: %q, api_key: %s}\n", i, u+"/v1", upstreamKey)
			}
			return registries, "{registry: three}"
		})
	})
	t.Run("registries", func(t *testing.T) {
		weathers(t, ofRegistries, func(urls []string) (registries, members string) {
			var all []string
			for i, u := range urls {
				registries += fmt.Sprintf("  - {name: r%d, provider: openai, %s, endpoints: [{name: e%d, base_url: %q, api_key: %s}]}\n",
					i, weatherTimeouts, i, u+"/v1", upstreamKey)
				all = append(all, fmt.Sprintf("{registry: r%d}", i))
			}
			return registries, strings.Join(all, ", ")
		})
	})
}

// weathers runs one gateway under load while each spell befalls one of three upstreams.
func weathers(t *testing.T, spells []spell, config func(urls []string) (registries, members string)) {
	s := newStack(t, "")
	up := []*upstream.Server{s.upstream, upstream.Start(t), upstream.Start(t)}
	s.others = up[1:]
	s.died = slices.ContainsFunc(spells, func(sp spell) bool { return sp.mayCut })
	var urls []string
	for i, u := range up {
		u.NumberFrom(int64(i) * 1_000_000)
		u.Weather(fair)
		urls = append(urls, u.URL())
	}
	s.startAll("")
	gateway := s.parts["gateway"]
	registries, members := config(urls)
	s.write(fmt.Sprintf(`%s
registries:
%spools:
  main: {balance: latency, members: [%s]}
consumers:
  - {name: tester, keys: [%q], pool: main, retry: {max_attempts: 6, budget: 20s}}
`, head(s.read("tollhouse.yaml")), registries, members, testKey))
	gateway.reloads(t, resultOK, 1)

	lasts, pause := 3*time.Second, 500*time.Millisecond
	if d, err := time.ParseDuration(os.Getenv("TOLLHOUSE_WEATHER")); err == nil {
		lasts, pause = d, d/3
	}
	// A few requests go straight to an upstream that has no weather: where those wait, it is this machine that is slow.
	calm := upstream.Start(t)
	calm.Weather(fair)
	straight := startLoad(t, calm.URL(), upstreamKey, 20)
	l := startLoad(t, gateway.address("gateway"), testKey, 100)
	time.Sleep(2 * time.Second)
	usual := l.quantile(0.95, l.began, time.Now())
	var cutFrom, cutUntil time.Time
	for i, sp := range spells {
		u := up[i%len(up)]
		begin := time.Now()
		sp.begin(u)
		until := begin.Add(lasts)
		opened := begin.Add(lasts / 2)
		if !sp.justSlow {
			opened = gateway.opens(t, until)
		}
		time.Sleep(time.Until(until))
		sp.end(t, u)
		if opened.IsZero() {
			t.Errorf("%s: nothing keeps requests away from it", sp.name)
			continue
		}
		// A probe now and then still waits for it.
		got, machine := l.quantile(0.95, opened.Add(time.Second), until), straight.quantile(0.95, opened.Add(time.Second), until)
		if got > max(usual, machine)+100*time.Millisecond {
			t.Errorf("%s: a second after %v most wait up to %v for the first token, %v before, %v beside the gateway",
				sp.name, opened.Sub(begin), got, usual, machine)
		} else {
			t.Logf("%s: kept away from after %v, then %v to the first token, %v before", sp.name, opened.Sub(begin).Round(time.Millisecond), got, usual)
		}
		if sp.mayCut {
			cutFrom, cutUntil = begin.Add(-time.Second), begin.Add(time.Second)
		}
		time.Sleep(pause)
	}
	time.Sleep(3 * time.Second) // the last circuit closes
	healed := time.Now()
	before := served(up)
	time.Sleep(3 * time.Second)
	after := served(up)
	results := l.stop()
	for _, r := range straight.stop() {
		if r.err != nil {
			t.Errorf("straight to an upstream: %v", r.err)
		}
	}
	for i := range up {
		slow := slices.ContainsFunc(spells, func(sp spell) bool { return sp.justSlow }) && i == (len(spells)-1)%len(up)
		if n := after[i] - before[i]; n < 10 && !slow {
			t.Errorf("upstream %d serves %d requests of about %d after it has healed", i, n, int(100*time.Since(healed).Seconds()))
		}
	}
	cut := 0
	for _, r := range results {
		switch {
		case r.err == nil:
		case r.cut && r.at.After(cutFrom) && r.at.Before(cutUntil):
			cut++
		default:
			t.Errorf("a request of %v fails, which another upstream could have served: %v", r.at.Sub(l.began), r.err)
		}
	}
	t.Logf("%d requests, %d of which broke off behind their first token when an upstream was killed", len(results), cut)
	eventually(t, 30*time.Second, s.compare)
	s.stop("gateway")
	s.audit(t)
}

// head is a configuration's beginning, up to the registries, and what stands behind the consumers.
func head(config string) string {
	before, rest, _ := strings.Cut(config, "registries:")
	if i := strings.Index(rest, "\nkafka:"); i >= 0 {
		before += rest[i:]
	}
	return before
}

// opens waits until the gateway says that it keeps away from an endpoint, for all models or one; zero: it never does.
func (p *proc) opens(t *testing.T, until time.Time) time.Time {
	t.Helper()
	for ; time.Now().Before(until); time.Sleep(25 * time.Millisecond) {
		for line := range strings.Lines(p.get(t, "/metrics")) {
			gone := strings.HasPrefix(line, "tollhouse_endpoint_available{") && strings.HasSuffix(line, " 0\n")
			refused := strings.HasPrefix(line, "tollhouse_endpoint_refused_models{") && !strings.HasSuffix(line, " 0\n")
			if gone || refused {
				return time.Now()
			}
		}
	}
	return time.Time{}
}

// served is how many requests each upstream has answered well.
func served(up []*upstream.Server) (n [3]int) {
	for i, u := range up {
		for _, e := range u.Books() {
			if e.Completed && e.Status == http.StatusOK {
				n[i]++
			}
		}
	}
	return n
}

// steady is a load whose requests come whether those before have ended or not.
type steady struct {
	began time.Time
	end   chan struct{}
	ended sync.WaitGroup

	mu      sync.Mutex
	results []loadResult
}

type loadResult struct {
	at    time.Time
	first time.Duration // to the first token; of a whole answer to its end
	cut   bool          // it broke off behind that
	err   error
}

// startLoad sends so many requests a second, every other one a stream.
func startLoad(t *testing.T, base, key string, rate int) *steady {
	l := &steady{began: time.Now(), end: make(chan struct{})}
	l.ended.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-l.end:
				return
			case <-tick.C:
			}
			l.ended.Go(func() { l.one(base, key, fmt.Sprintf("%s-%d", strings.ReplaceAll(t.Name(), "/", "-"), n), n%2 == 0) })
		}
	})
	t.Cleanup(func() { l.stop() })
	return l
}

// stop ends the load, and returns what came of all requests.
func (l *steady) stop() []loadResult {
	select {
	case <-l.end:
	default:
		close(l.end)
	}
	l.ended.Wait()
	return l.results
}

func (l *steady) one(base, key, mark string, stream bool) {
	r := loadResult{at: time.Now()}
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.results = append(l.results, r)
	}()
	body := fmt.Sprintf(`{"model":"gpt-4o","stream":%v,"messages":[{"role":"user","content":"mark:%s"}]}`, stream, mark)
	req, err := http.NewRequest(http.MethodPost, base+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		r.err = err
		return
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("X-Tollhouse-Labels", "mark="+mark)
	resp, err := client.Do(req)
	if err != nil {
		r.err = err
		return
	}
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	if _, err := in.Peek(1); err == nil && stream {
		r.first = time.Since(r.at)
	}
	raw, err := io.ReadAll(in)
	if r.first == 0 {
		r.first = time.Since(r.at)
	}
	switch {
	case err != nil:
		r.err = err
	case resp.StatusCode != http.StatusOK:
		r.err = fmt.Errorf("%s: %s", resp.Status, raw)
	case stream && !strings.Contains(string(raw), "data: [DONE]"):
		r.err, r.cut = errors.New("the stream broke off: "+string(raw[max(0, len(raw)-200):])), true
	}
}

// quantile is of the time to the first token, of the requests that came between the two.
func (l *steady) quantile(q float64, from, to time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []time.Duration
	for _, r := range l.results {
		if r.at.After(from) && r.at.Before(to) {
			all = append(all, r.first)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[int(float64(len(all))*q)]
}
