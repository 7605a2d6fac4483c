package main

import (
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// ending is a call that something ends, and what its client must see of that.
type ending struct {
	call
	status int
	has    []string
	hasNot string
}

// endings are one of each kind under way: buffered and streamed, before and after the first content, passed on and translated, and
// between two attempts.
func endings(status int, code string) []ending {
	openai, anthropic := fmt.Sprintf(`"code":%q`, code), `{"type":"error","error":{"type":`
	return []ending{
		{call{mark: "buffered", script: "hang=1"}, status, []string{openai}, ""},
		{call{mark: "buffered-a", anthropic: true, script: "hang=1"}, status, []string{anthropic}, ""},
		{call{mark: "unopened", stream: true, script: "hang=1"}, status, []string{openai}, "data:"},
		{call{mark: "unopened-a", anthropic: true, stream: true, script: "hang=1"}, status, []string{anthropic}, "data:"},
		{call{mark: "streaming", stream: true, script: "chunks=9000 pace=20ms"}, 200, []string{"word 2 ", openai, "}\n\n"}, "[DONE]"},
		{call{mark: "silent", stream: true, script: "hang=stream"}, 200, []string{"word 0 ", openai, "}\n\n"}, "[DONE]"},
		{call{mark: "streaming-a", anthropic: true, stream: true, script: "chunks=9000 pace=20ms"}, 200, []string{"word 2 ", "event: error\ndata: " + anthropic, "}\n\n"}, "message_stop"},
		{call{mark: "translated-a", anthropic: true, model: "gpt-4o", stream: true, script: "chunks=9000 pace=20ms"}, 200, []string{"word 2 ", "event: error\ndata: " + anthropic}, "message_stop"},
		// The last: it cools the endpoints that the others need.
		{call{mark: "waiting", script: "status=503 retry_after=20"}, status, []string{openai}, ""},
	}
}

// begin sends the calls, and returns when all are under way; each checks what becomes of it.
func (s *stack) begin(calls []ending, check func(ending)) *sync.WaitGroup {
	s.t.Helper()
	var clients sync.WaitGroup
	for i, c := range calls {
		if c.mark == "waiting" {
			s.underWay(calls[:i])
		}
		clients.Go(func() { check(c) })
	}
	s.underWay(calls)
	return &clients
}

func (e ending) check(t *testing.T, base, code string) {
	status, body, header, err := e.send(base)
	ok := err == nil && status == e.status && (e.hasNot == "" || !strings.Contains(body, e.hasNot))
	for _, part := range e.has {
		ok = ok && strings.Contains(body, part)
	}
	if status != 200 {
		ok = ok && header.Get("X-Tollhouse-Error") == code
	}
	if !ok {
		t.Errorf("%s: %d %v %v\n…%s\nwant %d with %q", e.mark, status, err, header, body[max(0, len(body)-400):], e.status, e.has)
	}
}

// underWay waits until every call has reached the upstream, and every stream its client.
func (s *stack) underWay(calls []ending) {
	s.t.Helper()
	eventually(s.t, 10*time.Second, func() error {
		chunks := map[string]int{}
		for _, e := range s.upstream.Books() {
			chunks[e.Mark] += 1 + e.Chunks
		}
		for _, c := range calls {
			want := 1
			if c.status == 200 {
				want = 2
			}
			if strings.Contains(c.script, "pace") {
				want = 5
			}
			if chunks[c.mark] < want {
				return fmt.Errorf("%s is not under way: %v", c.mark, chunks)
			}
		}
		return nil
	})
}

// ask reads a path, on a connection of its own.
func ask(url string) (status int, err error) {
	resp, err := (&http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Get(url)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// Asked to stop, a gateway is not ready at once, takes nothing new, lets what can end within the grace period end, and ends the rest as
// its client can understand and its books can hold.
func TestDrain(t *testing.T) {
	s := newStack(t, "")
	s.startAll("")
	p := s.parts["gateway"]
	base := p.address("gateway")
	s.change("grace: 5s", "grace: 2s")
	p.reloads(t, resultOK, 1)

	calls := endings(503, "shutting_down")
	calls = slices.Insert(calls, 0, ending{call{mark: "short", stream: true, script: "chunks=60 pace=30ms"}, 200, []string{"word 59 ", "data: [DONE]"}, "shutting_down"})
	clients := s.begin(calls, func(c ending) { c.check(t, base, "shutting_down") })
	asked := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Second, func() error {
		for _, url := range []string{base + "/readyz", p.address("admin") + "/readyz"} {
			if status, err := ask(url); err != nil || status != 503 {
				return fmt.Errorf("%s: %d %v", url, status, err)
			}
		}
		return nil
	})
	status, body, header, err := (call{mark: "late", anthropic: true}).send(base)
	if err != nil || status != 503 || header.Get("X-Tollhouse-Error") != "shutting_down" || header.Get("Retry-After") == "" || !strings.HasPrefix(body, `{"type":"error"`) {
		t.Errorf("a new request: %d %s %v %v", status, body, header, err)
	}
	if resp, err := client.Post(base+"/v1/chat/completions", "application/json", strings.NewReader("{}")); err != nil || !resp.Close || resp.StatusCode != 503 {
		t.Errorf("its connection is kept: %+v, %v", resp, err)
	} else {
		_ = resp.Body.Close()
	}
	if status, err := ask(base + "/livez"); err != nil || status != 200 {
		t.Errorf("livez: %d %v", status, err)
	}
	clients.Wait()
	delete(s.parts, "gateway")
	if err := <-p.ended; err != nil {
		t.Errorf("it ended with %v\n%s", err, p.log)
	}
	if took := time.Since(asked); took < 2*time.Second || took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	if _, err := ask(base + "/livez"); err == nil {
		t.Error("it still listens")
	}

	// Each attempt under way was settled, with what was seen of it.
	eventually(t, 20*time.Second, s.compare)
	stored, err := s.attempts()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range calls {
		want, evidence := "cancelled", "estimated"
		switch c.mark {
		case "short":
			want, evidence = "success", "reported"
		case "waiting": // its attempts had ended
			want, evidence = "retryable", "none"
		case "streaming-a": // its input was told at the beginning
			evidence = "partial"
		}
		for _, a := range stored[c.mark] {
			if a.outcome != want || a.evidence != evidence || c.status == 200 && (a.input == 0 || a.output == 0 && c.mark != "silent") {
				t.Errorf("%s is settled as %+v, want %s with %s usage", c.mark, a, want, evidence)
			}
		}
		if len(stored[c.mark]) == 0 {
			t.Errorf("%s is not in the books", c.mark)
		}
	}
	eventually(t, 10*time.Second, func() error {
		return s.rowsOf(len(calls)-1, "requests", "outcome = 'cancelled' AND NOT client_disconnected")
	})
	s.audit(t)
}

// A second signal does not wait for anything.
func TestASecondSignalEndsAtOnce(t *testing.T) {
	s := newStack(t, "")
	s.start("broker", "broker")
	s.writeConfig("")
	s.change("grace: 5s", "grace: 1m")
	p := s.start("gateway", "gateway")
	base := p.address("gateway")
	long := ending{call: call{mark: "long", stream: true, script: "chunks=9000 pace=20ms"}, status: 200}
	ended := make(chan error, 1)
	go func() {
		_, _, _, err := long.send(base)
		ended <- err
	}()
	s.underWay([]ending{long})
	for _, when := range []string{"", "draining"} {
		p.says(t, when)
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-p.ended:
		if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != exitWanting {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("it goes on")
	}
	delete(s.parts, "gateway")
	if err := <-ended; err == nil {
		t.Error("the stream ended as if it were whole")
	}
}

// The client's own deadline ends whatever it stands over, and a value that is none is refused by name.
func TestTheClientsDeadline(t *testing.T) {
	s := newStack(t, "")
	s.start("broker", "broker")
	s.writeConfig("")
	base := s.start("gateway", "gateway").address("gateway")
	calls := endings(504, "upstream_timeout")
	for i := range calls {
		calls[i].timeout = "2s"
	}
	s.begin(calls, func(c ending) {
		begin := time.Now()
		c.check(t, base, "upstream_timeout")
		if took := time.Since(begin); took < 2*time.Second || took > 6*time.Second {
			t.Errorf("%s took %s", c.mark, took)
		}
	}).Wait()
	for _, bad := range []string{"soon", "10", "0s", "-1s", "25h", "1s, 2s"} {
		for _, anthropic := range []bool{false, true} {
			status, body, header, err := (call{mark: "bad", anthropic: anthropic, timeout: bad}).send(base)
			if err != nil || status != 400 || header.Get("X-Tollhouse-Error") != "invalid_request" || !strings.Contains(body, "X-Tollhouse-Timeout") {
				t.Errorf("%q: %d %s %v", bad, status, body, err)
			}
		}
	}
	if n := s.upstream.Requests("bad"); n != 0 {
		t.Errorf("%d of them went upstream", n)
	}
	if status, _, _, err := (call{mark: "good", anthropic: true, timeout: "24h"}).send(base); err != nil || status != 200 {
		t.Errorf("24h: %d %v", status, err)
	}
	s.stop("gateway")
}
