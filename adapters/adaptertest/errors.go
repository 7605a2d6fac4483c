package adaptertest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// fails makes the upstream answer with an error.
func (s *suite) fails(status int, body string) {
	s.upstream = func(w http.ResponseWriter, _ *http.Request) {
		s.header(w, jsonType)
		w.Header().Set("Retry-After", "7")
		w.Header().Set("X-Ratelimit-Remaining-Tokens", "0")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// errors: what each status means, with the provider's own words and headers, in the client's own dialect.
func (s *suite) errors(t *testing.T) {
	for status, want := range map[int]struct {
		outcome adapters.Outcome
		class   events.ErrorClass
	}{
		400: {adapters.OutcomeTerminal, events.ErrorInvalidRequest},
		401: {adapters.OutcomeRetryable, events.ErrorCredential},
		403: {adapters.OutcomeRetryable, events.ErrorCredential},
		404: {adapters.OutcomeTerminal, events.ErrorNotFound},
		429: {adapters.OutcomeRetryable, events.ErrorRateLimited},
		500: {adapters.OutcomeRetryable, events.ErrorOverloaded},
		529: {adapters.OutcomeRetryable, events.ErrorOverloaded},
	} {
		s.fails(status, s.fixture["error"])
		for _, stream := range []bool{false, s.f.Stream} {
			for _, client := range append([]adapters.Codec{s.f.Dialect}, s.f.Clients...) {
				g := s.send(t.Context(), t, s.ask(t, client, "", stream))
				if g.err != nil || g.StatusCode != status || g.Outcome != want.outcome || g.ErrorClass != want.class || g.RetryAfter != 7*time.Second {
					t.Errorf("%d: %v %s, retry after %v: %v", status, g.Outcome, g.ErrorClass, g.RetryAfter, g.err)
				}
				if g.Headers.Get("Retry-After") != "7" || g.Headers.Get("X-Ratelimit-Remaining-Tokens") != "0" {
					t.Errorf("%d: the client got the header %v", status, g.Headers)
				}
				if s.f.RequestID != "" && g.UpstreamRequestID != "up-1" {
					t.Errorf("%d: the provider's request id is %q", status, g.UpstreamRequestID)
				}
				native := client == s.f.Dialect
				if native && g.body != s.fixture["error"] || !strings.Contains(g.body, "what is wrong") || !json.Valid([]byte(g.body)) {
					t.Errorf("%d: a client of %s got %q", status, client.Name(), g.body)
				}
			}
		}
	}
}

// quoted: a provider that repeats the credential in its error does not tell the client (send looks for it).
func (s *suite) quoted(t *testing.T) {
	s.fails(http.StatusUnauthorized, strings.Replace(s.fixture["error"], "what is wrong", "what is wrong with "+secret, 1))
	for _, client := range append([]adapters.Codec{s.f.Dialect}, s.f.Clients...) {
		g := s.send(t.Context(), t, s.ask(t, client, "", false))
		if g.err != nil || !strings.Contains(g.body, "what is wrong with") {
			t.Errorf("%q, %v", g.body, g.err)
		}
	}
}

// nobody: a connection that cannot be made is a failure of the transport, worth trying elsewhere.
func (s *suite) nobody(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	resp, err := s.invoker.Invoke(t.Context(), s.target("http://"+ln.Addr().String()), s.ask(t, s.f.Dialect, "", false))
	if err == nil || resp.Outcome != adapters.OutcomeRetryable || resp.ErrorClass != events.ErrorTransport || strings.Contains(err.Error(), secret) {
		t.Errorf("%v %s, %v", resp.Outcome, resp.ErrorClass, err)
	}
}

// overload: said where an answer should be, it is as good as a status.
func (s *suite) overload(t *testing.T) {
	if body := s.fixture["overload"]; body != "" {
		s.answer(body)
		g := s.call(t.Context(), t, false)
		if g.Outcome != adapters.OutcomeRetryable || g.ErrorClass != events.ErrorOverloaded {
			t.Errorf("whole: %v %s, %v", g.Outcome, g.ErrorClass, g.err)
		}
	}
	if !s.f.Stream {
		return
	}
	stream := ReadStream(s.fixture["overload event"])
	s.streams(stream.Type, stream.Events, false)
	for _, client := range append([]adapters.Codec{s.f.Dialect}, s.f.Clients...) {
		g := s.send(t.Context(), t, s.ask(t, client, "", true))
		if g.Outcome != adapters.OutcomeRetryable || g.ErrorClass != events.ErrorOverloaded || g.err == nil || g.body != "" {
			t.Errorf("first event: %v %s, %v; the client got %q", g.Outcome, g.ErrorClass, g.err, g.body)
		}
	}
}

// hangs makes the upstream say its first content, where a stream was asked for, and then nothing until its client is gone.
func (s *suite) hangs(stream bool) (asked, gone chan struct{}) {
	asked, gone = make(chan struct{}), make(chan struct{})
	s.upstream = func(w http.ResponseWriter, r *http.Request) {
		if stream {
			content := ReadStream(s.fixture["first content"])
			s.header(w, content.Type)
			_, _ = io.WriteString(w, content.String())
			_ = http.NewResponseController(w).Flush()
		}
		close(asked)
		<-r.Context().Done()
		close(gone)
	}
	return asked, gone
}

func within(t *testing.T, what string, gone <-chan struct{}) {
	t.Helper()
	select {
	case <-gone:
	case <-time.After(time.Second):
		t.Errorf("%s: the upstream still runs", what)
	}
}

// cancel: the upstream sees the client go within a second, and it is held against nobody.
func (s *suite) cancel(t *testing.T) {
	for _, stream := range []bool{false, s.f.Stream} {
		asked, gone := s.hangs(stream)
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { <-asked; cancel(adapters.ErrClientGone) }()
		g := s.call(ctx, t, stream)
		if !errors.Is(g.err, adapters.ErrClientGone) || g.Outcome != 0 {
			t.Errorf("stream %v: %v, %v", stream, g.Outcome, g.err)
		}
		within(t, "cancelled", gone)
	}
}

// brokenOff: so does whoever leaves the iteration, or never begins it.
func (s *suite) brokenOff(t *testing.T) {
	for _, client := range append([]adapters.Codec{s.f.Dialect}, s.f.Clients...) {
		_, gone := s.hangs(true)
		resp, err := s.invoker.InvokeStream(t.Context(), s.target(s.srv.URL), s.ask(t, client, "", true))
		if err != nil {
			t.Fatal(err)
		}
		for range resp.Stream {
			break
		}
		within(t, "broken off", gone)
		if resp.Outcome == adapters.OutcomeSuccess || resp.Evidence == events.EvidenceReported || resp.Usage == nil {
			t.Errorf("%v, usage %+v (%s)", resp.Outcome, resp.Usage, resp.Evidence)
		}

		_, gone = s.hangs(true)
		ctx, cancel := context.WithCancelCause(t.Context())
		if _, err := s.invoker.InvokeStream(ctx, s.target(s.srv.URL), s.ask(t, client, "", true)); err != nil {
			t.Fatal(err)
		}
		cancel(adapters.ErrClientGone)
		within(t, "never read", gone)
	}
}
