package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/analytics/query"
)

// What each call must come to, and that the books agree about it with the upstream.
func TestTheBooksAgree(t *testing.T) {
	s := newStack(t, "")
	s.startAll("")
	base := s.parts["gateway"].address("gateway")
	cases := []struct {
		call
		status   int
		contains string
		attempts int // rows; 0: one
	}{
		{call{mark: "plain"}, 200, `"answer to plain"`, 0},
		{call{mark: "plain-a", anthropic: true}, 200, `"answer to plain-a"`, 0},
		{call{mark: "stream", stream: true}, 200, "data: [DONE]", 0},
		{call{mark: "stream-a", anthropic: true, stream: true, script: "ping=1"}, 200, "message_stop", 0},
		{call{mark: "no-usage", script: "nousage=1"}, 200, "answer", 0},
		{call{mark: "retried", script: "status=500 first=1"}, 200, "answer", 2},
		{call{mark: "limited", script: "status=429 retry_after=1 first=2"}, 200, "answer", 3},
		{call{mark: "overloaded", script: "overload=1 first=1"}, 200, "answer", 2},
		{call{mark: "overloaded-s", stream: true, script: "overload=1 first=1"}, 200, "[DONE]", 2},
		{call{mark: "overloaded-as", anthropic: true, stream: true, script: "overload=1"}, 503, "overloaded_error", 4},
		{call{mark: "garbage", script: "garbage=1 first=1"}, 200, "answer", 2},
		{call{mark: "empty-s", stream: true, script: "empty=1 first=1"}, 200, "[DONE]", 2},
		{call{mark: "bad", script: "status=400"}, 400, "scripted 400", 0},
		{call{mark: "cut", stream: true, script: "chunks=9 cut=4"}, 200, `"code":"upstream_error"`, 0},
		{call{mark: "cut-mid-a", anthropic: true, stream: true, script: "cut=mid"}, 200, "event: error", 0},
		{call{mark: "translated", model: "claude-sonnet-4-5"}, 200, `"object":"chat.completion"`, 0},
		{call{mark: "translated-s", model: "claude-sonnet-4-5", stream: true, script: "ping=1"}, 200, "data: [DONE]", 0},
		{call{mark: "translated-a", anthropic: true, model: "gpt-4o"}, 200, `"stop_reason":"end_turn"`, 0},
		{call{mark: "translated-as", anthropic: true, model: "gpt-4o", stream: true}, 200, "event: message_stop", 0},
		{call{mark: "translated-retried", anthropic: true, model: "gpt-4o", stream: true, script: "overload=1 first=1"}, 200, "event: message_stop", 2},
		{call{mark: "translated-bad", anthropic: true, model: "gpt-4o", script: "status=400"}, 400, `{"type":"error","error":{"type":"invalid_request_error"`, 0},
		{call{mark: "translated-cut", anthropic: true, model: "gpt-4o", stream: true, script: "chunks=9 cut=4"}, 200, "event: error", 0},
		{call{mark: "unknown", model: "gpt-unknown-to-all", script: ""}, 200, "answer", 0},
		{call{mark: "nowhere", model: "mistral-large"}, 404, "model_not_found", -1},
	}
	for _, c := range cases {
		t.Run(c.mark, func(t *testing.T) {
			status, body, _, err := c.send(base)
			if err != nil || status != c.status || !strings.Contains(body, c.contains) {
				t.Errorf("%d %v\n%s\nwant %d with %s", status, err, body, c.status, c.contains)
			}
		})
	}
	if status, body, _, _ := (call{mark: "gone", stream: true, script: "chunks=500 pace=5ms", hangUp: 400}).send(base); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	eventually(t, 20*time.Second, s.compare)
	eventually(t, 20*time.Second, func() error { return s.rowsOf(len(cases), "requests", "outcome != 'cancelled'") })
	stored, err := s.attempts()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if want := max(c.attempts, 0); c.attempts == 0 && len(stored[c.mark]) != 1 || c.attempts != 0 && len(stored[c.mark]) != want {
			t.Errorf("%s: %d attempts: %+v", c.mark, len(stored[c.mark]), stored[c.mark])
		}
	}
	if a := stored["no-usage"][0]; a.evidence != "estimated" || a.input == 0 || a.output == 0 {
		t.Errorf("no usage was reported: %+v", a)
	}
	eventually(t, 10*time.Second, func() error {
		return s.rowsOf(1, "attempts", "labels['mark'] = 'gone' AND outcome = 'cancelled' AND client_disconnected")
	})
	s.stop("gateway")
	s.audit(t)

	out, errs, code := s.tollhouse("usage", "--by", "model,label:team", "--format", "csv")
	if code != 0 || !strings.Contains(out, "gpt-4o,growth,") || !strings.Contains(out, "claude-sonnet-4-5,growth,") {
		t.Errorf("usage: %d\n%s%s", code, out, errs)
	}
}

