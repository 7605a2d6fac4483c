package ingress_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/all"
	"github.com/tollhouse/tollhouse/ingress"
)

const key = "sk-a-client-of-the-tests"

// forwarder answers what a test tells it to, and keeps what it was given.
type forwarder struct {
	seen   []actors.ForwardInput
	body   string
	answer func(ctx context.Context, in actors.ForwardInput) (*actors.ForwardResult, error)
}

func (f *forwarder) Forward(ctx context.Context, in actors.ForwardInput) (*actors.ForwardResult, error) {
	f.seen = append(f.seen, in)
	f.body = string(in.Request.Body)
	if f.answer != nil {
		return f.answer(ctx, in)
	}
	return &actors.ForwardResult{StatusCode: 200, Headers: http.Header{}, Body: []byte(`{"ok":true}`), Release: func() {}}, nil
}

func newServer(t testing.TB, f ingress.Forwarder, change func(*ingress.Options)) *ingress.Server {
	t.Helper()
	set, err := all.Set()
	if err != nil {
		t.Fatal(err)
	}
	registry := &adapters.Registry{Name: "r", Provider: set.Provider("openai"), Models: []string{"gpt-4o", "ft:a/b"}}
	snapshot := &routing.Snapshot{}
	snapshot.AddKey(routing.HashKey(key), &routing.Consumer{
		Name: "app", Labels: map[string]string{"team": "growth"}, Pool: &routing.Pool{Members: []routing.Member{{Registry: registry}}},
	})
	o := ingress.Options{
		GatewayID: "gw", Forwarder: f, Snapshot: func() *routing.Snapshot { return snapshot }, Set: set,
		Settings: ingress.Settings{MaxBody: 4096, Body: 300 * time.Millisecond},
	}
	if change != nil {
		change(&o)
	}
	return ingress.NewServer(o)
}

func zipped(t *testing.T, text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	_ = z.Close()
	return b.String()
}

func zstandard(text string) string {
	e, _ := zstd.NewWriter(nil)
	return string(e.EncodeAll([]byte(text), nil))
}

