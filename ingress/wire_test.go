package ingress_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/dialects/openaichat"
	"github.com/tollhouse/tollhouse/ingress"
)

const goodBody = `{"model":"gpt-4o","messages":[]}`

func post(path, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func serve(s *ingress.Server, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

// send posts to a listening server and reads the answer to its end.
func send(t *testing.T, addr, path, body string) (status int, text string, err error) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw), err
}

// The time for a body is over when the body is there. net/http goes on reading, to see the client hang up, and lifts the deadline for
// that; if it did not, every answer that takes longer than a body may would be cancelled.
func TestAnAnswerMayTakeLongerThanABody(t *testing.T) {
	f := &forwarder{answer: func(ctx context.Context, _ actors.ForwardInput) (*actors.ForwardResult, error) {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(400 * time.Millisecond):
			return &actors.ForwardResult{StatusCode: 200, Headers: http.Header{}, Body: []byte("{}"), Release: func() {}}, nil
		}
	}}
	addr := listen(t, newServer(t, f, func(o *ingress.Options) { o.Body = 100 * time.Millisecond }))
	if status, text, err := send(t, addr, "/v1/chat/completions", goodBody); err != nil || status != 200 {
		t.Errorf("%d %s %v", status, text, err)
	}
}

// A body that nobody will read has its time, too: net/http reads it to find the next request.
func TestASlowBodyBehindARefusalIsLetGo(t *testing.T) {
	addr := listen(t, newServer(t, &forwarder{}, nil))
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprint(conn, "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"model\"")
	if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 401 ") {
		t.Errorf("%q, %v", answer, err)
	}
}

// A panic in a stream ends it as any break does: with one frame of the dialect.
func TestAPanicInAStream(t *testing.T) {
	f := &forwarder{answer: func(context.Context, actors.ForwardInput) (*actors.ForwardResult, error) {
		return &actors.ForwardResult{StatusCode: 200, Headers: http.Header{}, Release: func() {}, Stream: func(yield func([]byte, error) bool) {
			yield([]byte("data: 1\n\n"), nil)
			panic("scripted")
		}}, nil
	}}
	_, text, err := send(t, listen(t, newServer(t, f, nil)), "/v1/messages", goodBody)
	if err != nil || !strings.HasPrefix(text, "data: 1\n\nevent: error\ndata: {") || !strings.HasSuffix(text, "}\n\n") || strings.Contains(text, "scripted") {
		t.Errorf("%q, %v", text, err)
	}
}

// A body that an attempt's transport may still send from is not given to the next request.
func TestABodyIsNotReusedTooEarly(t *testing.T) {
	f := &forwarder{}
	s := newServer(t, f, func(o *ingress.Options) { o.MaxBody = 1 << 20 })
	kept := map[string][]byte{}
	for i, c := range []struct {
		name, attempts string
		status, size   int
	}{{"a failed attempt", "1", 500, 10}, {"a retried one", "2", 200, 10}, {"a large body", "1", 200, 20_000}} {
		letter := string(rune('A' + i))
		f.answer = func(_ context.Context, in actors.ForwardInput) (*actors.ForwardResult, error) {
			kept[c.name+" "+letter] = in.Request.Body
			return &actors.ForwardResult{
				StatusCode: c.status, Headers: http.Header{"X-Tollhouse-Attempts": {c.attempts}}, Body: []byte("{}"), Release: func() {},
			}, nil
		}
		serve(s, post("/v1/chat/completions", `{"model":"`+strings.Repeat(letter, c.size)+`"}`))
	}
	f.answer = nil
	for range 100 {
		serve(s, post("/v1/chat/completions", `{"model":"`+strings.Repeat("z", 20_000)+`"}`))
		serve(s, post("/v1/chat/completions", `{"model":"zz"}`))
	}
	for name, body := range kept {
		if letter := name[len(name)-1:]; !strings.Contains(string(body), letter) || strings.Contains(string(body), "z") {
			t.Errorf("%s: its body is another's now", name)
		}
	}
}

// An error is in the dialect of its route, whatever else the client's headers suggest.
func TestTheRouteSaysTheDialect(t *testing.T) {
	w := serve(newServer(t, &forwarder{}, nil), post("/v1/chat/completions", "{", "Anthropic-Version", "2023-06-01"))
	if !strings.HasPrefix(w.Body.String(), `{"error":{"message"`) {
		t.Errorf("%s", w.Body)
	}
}

