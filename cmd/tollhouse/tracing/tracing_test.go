package tracing_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/actors/actortest"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/adaptertest/upstream"
	"github.com/tollhouse/tollhouse/adapters/all"
	"github.com/tollhouse/tollhouse/cmd/tollhouse/tracing"
	"github.com/tollhouse/tollhouse/ingress"
)

const (
	clientKey   = "sk-of-the-client"
	upstreamKey = "sk-of-the-upstream"
)

// receiver takes spans as a collector does.
type receiver struct {
	mu       sync.Mutex
	spans    []*spans.Span
	resource map[string]any
	raw      strings.Builder
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	raw, err := io.ReadAll(req.Body)
	var sent collector.ExportTraceServiceRequest
	if err != nil || req.URL.Path != "/v1/traces" || req.Header.Get("Content-Type") != "application/x-protobuf" || proto.Unmarshal(raw, &sent) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.raw.Write(raw)
	for _, of := range sent.ResourceSpans {
		r.resource = values(of.Resource.Attributes)
		for _, scope := range of.ScopeSpans {
			r.spans = append(r.spans, scope.Spans...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func values(attributes []*common.KeyValue) map[string]any {
	all := map[string]any{}
	for _, a := range attributes {
		switch v := a.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			all[a.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			all[a.Key] = v.IntValue
		case *common.AnyValue_DoubleValue:
			all[a.Key] = v.DoubleValue
		case *common.AnyValue_ArrayValue:
			all[a.Key] = v.ArrayValue.Values[0].GetStringValue()
		}
	}
	return all
}

// world is a gateway without books, its upstream, and a collector.
type world struct {
	t       *testing.T
	tracing *tracing.Tracing
	gateway *httptest.Server
	got     receiver

	mu   sync.Mutex
	seen []http.Header // by the upstream
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	collects := httptest.NewServer(&w.got)
	t.Cleanup(collects.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collects.URL)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	var err error
	w.tracing, err = tracing.Start(t.Context(), tracing.Options{Version: "v1", InstanceID: "gw-1", Logger: slog.New(slog.DiscardHandler), Getenv: os.LookupEnv})
	if err != nil {
		t.Fatal(err)
	}
	scripted := upstream.Start(t)
	upstreams := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.seen = append(w.seen, r.Header)
		w.mu.Unlock()
		scripted.ServeHTTP(rw, r)
	}))
	t.Cleanup(upstreams.Close)
	set, err := all.Set()
	if err != nil {
		t.Fatal(err)
	}
	base, _ := url.Parse(upstreams.URL + "/v1")
	r := &adapters.Registry{Name: "r", Provider: set.Provider("xai"), Endpoints: []*adapters.Endpoint{
		{Name: "e1", BaseURL: base, APIKey: upstreamKey}, {Name: "e2", BaseURL: base, APIKey: upstreamKey},
	}}
	s := &routing.Snapshot{Registries: map[string]*adapters.Registry{"r": r}}
	s.AddKey(routing.HashKey(clientKey), &routing.Consumer{
		Name: "app", Labels: map[string]string{"team": "secretive"}, Pool: &routing.Pool{Members: []routing.Member{{Registry: r}}},
		Retry: routing.RetryPolicy{MaxAttempts: 2, Budget: time.Minute, On: []routing.Trigger{routing.OnHTTP5xx}},
	})
	f, err := actors.NewForwarder(actors.Options{
		Snapshot: s, Invoker: adapters.NewProviderInvoker(adapters.InvokerOptions{}), Recorder: actortest.NewRecorder(), Tracer: w.tracing,
	})
	if err != nil {
		t.Fatal(err)
	}
	server := ingress.NewServer(ingress.Options{
		Forwarder: f, Snapshot: func() *routing.Snapshot { return s }, Set: set, Wrap: w.tracing.Handler,
	})
	w.gateway = httptest.NewServer(server.Handler())
	t.Cleanup(w.gateway.Close)
	return w
}

// send makes a request and returns the status of its answer.
func (w *world) send(path, key, prompt string, stream bool, header ...string) int {
	w.t.Helper()
	body := fmt.Sprintf(`{"model":"gpt-4o","stream":%v,"max_tokens":100,"messages":[{"role":"user","content":%q}]}`, stream, prompt)
	req, err := http.NewRequest(http.MethodPost, w.gateway.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode
}

// received ends the tracing and returns the spans of a kind, in the order of their beginning.
func (w *world) received() (servers, clients []*spans.Span) {
	w.t.Helper()
	w.gateway.Close() // the last handler has returned
	if err := w.tracing.Shutdown(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.got.mu.Lock()
	defer w.got.mu.Unlock()
	slices.SortFunc(w.got.spans, func(a, b *spans.Span) int { return int(int64(a.StartTimeUnixNano) - int64(b.StartTimeUnixNano)) })
	for _, s := range w.got.spans {
		switch s.Kind {
		case spans.Span_SPAN_KIND_SERVER:
			servers = append(servers, s)
		case spans.Span_SPAN_KIND_CLIENT:
			clients = append(clients, s)
		}
	}
	return servers, clients
}

func (w *world) has(s *spans.Span, name string, failed bool, want map[string]any) {
	w.t.Helper()
	got := values(s.Attributes)
	for key, value := range want {
		if got[key] != value {
			w.t.Errorf("%s: %s is %v, want %v", s.Name, key, got[key], value)
		}
	}
	if is := s.Status.GetCode() == spans.Status_STATUS_CODE_ERROR; s.Name != name || is != failed {
		w.t.Errorf("%s, failed %v, want %s", s.Name, is, name)
	}
}

const (
	clientsTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	clientsSpan  = "00f067aa0ba902b7"
)

// A request is one span, which continues its client's trace; each attempt one under it, which the upstream is told.
func TestARetriedRequest(t *testing.T) {
	w := newWorld(t)
	if status := w.send("/openai/v1/chat/completions", clientKey, "mark:m upstream: status=500 first=1", false,
		"Traceparent", "00-"+clientsTrace+"-"+clientsSpan+"-01", "Tracestate", "vendor=1", "X-Tollhouse-Labels", "a=secretive"); status != 200 {
		t.Fatal(status)
	}
	servers, clients := w.received()
	if len(servers) != 1 || len(clients) != 2 || len(w.seen) != 2 {
		t.Fatalf("%d and %d spans, %d requests upstream", len(servers), len(clients), len(w.seen))
	}
	s := servers[0]
	if fmt.Sprintf("%x %x", s.TraceId, s.ParentSpanId) != clientsTrace+" "+clientsSpan {
		t.Errorf("the client's trace is not continued: %x %x", s.TraceId, s.ParentSpanId)
	}
	w.has(s, "POST /openai/v1/chat/completions", false, map[string]any{
		"http.request.method": "POST", "http.response.status_code": int64(200), "tollhouse.consumer": "app", "tollhouse.outcome": "success",
		"tollhouse.attempts": int64(2), "gen_ai.request.model": "gpt-4o", "url.scheme": "http", "error.type": nil,
	})
	for i, c := range clients {
		name := fmt.Sprintf("00-%x-%x-01", c.TraceId, c.SpanId)
		if string(c.ParentSpanId) != string(s.SpanId) || w.seen[i].Get("Traceparent") != name || w.seen[i].Get("Tracestate") != "vendor=1" {
			t.Errorf("attempt %d is %s under %x; the upstream was told %s %s", i+1, name, c.ParentSpanId, w.seen[i].Get("Traceparent"), w.seen[i].Get("Tracestate"))
		}
		if c.EndTimeUnixNano < c.StartTimeUnixNano || c.EndTimeUnixNano > s.EndTimeUnixNano || c.StartTimeUnixNano < s.StartTimeUnixNano {
			t.Errorf("attempt %d is not within its request", i+1)
		}
	}
	usage := upstream.UsageOf("m")
	w.has(clients[0], "chat gpt-4o", true, map[string]any{
		"error.type": "overloaded", "http.response.status_code": int64(500), "tollhouse.attempt": int64(1), "gen_ai.usage.input_tokens": nil,
	})
	w.has(clients[1], "chat gpt-4o", false, map[string]any{
		"gen_ai.operation.name": "chat", "gen_ai.provider.name": "x_ai", "gen_ai.request.model": "gpt-4o", "gen_ai.request.max_tokens": int64(100),
		"gen_ai.response.model": "gpt-4o-echo", "gen_ai.response.id": "resp-2", "gen_ai.response.finish_reasons": "stop",
		"gen_ai.usage.input_tokens": int64(usage.Input), "gen_ai.usage.output_tokens": int64(usage.Output),
		"server.address": "127.0.0.1", "http.response.status_code": int64(200), "error.type": nil, "tollhouse.registry": "r", "tollhouse.attempt": int64(2),
	})
	for key, want := range map[string]any{
		"service.name": "tollhouse", "service.version": "v1", "service.instance.id": "gw-1", "deployment.environment.name": "test",
	} {
		if w.got.resource[key] != want {
			t.Errorf("%s is %v", key, w.got.resource[key])
		}
	}
	for _, secret := range []string{clientKey, upstreamKey, "mark:m", "answer to", "secretive"} {
		if strings.Contains(w.got.raw.String(), secret) {
			t.Errorf("the spans hold %q", secret)
		}
	}
}

// What becomes of the others: streams, refusals, requests that fail, and a trace that begins here.
func TestOtherEnds(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		path, key, prompt string
		stream            bool
		status            int
	}{
		{"/v1/chat/completions", clientKey, "mark:s", true, 200},
		{"/v1/chat/completions", clientKey, "mark:c upstream: chunks=9 cut=4", true, 200},
		{"/v1/messages", clientKey, "mark:t", false, 200},
		{"/v1/chat/completions", clientKey, "mark:f upstream: status=500", false, 500},
		{"/v1beta/models/some:model:generateContent", "sk-of-nobody", "", false, 401},
		{"/v1/nothing/of/the/kind", clientKey, "", false, 404},
	} {
		if status := w.send(c.path, c.key, c.prompt, c.stream, "Traceparent", "nonsense", "Tracestate", "vendor=1"); status != c.status {
			t.Fatalf("%s %s: %d", c.path, c.prompt, status)
		}
	}
	servers, clients := w.received()
	if len(servers) != 6 || len(clients) != 5 {
		t.Fatalf("%d and %d spans", len(servers), len(clients))
	}
	w.has(clients[0], "chat gpt-4o", false, map[string]any{"gen_ai.response.id": "resp-1", "gen_ai.response.finish_reasons": "stop", "error.type": nil})
	if first, ok := values(clients[0].Attributes)["gen_ai.response.time_to_first_chunk"].(float64); !ok || first <= 0 || first > 10 {
		t.Errorf("the first chunk came after %v", first)
	}
	w.has(clients[1], "chat gpt-4o", true, map[string]any{"error.type": "transport", "tollhouse.usage_evidence": "estimated"})
	w.has(servers[1], "POST /v1/chat/completions", false, map[string]any{"error.type": "upstream_error", "http.response.status_code": int64(200)})
	w.has(servers[2], "POST /v1/messages", false, map[string]any{"tollhouse.dialect": "anthropic_messages"})
	w.has(servers[3], "POST /v1/chat/completions", true, map[string]any{"error.type": "upstream_error", "http.response.status_code": int64(500)})
	w.has(servers[4], "POST /v1beta/models/{model}:generateContent", false, map[string]any{"error.type": "invalid_key", "http.response.status_code": int64(401), "tollhouse.request_id": nil})
	w.has(servers[5], "POST", false, map[string]any{"error.type": "route_not_found"})
	traces := map[string]bool{}
	for _, s := range servers {
		traces[string(s.TraceId)] = true
		if len(s.ParentSpanId) != 0 {
			t.Errorf("%s has a parent", s.Name)
		}
	}
	if len(traces) != len(servers) {
		t.Error("requests share a trace")
	}
	for _, h := range w.seen {
		if len(h.Get("Traceparent")) != 55 || h.Get("Tracestate") != "" {
			t.Errorf("the upstream was told %q %q", h.Get("Traceparent"), h.Get("Tracestate"))
		}
	}
}

// Who does not ask gets nothing: no tracer, and nothing that runs.
func TestWhoAsks(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	for _, c := range []struct {
		environment map[string]string
		wrong       string
	}{
		{nil, ""},
		{map[string]string{"OTEL_SERVICE_NAME": "x", endpoint: ""}, ""},
		{map[string]string{endpoint: "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}, ""},
		{map[string]string{endpoint: "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"}, ""},
		{map[string]string{endpoint: "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER"},
		{map[string]string{endpoint: "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL"},
		{map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, "http/json"},
	} {
		before := runtime.NumGoroutine()
		got, err := tracing.Start(t.Context(), tracing.Options{Getenv: func(name string) (string, bool) { v, ok := c.environment[name]; return v, ok }})
		if got != nil || (err != nil) != (c.wrong != "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%v: %v, %v", c.environment, got, err)
		}
		if now := runtime.NumGoroutine(); now > before {
			t.Errorf("%v: %d goroutines more", c.environment, now-before)
		}
	}
}
