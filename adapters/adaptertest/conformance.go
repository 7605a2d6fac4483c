// Package adaptertest is the suite that every provider passes, over the real invoker and a real connection to an upstream that
// answers with its dialect's fixtures.
package adaptertest

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

//go:embed fixtures/*.txtar
var fixtures embed.FS

// Features say what a provider can do: they select what is asked of it, and document it.
type Features struct {
	Dialect adapters.Dialect  // that it speaks
	BaseURL string            // the path of its base URL: /v1
	Options map[string]string // of the registry
	Model   string            // that it takes for one of its own; m-1 where any does

	Stream    bool
	Usage     bool   // it reports usage
	RequestID string // the header in which it names a request; empty: none
}

// suite is one provider under test.
type suite struct {
	t        *testing.T
	p        adapters.Provider
	f        Features
	fixture  map[string]string
	upstream func(w http.ResponseWriter, r *http.Request)
	srv      *httptest.Server
	invoker  *adapters.Invoker
	seen     *http.Request
	body     []byte
}

const secret = "sk-a-credential-that-nobody-may-see"

// Conformance runs the suite.
func Conformance(t *testing.T, p adapters.Provider, f Features) {
	raw, err := fixtures.ReadFile("fixtures/" + f.Dialect.Name() + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	s := &suite{t: t, p: p, f: f, fixture: map[string]string{}, invoker: adapters.NewProviderInvoker(adapters.InvokerOptions{MaxStreamEvent: 64 << 10})}
	for _, file := range txtar.Parse(raw).Files {
		s.fixture[file.Name] = string(file.Data)
	}
	s.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.body, _ = io.ReadAll(r.Body)
		s.seen = r
		s.upstream(w, r)
	}))
	t.Cleanup(func() { s.invoker.Close(); s.srv.Close() })
	t.Run("text", s.text)
	t.Run("no usage", s.noUsage)
	t.Run("errors", s.errors)
	if s.fixture["overload"] != "" { // else the dialect has no such thing
		t.Run("overload in a 200", s.overload)
	}
	t.Run("cancel", s.cancel)
	if f.Stream {
		t.Run("stream", s.stream)
		t.Run("stream, byte by byte", s.bytewise)
		t.Run("truncated stream", s.truncated)
		t.Run("endless event", s.endless)
	}
}

// ticket is good for a call.
type ticket struct{}

func (ticket) Redeem() error { return nil }

func (s *suite) answer(kind, body string) {
	s.upstream = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		if s.f.RequestID != "" {
			w.Header().Set(s.f.RequestID, "up-1")
		}
		_, _ = io.WriteString(w, body)
	}
}

const (
	jsonType = "application/json"
	sseType  = "text/event-stream"
)

// call makes one attempt, and reads a stream to its end.
func (s *suite) call(ctx context.Context, t *testing.T, stream bool) (resp *adapters.ProviderResponse, got string, err error) {
	t.Helper()
	base, _ := url.Parse(s.srv.URL + s.f.BaseURL)
	endpoint := &adapters.Endpoint{Name: "e", BaseURL: base, APIKey: secret, Options: map[string]string{}}
	body := strings.TrimSpace(s.fixture["request"])
	path := strings.TrimSpace(s.fixture["path"])
	if streamed := strings.TrimSpace(s.fixture["stream path"]); stream && streamed != "" {
		path = streamed
	} else if stream {
		body = strings.TrimSuffix(body, "}") + `,"stream":true}`
	}
	in, inspectErr := s.f.Dialect.Inspect(adapters.OperationChat, path, []byte(body))
	if inspectErr != nil {
		t.Fatal(inspectErr)
	}
	in.Stream = stream
	req := &adapters.RequestContext{
		ID: "req_1", Dialect: s.f.Dialect, Operation: adapters.OperationChat, Method: http.MethodPost, Path: path,
		Header: http.Header{"Content-Type": {jsonType}, "Authorization": {"Bearer client-key"}, "Cookie": {"a=b"}},
		Body:   []byte(body), Inspection: in,
	}
	model := s.f.Model
	if model == "" {
		model = "m-1"
	}
	target := &adapters.Target{
		Registry: &adapters.Registry{Name: "r", Provider: s.p, Options: s.f.Options, Endpoints: []*adapters.Endpoint{endpoint}},
		Endpoint: endpoint, SentModel: model, Attempt: 1, Ticket: ticket{},
	}
	invoke := s.invoker.Invoke
	if stream {
		invoke = s.invoker.InvokeStream
	}
	resp, err = invoke(ctx, target, req)
	if resp.Stream != nil {
		for frame, streamErr := range resp.Stream {
			got += string(frame)
			err = streamErr
		}
	} else {
		got = string(resp.Body)
	}
	if string(req.Body) != body {
		t.Error("the request was changed")
	}
	if said := fmt.Sprintf("%v %+v %v", err, resp, target); strings.Contains(said, secret) {
		t.Error("the credential stands in what was said")
	}
	if s.seen != nil && (s.seen.Header.Get("Cookie") != "" || strings.Contains(fmt.Sprint(s.seen.Header, s.seen.URL), "client-key")) {
		t.Errorf("something of the client's went up: %v", s.seen.Header)
	}
	return resp, got, err
}