// rowsOf compares a count.
func (s *stack) rowsOf(want int, table, where string) error {
	rows, err := s.query("SELECT count() AS n FROM " + table + " WHERE " + where)
	if err != nil {
		return err
	}
	if n := int(rows[0]["n"].(float64)); n != want {
		return fmt.Errorf("%d rows of %s where %s, want %d", n, table, where, want)
	}
	return nil
}

// explains waits until a request's story says all of that.
func (s *stack) explains(id string, wants ...string) {
	s.t.Helper()
	eventually(s.t, 20*time.Second, func() error {
		out, errs, code := s.tollhouse("explain", id)
		for _, want := range wants {
			if code != 0 || !strings.Contains(out, want) {
				return fmt.Errorf("explain %s exits %d, lacks %q:\n%s%s", id, code, want, out, errs)
			}
		}
		return nil
	})
}

// A request's whole story, by its id.
func TestExplain(t *testing.T) {
	s := newStack(t, "")
	s.startAll("")
	_, _, header, err := (call{mark: "story", script: "status=500 first=1"}).send(s.parts["gateway"].address("gateway"))
	if err != nil {
		t.Fatal(err)
	}
	id := header.Get("X-Tollhouse-Request-Id")
	s.explains(id, "attempt 1", "attempt 2", "overloaded", "success, status 200", "reported", "openai/gpt-4o@2024-05-13",
		"considered openai/main chosen", "anthropic model_not_served", "considered second/other chosen")

	// One that nobody can serve has no attempt: who was looked at is its whole story.
	status, _, header, err := (call{mark: "nobody", model: "no-such-model"}).send(s.parts["gateway"].address("gateway"))
	if err != nil || status != 404 {
		t.Fatal(status, err)
	}
	refused := header.Get("X-Tollhouse-Request-Id")
	s.explains(refused, "failed, status 404, model_not_found", "attempt 1 never began", "considered ", "openai model_not_served", "second model_not_served")
	var story query.Story
	out, _, code := s.tollhouse("explain", refused, "--format", "json")
	if err := json.Unmarshal([]byte(out), &story); err != nil || code != 0 || len(story.Attempts) != 0 || len(story.Considered) != 7 {
		t.Errorf("%d %v %s", code, err, out)
	}
	story = query.Story{}
	out, _, _ = s.tollhouse("explain", id, "--format", "json")
	if err := json.Unmarshal([]byte(out), &story); err != nil || len(story.Attempts) != 2 || len(story.Considered) != 0 {
		t.Fatalf("%v %s", err, out)
	}
	want := []query.Candidate{
		{Attempt: 2, Registry: "second", Endpoint: "other", Model: "gpt-4o", Reason: "chosen"},
		{Attempt: 2, Registry: "openai", Endpoint: "main", Model: "gpt-4o", Reason: "tried"},
	}
	if got := story.Attempts[1].Considered; !slices.Equal(got, want) {
		t.Errorf("attempt 2 considered %+v", got)
	}
	rows, err := s.query("SELECT c.registry, c.endpoint, c.reason, count() FROM tollhouse.requests ARRAY JOIN considered AS c GROUP BY ALL") // README
	if err != nil || len(rows) != 10 {
		t.Errorf("%v: %v", err, rows)
	}
	if out, _, code := s.tollhouse("explain", "req_00000000000000000000000000"); code != 1 || !strings.Contains(out, "do not know") {
		t.Errorf("an unknown request: %d %s", code, out)
	}
}

