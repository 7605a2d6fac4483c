package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/adapters/adaptertest/corpus"
)

// replayed is a recording on its way through the running gateway: it has a registry, a key and a consumer of its own, so that one
// whose credential was refused, or that was told to wait, holds up no other.
type replayed struct {
	corpus.Case
	n                    int
	api, provider, route string
	base                 string // behind the replaying server's address
}

func (r *replayed) consumer() string { return fmt.Sprintf("case-%d", r.n) }
func (r *replayed) key() string      { return fmt.Sprintf("sk-recording-%d-0123456789", r.n) }

// Recorded requests through the binary: the client gets the provider's bytes, and the warehouse holds each recording's model, id,
// finish reason and usage.
func TestRecordingsThroughTheGateway(t *testing.T) {
	cases := recordings(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		n, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/case/"), "/")
		i, err := strconv.Atoi(n)
		if err != nil {
			http.Error(w, r.URL.Path, http.StatusNotImplemented)
			return
		}
		cases[i].replay(w)
	}))
	defer upstream.Close()
	s := newStack(t, "")
	s.start("broker", "broker")
	s.start("warehouse", "warehouse")
	s.write(recordingsConfig(s, upstream.URL, cases))
	s.start("sink", "")
	base := s.start("gateway", "gateway").address("gateway")
	for i := range cases {
		r := &cases[i]
		t.Run(r.api+"/"+r.Name, func(t *testing.T) { r.send(t, base) })
	}
	eventually(t, 30*time.Second, func() error { return s.rowsOf(len(cases), "attempts", "1") })
	rows, err := s.query("SELECT * FROM attempts")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		n, _ := strconv.Atoi(strings.TrimPrefix(row["consumer"].(string), "case-"))
		t.Run("stored/"+cases[n].api+"/"+cases[n].Name, func(t *testing.T) { cases[n].stored(t, row) })
	}
	s.stop("gateway")
	s.audit(t)
}

func recordings(t *testing.T) (cases []replayed) {
	dir := corpus.Dir(t)
	for _, c := range []struct{ api, provider, route, base string }{
		{"openai/chat", "openai", "/v1/chat/completions", "/v1"},
		{"openai/responses", "openai", "/v1/responses", "/v1"},
		{"xai/responses", "xai", "/v1/responses", "/v1"},
		{"groq/chat", "groq", "/v1/chat/completions", "/v1"},
		{"mistral/chat", "mistral", "/v1/chat/completions", "/v1"},
		{"anthropic/messages", "anthropic", "/v1/messages", ""},
		{"gemini/generate_content", "gemini", "", ""},
		{"cohere/chat_v2", "cohere", "/v2/chat", ""},
	} {
		for _, recorded := range corpus.Load(t, dir, c.api) {
			r := replayed{Case: recorded, n: len(cases), api: c.api, provider: c.provider, route: c.route, base: c.base}
			if r.route == "" { // the model and the method stand in the path
				u, err := url.Parse(r.Meta.URL)
				if err != nil {
					t.Fatal(err)
				}
				query := u.Query()
				query.Del("key")
				_, rest, _ := strings.Cut(u.EscapedPath(), "/models/")
				r.route = "/v1beta/models/" + rest + "?" + query.Encode()
			}
			cases = append(cases, r)
		}
	}
	return cases
}