// facts checks what every good answer must give.
func (s *suite) facts(t *testing.T, resp *adapters.ProviderResponse, err error) {
	t.Helper()
	if err != nil || resp.Outcome != adapters.OutcomeSuccess || resp.FinishReason != events.FinishStop || resp.FirstByteAt.IsZero() {
		t.Fatalf("%+v, %v", resp, err)
	}
	if s.f.Usage && (resp.Evidence != events.EvidenceReported || resp.Usage.InputTokens != 20 || resp.Usage.OutputTokens != 5) {
		t.Errorf("usage %+v (%s)", resp.Usage, resp.Evidence)
	}
	if s.f.RequestID != "" && resp.UpstreamRequestID != "up-1" {
		t.Errorf("the provider's request id is %q", resp.UpstreamRequestID)
	}
}

func (s *suite) text(t *testing.T) {
	s.answer(jsonType, s.fixture["answer"])
	resp, got, err := s.call(t.Context(), t, false)
	s.facts(t, resp, err)
	if got != s.fixture["answer"] {
		t.Errorf("the client got\n%s", got)
	}
	if !strings.Contains(fmt.Sprint(s.seen.Header, s.seen.URL), secret) {
		t.Error("the credential was not sent")
	}
}

func (s *suite) noUsage(t *testing.T) {
	s.answer(jsonType, s.fixture["answer without usage"])
	resp, _, err := s.call(t.Context(), t, false)
	if err != nil || resp.Evidence != events.EvidenceEstimated || resp.Usage == nil || resp.Usage.OutputTokens == 0 || resp.Usage.InputTokens == 0 {
		t.Errorf("%+v (%s), %v", resp.Usage, resp.Evidence, err)
	}
}

// errors: what each status means, with the provider's own words.
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
		s.upstream = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", jsonType)
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, s.fixture["error"])
		}
		for _, stream := range []bool{false, s.f.Stream} {
			resp, got, err := s.call(t.Context(), t, stream)
			if err != nil || resp.StatusCode != status || resp.Outcome != want.outcome || resp.ErrorClass != want.class || resp.RetryAfter != 7*time.Second {
				t.Errorf("%d: %v %s, retry after %v: %v", status, resp.Outcome, resp.ErrorClass, resp.RetryAfter, err)
			}
			if got != s.fixture["error"] || resp.Headers.Get("Retry-After") != "7" {
				t.Errorf("%d: the client got %q, %v", status, got, resp.Headers)
			}
		}
	}
}