// The query goes up as it was written, but for the key.
func TestTheQueryKeepsItsForm(t *testing.T) {
	f := &forwarder{}
	serve(newServer(t, f, nil), post("/v1/chat/completions?z=%41&k%65y="+key+"&monkey=1&a=b+c", goodBody))
	if got := f.seen[0].Request.RawQuery; got != "z=%41&monkey=1&a=b+c" {
		t.Errorf("%q", got)
	}
}

// An announced length sets no memory aside: the bytes have to arrive.
func TestAnAnnouncedLengthCostsNothing(t *testing.T) {
	s := newServer(t, &forwarder{}, func(o *ingress.Options) { o.MaxBody = 32 << 20 })
	r := post("/v1/chat/completions", goodBody)
	r.ContentLength = 32 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	serve(s, r)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("%d bytes were allocated for a body of %d", got, len(goodBody))
	}
}

// Encodings are named in any case.
func TestAnEncodingInAnyCase(t *testing.T) {
	if w := serve(newServer(t, &forwarder{}, nil), post("/v1/chat/completions", zipped(t, goodBody), "Content-Encoding", "GZip")); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// What a stream fails with before its first frame is an answer with a status of its own; what the books know of is not counted as
// refused; and an error says where it came from.
func TestAnErrorBeforeTheFirstFrame(t *testing.T) {
	reg := prometheus.NewRegistry()
	cut := &adapters.Error{Code: adapters.CodeUpstreamError, Message: "cut"}
	headers := func() http.Header { return http.Header{"X-Tollhouse-Registry": {"r"}} }
	f := &forwarder{answer: func(_ context.Context, in actors.ForwardInput) (*actors.ForwardResult, error) {
		if !in.Request.Stream {
			return &actors.ForwardResult{Headers: headers()}, cut
		}
		return &actors.ForwardResult{
			StatusCode: 200, Headers: headers(), Release: func() {},
			Stream: func(yield func([]byte, error) bool) { yield(nil, cut) },
		}, nil
	}}
	srv := newServer(t, f, func(o *ingress.Options) { o.Registerer = reg })
	for _, body := range []string{`{"model":"m"}`, `{"model":"m","stream":true}`} {
		w := serve(srv, post("/v1/messages", body))
		if w.Code != 502 || w.Header().Get("X-Tollhouse-Error") != "upstream_error" || w.Header().Get("X-Tollhouse-Registry") != "r" ||
			!strings.HasPrefix(w.Body.String(), `{"type":"error"`) {
			t.Errorf("%s: %d %v %s", body, w.Code, w.Header(), w.Body)
		}
	}
	if n := testutil.CollectAndCount(reg, "tollhouse_refused_total"); n != 0 {
		t.Errorf("%d kinds of refusals are counted", n)
	}
	serve(srv, post("/v1/messages", `{`))
	if n := testutil.CollectAndCount(reg, "tollhouse_refused_total"); n != 1 {
		t.Errorf("%d kinds of refusals are counted after one", n)
	}
}

func TestReadyzShowsNobodyWhyNot(t *testing.T) {
	srv := newServer(t, &forwarder{}, func(o *ingress.Options) { o.Ready = func() error { return errors.New("/secret/path is full") } })
	w := serve(srv, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if w.Code != 503 || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// What a request costs here, apart from net/http: an answer of the forwarder's is written without garbage of its own.
func TestAllocations(t *testing.T) {
	srv := newServer(t, &forwarder{}, nil)
	w := httptest.NewRecorder()
	body := strings.NewReader(goodBody)
	r := post("/v1/chat/completions", goodBody)
	n := testing.AllocsPerRun(500, func() {
		body.Reset(goodBody)
		r.Body = io.NopCloser(body)
		w.Body.Reset()
		clear(w.Header())
		srv.Handler().ServeHTTP(w, r)
	})
	if n > 24 {
		t.Errorf("%v allocations a request", n)
	}
	t.Logf("%v allocations a request", n)
}

// headed is a dialect whose clients read the kind of an error in a header.
type headed struct{ openaichat.Dialect }

func (headed) SetErrorHeader(h http.Header, e *adapters.Error) { h.Set("X-Kind", string(e.Code)) }

func TestAnErrorsKindInAHeader(t *testing.T) {
	set, err := adapters.NewSet([]adapters.Dialect{headed{}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, &forwarder{}, func(o *ingress.Options) { o.Set = set })
	if got := serve(s, post("/v1/nothing", "{}")); got.Header().Get("X-Kind") != "route_not_found" {
		t.Errorf("headers %v", got.Header())
	}
}