// What each bad request gets, in its client's own dialect.
func TestBadInput(t *testing.T) {
	good := `{"model":"gpt-4o","messages":[]}`
	bearer := []string{"Authorization", "Bearer " + key}
	cases := []struct {
		name, method, path, body string
		header                   []string
		status                   int
		code                     string
		contains                 string // of the body
	}{
		{"no key", "POST", "/v1/chat/completions", good, nil, 401, "invalid_key", `"type":"authentication_error"`},
		{"wrong key", "POST", "/v1/messages", good, []string{"X-Api-Key", "nope"}, 401, "invalid_key", `{"type":"error","error":{"type":"authentication_error"`},
		{"two keys", "POST", "/v1/chat/completions", good, append(bearer, "X-Api-Key", "other"), 400, "invalid_request", "two different API keys"},
		{"the same key twice", "POST", "/v1/chat/completions", good, append(bearer, "Api-Key", key), 200, "", "ok"},
		{"the key in the query", "POST", "/v1/chat/completions?key=" + key, good, nil, 200, "", "ok"},
		{"broken JSON", "POST", "/v1/chat/completions", `{"model":"gpt`, bearer, 400, "invalid_request", "not well-formed JSON"},
		{"broken JSON, Anthropic", "POST", "/v1/messages", `{"model":`, bearer, 400, "invalid_request", `"type":"invalid_request_error"`},
		{"no object", "POST", "/v1/chat/completions", `[]`, bearer, 400, "invalid_request", "not a JSON object"},
		{"nothing", "POST", "/v1/chat/completions", ``, bearer, 400, "invalid_request", "not well-formed"},
		{"two documents", "POST", "/v1/chat/completions", good + good, bearer, 400, "invalid_request", "not well-formed"},
		{"a member twice", "POST", "/v1/chat/completions", `{"model":"a","m\u006fdel":"b"}`, bearer, 400, "invalid_request", `"param":"model"`},
		{"a wrong type", "POST", "/v1/messages", `{"model":"a","stream":"yes"}`, bearer, 400, "invalid_request", "stream must be true or false"},
		{"deep", "POST", "/v1/chat/completions", `{"a":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`, bearer, 400, "invalid_request", "nested deeper"},
		{"too large", "POST", "/v1/chat/completions", `{"a":"` + strings.Repeat("x", 5000) + `"}`, bearer, 413, "request_too_large", "4096"},
		{"too large, Anthropic", "POST", "/v1/messages", `{"a":"` + strings.Repeat("x", 5000) + `"}`, bearer, 413, "request_too_large", `"type":"request_too_large"`},
		{"a bomb", "POST", "/v1/chat/completions", zipped(t, strings.Repeat(" ", 1<<20)), append(bearer, "Content-Encoding", "gzip"), 413, "request_too_large", ""},
		{"a bomb in zstd", "POST", "/v1/chat/completions", zstandard(strings.Repeat(" ", 1<<20)), append(bearer, "Content-Encoding", "zstd"), 413, "request_too_large", ""},
		{"gzip", "POST", "/v1/chat/completions", zipped(t, good), append(bearer, "Content-Encoding", "gzip"), 200, "", "ok"},
		{"zstd", "POST", "/v1/chat/completions", zstandard(good), append(bearer, "Content-Encoding", "zstd"), 200, "", "ok"},
		{"no gzip", "POST", "/v1/chat/completions", good, append(bearer, "Content-Encoding", "gzip"), 400, "invalid_request", "not gzip"},
		{"an encoding", "POST", "/v1/chat/completions", good, append(bearer, "Content-Encoding", "br"), 415, "unsupported_media_type", ""},
		{"a media type", "POST", "/v1/chat/completions", good, append(bearer, "Content-Type", "text/xml"), 415, "unsupported_media_type", ""},
		{"text", "POST", "/v1/chat/completions", good, append(bearer, "Content-Type", "text/plain"), 415, "unsupported_media_type", ""},
		{"a charset", "POST", "/v1/chat/completions", good, append(bearer, "Content-Type", "application/json; charset=utf-8"), 200, "", "ok"},
		{"labels", "POST", "/v1/chat/completions", good, append(bearer, "X-Tollhouse-Labels", "nonsense"), 400, "invalid_request", "X-Tollhouse-Labels"},
		{"many labels", "POST", "/v1/chat/completions", good, append(bearer, "X-Tollhouse-Labels", strings.Repeat("a=b,", 3)+manyLabels(20)), 400, "invalid_request", "at most 16"},
		{"a tab in a label", "POST", "/v1/chat/completions", good, append(bearer, "X-Tollhouse-Labels", "a=b\tc"), 400, "invalid_request", "UTF-8"},
		{"a label that is no UTF-8", "POST", "/v1/chat/completions", good, append(bearer, "X-Tollhouse-Labels", "a=b\xff"), 400, "invalid_request", "UTF-8"},
		{"a long label", "POST", "/v1/chat/completions", good, append(bearer, "X-Tollhouse-Labels", "a="+strings.Repeat("x", 300)), 400, "invalid_request", "256"},
		{"a timeout", "POST", "/v1/chat/completions", good, append(bearer, "X-Tollhouse-Timeout", "soon"), 400, "invalid_request", "X-Tollhouse-Timeout"},
		{"no route", "POST", "/v1/nothing", good, bearer, 404, "route_not_found", `"error":{"message":"there is no route /v1/nothing"`},
		{"no route, Anthropic", "POST", "/anthropic/v1/nothing", good, bearer, 404, "route_not_found", `"type":"not_found_error"`},
		{"a method", "GET", "/v1/chat/completions", "", bearer, 405, "method_not_allowed", ""},
		{"HEAD", "HEAD", "/v1/messages", "", bearer, 405, "method_not_allowed", ""},
		{"OPTIONS", "OPTIONS", "/v1/chat/completions", "", nil, 405, "method_not_allowed", ""},
		{"an unknown model", "GET", "/v1/models/gpt-9", "", bearer, 404, "model_not_found", ""},
		{"a model with a slash", "GET", "/v1/models/ft%3Aa%2Fb", "", bearer, 200, "", `"id":"ft:a/b"`},
		{"models", "GET", "/v1/models", "", bearer, 200, "", `"object":"list"`},
		{"HEAD of the models", "HEAD", "/v1/models", "", bearer, 200, "", ""},
		{"models, Anthropic", "GET", "/v1/models", "", append(bearer, "Anthropic-Version", "2023-06-01"), 200, "", `"has_more":false`},
		{"Gemini", "POST", "/v1beta/models/gpt-4o:generateContent", `{"contents":[]}`, []string{"X-Goog-Api-Key", key}, 200, "", "ok"},
		{"Gemini, prefixed", "POST", "/gemini/v1beta/models/ft%3Aa%2Fb:countTokens", `{"contents":[]}`, []string{"X-Goog-Api-Key", key}, 200, "", "ok"},
		{"Gemini, broken", "POST", "/v1beta/models/m:generateContent", `{`, []string{"X-Goog-Api-Key", key}, 400, "invalid_request", `"status":"INVALID_ARGUMENT"`},
		{"Gemini, no such method", "POST", "/v1beta/models/m:dream", `{}`, []string{"X-Goog-Api-Key", key}, 405, "method_not_allowed", `"status":"UNIMPLEMENTED"`},
		{"Gemini, a method of HTTP", "GET", "/v1beta/models/m:generateContent", ``, []string{"X-Goog-Api-Key", key}, 404, "model_not_found", `"status":"NOT_FOUND"`},
		{"Gemini, wrong key", "POST", "/v1beta/models/m:generateContent?key=nope", `{}`, nil, 401, "invalid_key", `"status":"UNAUTHENTICATED"`},
		{"Gemini's models", "GET", "/v1beta/models", "", []string{"X-Goog-Api-Key", key}, 200, "", `{"models":[{"name":"models/ft:a/b"`},
		{"Bedrock", "POST", "/model/us.anthropic.claude-3-5-haiku-20241022-v1%3A0/converse", `{"messages":[]}`, bearer, 200, "", "ok"},
		{"Bedrock, prefixed", "POST", "/bedrock/model/m/converse-stream", `{"messages":[]}`, bearer, 200, "", "ok"},
		{"Bedrock, broken", "POST", "/model/m/converse", `{`, bearer, 400, "invalid_request", `{"message":`},
		{"Bedrock, no such action", "POST", "/model/m/invoke", `{}`, bearer, 404, "route_not_found", ""},
		{"Cohere", "POST", "/v2/chat", good, bearer, 200, "", "ok"},
		{"Cohere, broken", "POST", "/v2/chat", `{`, bearer, 400, "invalid_request", `{"message":`},
		{"Cohere's models", "GET", "/cohere/v1/models", "", bearer, 200, "", `"models":[`},
		{"a prefix", "POST", "/openai/v1/chat/completions", good, bearer, 200, "", "ok"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			srv := newServer(t, &forwarder{}, nil)
			r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
			for i := 0; i+1 < len(c.header); i += 2 {
				r.Header.Set(c.header[i], c.header[i+1])
			}
			w := httptest.NewRecorder()
			srv.Handler().ServeHTTP(w, r)
			body := w.Body.String()
			if w.Code != c.status || w.Header().Get("X-Tollhouse-Error") != c.code || !strings.Contains(body, c.contains) {
				t.Errorf("%d %q %s\nwant %d %q with %s", w.Code, w.Header().Get("X-Tollhouse-Error"), body, c.status, c.code, c.contains)
			}
			if c.method != "HEAD" && !json.Valid(w.Body.Bytes()) {
				t.Errorf("the answer is not JSON: %s", body)
			}
			if strings.Contains(body, key) {
				t.Error("the answer shows the key")
			}
		})
	}
}

