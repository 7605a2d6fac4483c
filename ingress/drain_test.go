package ingress_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/ingress"
)

// A request whose body is still coming is under way, and served; one that comes later is not.
func TestQuiet(t *testing.T) {
	s := newServer(t, &forwarder{}, func(o *ingress.Options) { o.Body = 10 * time.Second })
	addr := listen(t, s)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "POST /v1/messages HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", key, len(goodBody))
	answers := bufio.NewReader(conn)
	if _, err := answers.ReadString('\n'); err != nil { // 100: the body is being read
		t.Fatal(err)
	}
	s.BeginDrain()
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Quiet(short); err == nil {
		t.Error("a request is under way")
	}
	if status, _, err := send(t, addr, "/v1/messages", goodBody); err != nil || status != 503 {
		t.Errorf("a new one: %d %v", status, err)
	}
	_, _ = answers.ReadString('\n')
	fmt.Fprint(conn, goodBody)
	if resp, err := http.ReadResponse(answers, nil); err != nil || resp.StatusCode != 200 {
		t.Errorf("%+v, %v", resp, err)
	}
	if err := s.Quiet(t.Context()); err != nil {
		t.Error(err)
	}
}

// What the forwarder never took on is counted as refused, in the client's dialect.
func TestTooLateForTheForwarder(t *testing.T) {
	f := &forwarder{answer: func(context.Context, actors.ForwardInput) (*actors.ForwardResult, error) {
		return nil, &adapters.Error{Code: adapters.CodeShuttingDown, Message: "late", RetryAfter: time.Second}
	}}
	w := serve(newServer(t, f, nil), post("/v1/messages", goodBody))
	if w.Code != 503 || w.Header().Get("X-Tollhouse-Error") != "shutting_down" || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

// The client's own deadline stands over its body, too, and counts from the request's arrival.
func TestADeadlineOverTheBody(t *testing.T) {
	left := make(chan time.Duration, 1)
	f := &forwarder{answer: func(ctx context.Context, _ actors.ForwardInput) (*actors.ForwardResult, error) {
		until, _ := ctx.Deadline()
		left <- time.Until(until)
		return &actors.ForwardResult{StatusCode: 200, Headers: http.Header{}, Body: []byte("{}"), Release: func() {}}, nil
	}}
	addr := listen(t, newServer(t, f, func(o *ingress.Options) { o.Body = 10 * time.Second }))
	for _, c := range []struct {
		timeout string
		pause   time.Duration
		status  int
	}{{"100ms", time.Second, 408}, {"5s", 100 * time.Millisecond, 200}} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		fmt.Fprintf(conn, "POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nX-Tollhouse-Timeout: %s\r\nContent-Length: %d\r\n\r\n{",
			key, c.timeout, len(goodBody))
		late := time.AfterFunc(c.pause, func() { fmt.Fprint(conn, goodBody[1:]) })
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || resp.StatusCode != c.status {
			t.Errorf("%s: %+v, %v", c.timeout, resp, err)
		}
		late.Stop()
		_ = conn.Close()
	}
	if d := <-left; d > 4900*time.Millisecond || d < 3*time.Second {
		t.Errorf("%s are left", d)
	}
}

// Settings change under a running server.
func TestConfigure(t *testing.T) {
	s := newServer(t, &forwarder{}, nil)
	if w := serve(s, post("/v1/messages", goodBody, "X-Tollhouse-Labels", "a=b")); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	s.Configure(ingress.Settings{MaxLabels: 1})
	if w := serve(s, post("/v1/messages", goodBody, "X-Tollhouse-Labels", "a=b")); w.Code != 400 {
		t.Errorf("one label too many: %d %s", w.Code, w.Body)
	}
	s.Configure(ingress.Settings{MaxBody: 10})
	if w := serve(s, post("/v1/messages", goodBody)); w.Code != 413 {
		t.Errorf("a large body: %d %s", w.Code, w.Body)
	}
}