// recordingsConfig is JSON, which is YAML.
func recordingsConfig(s *stack, upstream string, cases []replayed) string {
	type object = map[string]any
	var registries, consumers []any
	for i := range cases {
		r := &cases[i]
		name := r.consumer()
		registries = append(registries, object{"name": name, "provider": r.provider, "endpoints": []any{object{
			"name": "main", "base_url": fmt.Sprintf("%s/case/%d%s", upstream, r.n, r.base), "api_key": upstreamKey,
		}}})
		consumers = append(consumers, object{
			"name": name, "keys": []string{r.key()}, "pool": []any{object{"registry": name}},
			"models": object{"default": "m"}, "retry": object{"max_attempts": 1},
		})
	}
	raw, _ := json.Marshal(object{
		"gateway":  object{"listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "id": "gw-test", "grace": "5s"},
		"data_dir": s.dir + "/data", "embedded": object{"broker": "127.0.0.1:0", "warehouse": "127.0.0.1:0"},
		"registries": registries, "consumers": consumers,
		"kafka":      object{"brokers": []string{strings.TrimPrefix(s.parts["broker"].address("broker"), "kafka://")}, "partitions": 4},
		"clickhouse": object{"dsn": s.parts["warehouse"].address("warehouse") + "/tollhouse"},
	})
	return string(raw)
}

// replay answers as the provider did.
func (r *replayed) replay(w http.ResponseWriter) {
	for name, value := range r.Meta.Headers {
		if name != "content-length" && name != "transfer-encoding" {
			w.Header().Set(name, value)
		}
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", map[string]string{"sse": "text/event-stream"}[r.Meta.Framing])
	}
	w.WriteHeader(r.Meta.Status)
	_, _ = w.Write(r.Response)
}

// broken is a stream that fails in the middle, or an error that came where an answer should be.
func (r *replayed) broken() bool {
	inStream := r.Expect.Error != nil && r.Expect.Error.InStream
	cut := r.Expect.StreamInfo != nil && !r.Expect.StreamInfo.Terminal && !r.Expect.StreamInfo.SawDone
	return inStream || cut || !r.Expect.OK && r.Meta.Status < 400
}

// request is what the client sends: the recorded body, or one like it where the recorder kept none.
func (r *replayed) request() (body []byte, asksUsage bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal(r.Body, &members) != nil || members == nil {
		members = map[string]json.RawMessage{"messages": json.RawMessage("[]")}
	}
	if r.Meta.Framing == "sse" && r.provider != "gemini" {
		members["stream"] = json.RawMessage("true")
	}
	body, _ = json.Marshal(members)
	return body, bytes.Contains(bytes.ReplaceAll(body, []byte(" "), nil), []byte(`"include_usage":true`))
}

func (r *replayed) send(t *testing.T, base string) {
	body, asksUsage := r.request()
	req, _ := http.NewRequest(http.MethodPost, base+r.route, bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+r.key())
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	switch r.Meta.Status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden: // ours, not the client's
		if resp.StatusCode != http.StatusBadGateway || resp.Header.Get("X-Tollhouse-Error") != "upstream_error" {
			t.Errorf("%d: %s", resp.StatusCode, got)
		}
		return
	}
	if r.broken() {
		return // it ends with an error of ours; what is stored of it is looked at below
	}
	want := r.Response
	if strings.HasSuffix(r.api, "/chat") && !asksUsage && r.provider != "mistral" {
		want = r.WithoutUsageChunk()
	}
	if resp.StatusCode != r.Meta.Status || !bytes.Equal(got, want) {
		t.Errorf("%d, want %d; the client got\n%.1500s\nwant\n%.1500s", resp.StatusCode, r.Meta.Status, got, want)
	}
}

// stored holds the row against the expectation.
func (r *replayed) stored(t *testing.T, row map[string]any) {
	if r.broken() || !r.Expect.OK {
		if row["outcome"] == "success" {
			t.Errorf("it is stored as a success: %v", row)
		}
		return
	}
	if row["outcome"] != "success" {
		t.Fatalf("it is stored as %v", row)
	}
	text := func(column string, want *string) {
		if want != nil && row[column] != *want {
			t.Errorf("%s %q, want %q", column, row[column], *want)
		}
	}
	text("response_id", r.Expect.ID)
	text("model", r.Expect.Model)
	text("native_finish_reason", r.Expect.FinishReason)
	if r.Expect.Usage == nil || r.Expect.Inclusive == nil || r.provider == "cohere" { // whose billed units are the books'
		return
	}
	units, _ := row["other_units"].(map[string]any)
	count := func(column string, want *uint64) {
		got, _ := row[column].(float64)
		if reported, ok := units["reported_"+column].(float64); ok {
			got = max(got, reported)
		}
		if want != nil && uint64(got) != *want {
			t.Errorf("%s %v, want %d", column, got, *want)
		}
	}
	if row["usage_evidence"] != "reported" {
		t.Errorf("evidence %v", row["usage_evidence"])
	}
	count("input_tokens", r.Expect.Inclusive.Input)
	count("output_tokens", r.Expect.Inclusive.Output)
	count("cache_read_tokens", r.Expect.Usage.CachedRead)
	count("cache_write_tokens", r.Expect.Usage.CacheWrite)
	count("reasoning_tokens", r.Expect.Usage.Reasoning)
	count("input_audio_tokens", r.Expect.Usage.AudioIn)
	count("output_audio_tokens", r.Expect.Usage.AudioOut)
}