func manyLabels(n int) string {
	var pairs []string
	for i := range n {
		pairs = append(pairs, string(rune('a'+i))+"x=1")
	}
	return strings.Join(pairs, ",")
}

// listen serves on a real socket, for what needs one.
func listen(t *testing.T, s *ingress.Server) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func TestASlowClientIsLetGo(t *testing.T) {
	addr := listen(t, newServer(t, &forwarder{}, func(o *ingress.Options) { o.Header = 200 * time.Millisecond }))
	for name, c := range map[string]struct{ send, want string }{
		"in its body":   {"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key + "\r\nContent-Length: 100\r\n\r\n{\"model\"", "HTTP/1.1 408 "},
		"in its header": {"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthor", ""},
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.WriteString(conn, c.send); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(answer), c.want) {
			t.Errorf("slow %s: %q, %v", name, answer, err)
		}
		_ = conn.Close()
	}
}

// A hang-up ends the forwarder's context as net/http does, a deadline with its own cause.
func TestTheClientsEndHasACause(t *testing.T) {
	causes := make(chan error, 1)
	f := &forwarder{answer: func(ctx context.Context, _ actors.ForwardInput) (*actors.ForwardResult, error) {
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return nil, context.Cause(ctx)
	}}
	addr := listen(t, newServer(t, f, nil))
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/v1/chat/completions", strings.NewReader(`{"model":"m"}`))
	req.Header.Set("Authorization", "Bearer "+key)
	if _, err := http.DefaultClient.Do(req); err == nil {
		t.Error("an answer came")
	}
	if err := <-causes; !errors.Is(err, context.Canceled) {
		t.Errorf("the cause is %v", err)
	}

	req, _ = http.NewRequest(http.MethodPost, "http://"+addr+"/v1/chat/completions", strings.NewReader(`{"model":"m"}`))
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("X-Tollhouse-Timeout", "50ms")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if err := <-causes; !errors.Is(err, adapters.ErrDeadline) {
		t.Errorf("the cause is %v", err)
	}
}