func (s *suite) overload(t *testing.T) {
	s.answer(jsonType, s.fixture["overload"])
	resp, _, err := s.call(t.Context(), t, false)
	if resp.Outcome != adapters.OutcomeRetryable || resp.ErrorClass != events.ErrorOverloaded {
		t.Errorf("whole: %v %s, %v", resp.Outcome, resp.ErrorClass, err)
	}
	if s.f.Stream {
		s.answer(sseType, s.fixture["overload event"])
		resp, got, err := s.call(t.Context(), t, true)
		if resp.Outcome != adapters.OutcomeRetryable || resp.ErrorClass != events.ErrorOverloaded || err == nil || got != "" {
			t.Errorf("first event: %v %s, %v; the client got %q", resp.Outcome, resp.ErrorClass, err, got)
		}
	}
}

// cancel: the upstream sees the client go within a second, and it is held against nobody.
func (s *suite) cancel(t *testing.T) {
	for _, stream := range []bool{false, s.f.Stream} {
		gone, asked := make(chan struct{}), make(chan struct{})
		s.upstream = func(w http.ResponseWriter, r *http.Request) {
			if stream {
				w.Header().Set("Content-Type", sseType)
				_, _ = io.WriteString(w, s.fixture["first content"])
				_ = http.NewResponseController(w).Flush()
			}
			close(asked)
			<-r.Context().Done()
			close(gone)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { <-asked; cancel(adapters.ErrClientGone) }()
		resp, _, err := s.call(ctx, t, stream)
		if !errors.Is(err, adapters.ErrClientGone) || resp.Outcome != 0 {
			t.Errorf("stream %v: %v, %v", stream, resp.Outcome, err)
		}
		select {
		case <-gone:
		case <-time.After(time.Second):
			t.Errorf("stream %v: the upstream still runs", stream)
		}
	}
}

func (s *suite) stream(t *testing.T) {
	s.answer(sseType, s.fixture["stream"])
	resp, got, err := s.call(t.Context(), t, true)
	s.facts(t, resp, err)
	s.sameText(t, got)
}

// sameText: the stream says what the whole answer says, and nothing was put in or left out but the usage chunk.
func (s *suite) sameText(t *testing.T, got string) {
	t.Helper()
	want := s.fixture["stream"]
	for event := range strings.SplitAfterSeq(want, "\n\n") {
		if !strings.Contains(got, event) && !strings.Contains(event, `"choices":[]`) {
			t.Errorf("the client did not get %q", event)
		}
	}
	if len(got) > len(want) {
		t.Errorf("the client got more than was sent:\n%s", got)
	}
}

// bytewise: reads may end anywhere, in the middle of a rune too.
func (s *suite) bytewise(t *testing.T) {
	s.upstream = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", sseType)
		if s.f.RequestID != "" {
			w.Header().Set(s.f.RequestID, "up-1")
		}
		control := http.NewResponseController(w)
		for i := range len(s.fixture["stream"]) {
			_, _ = io.WriteString(w, s.fixture["stream"][i:i+1])
			_ = control.Flush()
		}
	}
	resp, got, err := s.call(t.Context(), t, true)
	s.facts(t, resp, err)
	s.sameText(t, got)
}

// truncated: a stream that is cut is no success, wherever it is cut, and its usage is never called reported in full.
func (s *suite) truncated(t *testing.T) {
	whole := strings.SplitAfter(s.fixture["stream"], "\n\n")
	for keep := 1; keep < len(whole)-3; keep++ {
		s.answer(sseType, strings.Join(whole[:keep], ""))
		resp, _, err := s.call(t.Context(), t, true)
		if err == nil || resp.Outcome == adapters.OutcomeSuccess || resp.Evidence == events.EvidenceReported {
			t.Errorf("after %d of %d events: %v, evidence %s, %v", keep, len(whole), resp.Outcome, resp.Evidence, err)
		}
	}
}

// endless: an event without an end is given up at the limit.
func (s *suite) endless(t *testing.T) {
	s.upstream = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", sseType)
		_, _ = io.WriteString(w, "data: ")
		filler := strings.Repeat("x", 4096)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, filler); err != nil {
				return
			}
		}
	}
	resp, got, err := s.call(t.Context(), t, true)
	if err == nil || resp.ErrorClass != events.ErrorMalformedResponse || len(got) > 0 {
		t.Errorf("%v %s, %v", resp.Outcome, resp.ErrorClass, err)
	}
}