// The newcomer's minute: `up` without a configuration of providers, a request to the demo, usage, audit; and again on the same data.
func TestUp(t *testing.T) {
	s := newStack(t, "")
	config := fmt.Sprintf("gateway: {listen: \"127.0.0.1:0\", admin: \"127.0.0.1:0\"}\ndata_dir: %q\nembedded: {broker: \"127.0.0.1:0\", warehouse: \"127.0.0.1:0\"}\n", s.dir+"/data")
	s.write(config)
	t.Setenv("OPENAI_API_KEY", "")
	t.Setenv("ANTHROPIC_API_KEY", "")
	for life := 1; life <= 2; life++ {
		p := s.start("up", "gateway")
		base := p.address("gateway")
		key := s.read("data/key")
		for _, r := range []struct{ path, body, want string }{
			{"/v1/chat/completions", `{"model":"demo","messages":[]}`, "Hello from Tollhouse"},
			{"/v1/messages", `{"model":"demo","max_tokens":9,"stream":true,"messages":[]}`, "message_stop"},
		} {
			status, body := post(t, base+r.path, key, r.body)
			if status != http.StatusOK || !strings.Contains(body, r.want) {
				t.Fatalf("%s: %d %s", r.path, status, body)
			}
		}
		s.write(config + "limits: {request_body: 64}\n") // read anew, it is still completed by the demo and the key
		p.reloads(t, resultOK, 1)
		if status, body := post(t, base+"/v1/messages", key, strings.Repeat(" ", 65)); status != http.StatusRequestEntityTooLarge {
			t.Errorf("after a reload: %d %s", status, body)
		}
		s.write(config)
		p.reloads(t, resultOK, 2)
		eventually(t, 20*time.Second, func() error {
			out, errs, code := s.tollhouse("usage", "--by", "model", "--format", "csv")
			if code != 0 || !strings.Contains(out, fmt.Sprintf("\ndemo,%d,", 2*life)) {
				return fmt.Errorf("usage exits %d:\n%s%s", code, out, errs)
			}
			return nil
		})
		s.stop("up")
	}
	s.audit(t) // with nothing running: the engine is started for the question
}

// Crashes and outages: requests in flight while the gateway is killed and started again, round after round, and the broker, the
// warehouse and the sink are away for part of it. TOLLHOUSE_CHAOS_ROUNDS makes it long (task chaos).
func TestChaos(t *testing.T) {
	rounds, inFlight := 4, 40
	if n, err := strconv.Atoi(os.Getenv("TOLLHOUSE_CHAOS_ROUNDS")); err == nil {
		rounds, inFlight = n, 200
	}
	s := newStack(t, "")
	s.startAll("")
	r := rand.New(rand.NewPCG(1, uint64(rounds)))
	for round := range rounds {
		var clients sync.WaitGroup
		base := s.parts["gateway"].address("gateway")
		for i := range inFlight {
			c := chaosCall(round, i)
			clients.Go(func() { _, _, _, _ = c.send(base) }) // a client whose gateway dies gets an error, as it must
		}
		time.Sleep(time.Duration(30+r.IntN(250)) * time.Millisecond)
		victim := []string{"", "sink", "warehouse", "broker"}[round%4]
		if victim != "" {
			s.kill(victim)
		}
		s.kill("gateway")
		clients.Wait()
		s.start("gateway", "gateway") // which needs none of the others
		if status, body, _, err := (call{mark: fmt.Sprintf("alone-%d", round)}).send(s.parts["gateway"].address("gateway")); err != nil || status != http.StatusOK {
			t.Errorf("round %d, without %s: %d %s %v", round, victim, status, body, err)
		}
		switch victim {
		case "sink":
			s.start("sink", "")
		case "warehouse", "broker":
			s.restart(victim)
		}
	}
	eventually(t, 90*time.Second, s.compare)
	s.stop("gateway")
	s.audit(t)
	eventually(t, 10*time.Second, func() error {
		rows, err := s.query("SELECT count() AS n FROM attempts WHERE outcome = 'abandoned'")
		if err == nil && rows[0]["n"].(float64) == 0 {
			err = fmt.Errorf("nothing was abandoned: the gateway was never killed in the middle of anything")
		}
		return err
	})
}

// chaosCall is one of every kind: buffered and streamed, slow, failing once, and clients that hang up.
func chaosCall(round, i int) call {
	c := call{mark: fmt.Sprintf("c%d-%d", round, i), stream: i%2 == 0, anthropic: i%3 == 0}
	switch i % 5 {
	case 0:
		c.script = "chunks=40 pace=10ms"
	case 1:
		c.script = "delay=200ms"
	case 2:
		c.script = "status=500 first=1"
	case 3:
		c.stream, c.script, c.hangUp = true, "chunks=40 pace=10ms", 300
	}
	return c
}
