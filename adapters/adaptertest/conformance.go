// Package adaptertest is the suite that every provider passes, over the real invoker and a real connection to an upstream that
// answers with its dialect's fixtures.
package adaptertest

import (
	"context"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"go.uber.org/goleak"

	"github.com/tollhouse/tollhouse/adapters"
)

//go:embed fixtures/*.txtar
var fixtures embed.FS

// suite is one provider under test.
type suite struct {
	p        adapters.Provider
	f        Features
	fixture  map[string]string // of the provider's dialect
	upstream func(w http.ResponseWriter, r *http.Request)
	srv      *httptest.Server
	invoker  *adapters.Invoker
	seen     *http.Request
	body     []byte // that was seen
}

const secret = "sk-a-credential-that-nobody-may-see"

// What the invoker takes at most; endless answers are held against it.
const (
	maxEvent = 64 << 10
	maxBody  = 256 << 10
)

// Conformance runs the suite.
func Conformance(t *testing.T, p adapters.Provider, f Features) {
	before := goleak.IgnoreCurrent()
	s := &suite{
		p: p, f: f, fixture: fixtureOf(t, f.Dialect),
		invoker: adapters.NewProviderInvoker(adapters.InvokerOptions{MaxStreamEvent: maxEvent, MaxResponseBody: maxBody}),
	}
	s.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.body, _ = io.ReadAll(r.Body)
		s.seen = r
		s.upstream(w, r)
	}))
	t.Cleanup(func() { // after all subtests: nothing is left running
		s.invoker.Close()
		s.srv.Close()
		goleak.VerifyNone(t, before)
	})
	t.Run("text", s.text)
	t.Run("no usage", s.noUsage)
	t.Run("errors", s.errors)
	t.Run("an error that quotes the credential", s.quoted)
	t.Run("nobody there", s.nobody)
	t.Run("endless answer", s.endlessAnswer)
	t.Run("cancel", s.cancel)
	if f.OverloadIn200 {
		t.Run("overload in a 200", s.overload)
	}
	if f.Stream {
		t.Run("stream", s.stream)
		t.Run("stream, byte by byte", s.bytewise)
		t.Run("stream, dressed otherwise", s.dressed)
		t.Run("truncated stream", s.truncated)
		t.Run("endless event", s.endless)
		t.Run("broken off", s.brokenOff)
	}
	for _, name := range f.scenarios() {
		t.Run(name, func(t *testing.T) { s.scenario(t, name) })
	}
}

// fixtureOf reads what a provider of a dialect is asked and answers.
func fixtureOf(t *testing.T, d adapters.Dialect) map[string]string {
	t.Helper()
	return archive(t, fixtures, "fixtures/"+d.Name()+".txtar")
}

func archive(t *testing.T, from fs.FS, name string) map[string]string {
	t.Helper()
	raw, err := fs.ReadFile(from, name)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, file := range txtar.Parse(raw).Files {
		files[file.Name] = string(file.Data)
	}
	return files
}

// ticket is good for a call.
type ticket struct{}

func (ticket) Redeem() error { return nil }

// What upstreams answer.

func (s *suite) header(w http.ResponseWriter, kind string) {
	w.Header().Set("Content-Type", kind)
	if s.f.RequestID != "" {
		w.Header().Set(s.f.RequestID, "up-1")
	}
}

const jsonType = "application/json"

// answer makes the upstream answer with a whole body.
func (s *suite) answer(body string) {
	s.upstream = func(w http.ResponseWriter, _ *http.Request) {
		s.header(w, jsonType)
		_, _ = io.WriteString(w, body)
	}
}

// streams makes the upstream answer with a stream, a write for each piece; cut says that it dies then.
func (s *suite) streams(kind string, pieces []string, cut bool) {
	s.upstream = func(w http.ResponseWriter, _ *http.Request) {
		s.header(w, kind)
		control := http.NewResponseController(w)
		for _, piece := range pieces {
			_, _ = io.WriteString(w, piece)
			_ = control.Flush()
		}
		if cut {
			panic(http.ErrAbortHandler)
		}
	}
}

// ask is what a client of a dialect asks for.
func (s *suite) ask(t *testing.T, client adapters.Codec, body string, stream bool) *adapters.RequestContext {
	t.Helper()
	fixture := fixtureOf(t, client)
	if body == "" {
		body = fixture["request"]
	}
	body = strings.TrimSpace(body)
	path, query := strings.TrimSpace(fixture["path"]), ""
	if streamed := strings.TrimSpace(fixture["stream path"]); stream && streamed != "" {
		path, query, _ = strings.Cut(streamed, "?")
	} else if stream {
		body = strings.TrimSuffix(body, "}") + `,"stream":true}`
	}
	in, err := client.Inspect(adapters.OperationChat, path, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if in.Stream != stream {
		t.Fatalf("stream is %v in %s", in.Stream, body)
	}
	return &adapters.RequestContext{
		ID: "req_1", Dialect: client, Operation: adapters.OperationChat, Method: http.MethodPost, Path: path, RawQuery: query,
		Header: http.Header{"Content-Type": {jsonType}, "Authorization": {"Bearer client-key"}, "Cookie": {"a=b"}},
		Body:   []byte(body), Inspection: in, ReceivedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

// got is what came of an attempt.
type got struct {
	*adapters.ProviderResponse
	body string // that the client got, of a stream as far as it came
	err  error
}

// call makes one attempt for a client of the provider's own dialect.
func (s *suite) call(ctx context.Context, t *testing.T, stream bool) got {
	t.Helper()
	return s.send(ctx, t, s.ask(t, s.f.Dialect, "", stream))
}

// send makes one attempt, and reads a stream to its end. Whatever comes of it: the request is as it was, no credential stands in what
// is said, and nothing of the client's goes up.
func (s *suite) send(ctx context.Context, t *testing.T, req *adapters.RequestContext) got {
	t.Helper()
	target := s.target(s.srv.URL)
	before := *req
	before.Body, before.Header = []byte(string(req.Body)), req.Header.Clone()
	s.seen = nil
	invoke := s.invoker.Invoke
	if req.Stream {
		invoke = s.invoker.InvokeStream
	}
	var g got
	g.ProviderResponse, g.err = invoke(ctx, target, req)
	if g.Stream != nil {
		for frame, err := range g.Stream {
			g.body += string(frame)
			g.err = err
		}
	} else {
		g.body = string(g.Body)
	}
	if !reflect.DeepEqual(before, *req) {
		t.Error("the request was changed")
	}
	if said := fmt.Sprintf("%v %+v %v", g.err, g.ProviderResponse, target) + g.body; strings.Contains(said, secret) {
		t.Error("the credential stands in what was said")
	}
	if s.seen != nil && (s.seen.Header.Get("Cookie") != "" || strings.Contains(fmt.Sprint(s.seen.Header, s.seen.URL), "client-key")) {
		t.Errorf("something of the client's went up: %v", s.seen.Header)
	}
	return g
}

func (s *suite) target(address string) *adapters.Target {
	base, _ := url.Parse(address + s.f.BaseURL)
	endpoint := &adapters.Endpoint{Name: "e", BaseURL: base, APIKey: secret, Options: map[string]string{}}
	model := s.f.Model
	if model == "" {
		model = "m-1"
	}
	return &adapters.Target{
		Registry: &adapters.Registry{Name: "r", Provider: s.p, Options: s.f.Options, Endpoints: []*adapters.Endpoint{endpoint}},
		Endpoint: endpoint, SentModel: model, Attempt: 1, Ticket: ticket{},
	}
}