func TestABrokenStreamEndsWithAnErrorFrame(t *testing.T) {
	f := &forwarder{answer: func(context.Context, actors.ForwardInput) (*actors.ForwardResult, error) {
		return &actors.ForwardResult{StatusCode: 200, Headers: http.Header{}, Release: func() {}, Stream: func(yield func([]byte, error) bool) {
			if yield([]byte("data: one\n\n"), nil) {
				yield(nil, &adapters.Error{Code: adapters.CodeUpstreamError, Message: "cut"})
			}
		}}, nil
	}}
	addr := listen(t, newServer(t, f, nil))
	for path, want := range map[string]string{
		"/v1/chat/completions": "data: one\n\ndata: {\"error\":{\"message\":\"cut\",\"type\":\"server_error\",\"param\":null,\"code\":\"upstream_error\"}}\n\n",
		"/v1/messages":         "data: one\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"cut\"}}\n\n",
	} {
		req, _ := http.NewRequest(http.MethodPost, "http://"+addr+path, strings.NewReader(`{"model":"m","stream":true}`))
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || string(raw) != want { // the body ended normally, so that the frame arrived
			t.Errorf("%s: %q, %v\nwant %q", path, raw, err, want)
		}
	}
}

func TestLimitsAndPanics(t *testing.T) {
	release := make(chan struct{})
	started := make(chan struct{}, 1)
	f := &forwarder{answer: func(_ context.Context, in actors.ForwardInput) (*actors.ForwardResult, error) {
		if strings.Contains(string(in.Request.Body), "panic") {
			panic("scripted")
		}
		started <- struct{}{}
		<-release
		return nil, adapters.Errorf(adapters.CodeInternal, "x")
	}}
	srv := newServer(t, f, func(o *ingress.Options) { o.MaxInFlight = 1 })
	send := func(body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+key)
		w := httptest.NewRecorder()
		srv.Handler().ServeHTTP(w, r)
		return w
	}
	if w := send(`{"model":"panic"}`); w.Code != 500 || w.Header().Get("X-Tollhouse-Error") != "internal" || strings.Contains(w.Body.String(), "scripted") {
		t.Errorf("a panic: %d %s", w.Code, w.Body)
	}
	done := make(chan struct{})
	go func() { defer close(done); send(`{"model":"m"}`) }()
	<-started
	if w := send(`{"model":"m"}`); w.Code != 503 || w.Header().Get("X-Tollhouse-Error") != "overloaded" || w.Header().Get("Retry-After") == "" {
		t.Errorf("over the limit: %d %s", w.Code, w.Body)
	}
	close(release)
	<-done
	srv.BeginDrain()
	if w := send(`{"model":"m"}`); w.Code != 503 || w.Header().Get("X-Tollhouse-Error") != "shutting_down" {
		t.Errorf("draining: %d %s", w.Code, w.Body)
	}
}

func TestWhatTheForwarderIsGiven(t *testing.T) {
	f := &forwarder{}
	srv := newServer(t, f, nil)
	r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions?key="+key+"&x=1", strings.NewReader(`{"model":"gpt-4o","stream":true,"max_tokens":5}`))
	r.Header.Set("X-Tollhouse-Labels", "feature=search, team=mine")
	r.Header.Set("X-Request-Id", "mine-1")
	w := httptest.NewRecorder()
	srv.Handler().ServeHTTP(w, r)
	in := f.seen[0]
	if in.Data.Labels["team"] != "growth" || in.Data.Labels["feature"] != "search" || in.Consumer.Name != "app" || len(in.Data.KeyID) != 12 {
		t.Errorf("%+v", in.Data)
	}
	if q := in.Request.RawQuery; q != "x=1" {
		t.Errorf("the query that may go up is %q", q)
	}
	if !in.Request.Stream || in.Request.OutputLimit != 5 || in.Request.Model != "gpt-4o" {
		t.Errorf("%+v", in.Request.Inspection)
	}
	if got := w.Header().Get("X-Request-Id"); got != "mine-1" {
		t.Errorf("X-Request-Id %q", got)
	}
}
