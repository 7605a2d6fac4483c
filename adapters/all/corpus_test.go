package all

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/dialects/anthropic"
	"github.com/tollhouse/tollhouse/adapters/dialects/openaichat"
	"github.com/tollhouse/tollhouse/events"
)

// recorded is one recorded exchange with what was derived from it independently.
type recorded struct {
	name     string
	body     []byte // the request's
	response []byte
	stream   bool
	meta     struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Framing string            `json:"framing"`
		URL     string            `json:"url"`
	}
	expect struct {
		OK           bool    `json:"ok"`
		ID           *string `json:"id"`
		Model        *string `json:"model"`
		FinishReason *string `json:"finish_reason"`
		RequestID    *string `json:"request_id_header"`
		Refusal      *string `json:"refusal"`
		Usage        *struct {
			CachedRead *uint64 `json:"cached_read"`
			CacheWrite *uint64 `json:"cache_write"`
			Reasoning  *uint64 `json:"reasoning"`
			AudioIn    *uint64 `json:"audio_in"`
			AudioOut   *uint64 `json:"audio_out"`
		} `json:"usage"`
		Inclusive *struct {
			Input  *uint64 `json:"input"`
			Output *uint64 `json:"output"`
		} `json:"usage_inclusive"`
		Error *struct {
			InStream bool    `json:"in_stream"`
			Message  *string `json:"message"`
		} `json:"error"`
		StreamInfo *struct {
			Terminal bool `json:"terminal"`
			SawDone  bool `json:"saw_done"`
		} `json:"stream_info"`
	}
}

// corpusDir finds the recordings beside the project.
func corpusDir(t testing.TB) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
	}
	corpus := filepath.Join(dir, "..", "shared", "corpus")
	if _, err := os.Stat(corpus); err != nil {
		t.Skipf("the recordings are not here: %v", err)
	}
	return corpus
}

func load(t *testing.T, corpus, api string) []recorded {
	t.Helper()
	metas, err := filepath.Glob(filepath.Join(corpus, api, "*.meta.json"))
	if err != nil || len(metas) == 0 {
		t.Fatalf("no recordings of %s: %v", api, err)
	}
	var all []recorded
	for _, path := range metas {
		base := strings.TrimSuffix(path, ".meta.json")
		r := recorded{name: filepath.Base(base)}
		read(t, path, &r.meta)
		read(t, base+".expect.json", &r.expect)
		var request struct {
			Body json.RawMessage `json:"body"`
		}
		read(t, base+".request.json", &request)
		r.body = request.Body
		files, _ := filepath.Glob(base + ".response.*")
		if r.response, err = os.ReadFile(files[0]); err != nil {
			t.Fatal(err)
		}
		r.stream = adapters.DetectStream(httptest.NewRequest(http.MethodPost, "/v1/x", nil), r.body)
		all = append(all, r)
	}
	return all
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

type ticket struct{}

func (ticket) Redeem() error { return nil }

func TestRecordingsPassUntouchedAndAreCounted(t *testing.T) {
	corpus := corpusDir(t)
	set, err := Set()
	if err != nil {
		t.Fatal(err)
	}
	for api, c := range map[string]struct {
		provider string
		dialect  adapters.Dialect
		path     string
	}{
		"openai/chat":        {"openai", openaichat.Dialect{}, "/v1/chat/completions"},
		"anthropic/messages": {"anthropic", anthropic.Dialect{}, "/v1/messages"},
	} {
		for _, r := range load(t, corpus, api) {
			t.Run(api+"/"+r.name, func(t *testing.T) {
				replay(t, set.Provider(c.provider), c.dialect, c.path, &r)
			})
		}
	}
}

func replay(t *testing.T, provider adapters.Provider, dialect adapters.Dialect, path string, r *recorded) (*adapters.ProviderResponse, []byte) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range r.meta.Headers {
			if name != "content-length" && name != "transfer-encoding" {
				w.Header().Set(name, value)
			}
		}
		if w.Header().Get("Content-Type") == "" {
			w.Header().Set("Content-Type", map[string]string{"sse": "text/event-stream", "eventstream": "application/vnd.amazon.eventstream"}[r.meta.Framing])
		}
		w.WriteHeader(r.meta.Status)
		_, _ = w.Write(r.response)
	}))
	defer srv.Close()
	base, _ := url.Parse(srv.URL)
	if dialect.Name() == openaichat.Name {
		base.Path = "/v1"
	}
	endpoint := &adapters.Endpoint{Name: "e", BaseURL: base, APIKey: "sk-secret"}
	registry := &adapters.Registry{Name: "r", Provider: provider, Endpoints: []*adapters.Endpoint{endpoint}}
	op := adapters.OperationChat
	if strings.HasSuffix(path, "/count-tokens") {
		op = adapters.OperationCountTokens
	}
	in, err := dialect.Inspect(op, path, r.body)
	if err != nil {
		// The recorder did not keep this request's body: one like it stands in, since only the answer is looked at.
		r.body = []byte(`{"model":"m","messages":[]}`)
		if in, err = dialect.Inspect(op, path, r.body); err != nil {
			t.Fatal(err)
		}
	}
	req := &adapters.RequestContext{
		ID: "req_test", Dialect: dialect, Operation: op, Method: http.MethodPost, Path: path,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: r.body, Inspection: in,
	}
	target := &adapters.Target{Registry: registry, Endpoint: endpoint, SentModel: in.Model, Attempt: 1, Ticket: ticket{}}
	invoker := adapters.NewProviderInvoker(adapters.InvokerOptions{})
	defer invoker.Close()
	invoke := invoker.Invoke
	if r.meta.Framing == "sse" || r.meta.Framing == "eventstream" {
		req.Stream = true
		invoke = invoker.InvokeStream
	}
	resp, err := invoke(context.Background(), target, req)
	var got []byte
	if resp.Stream != nil {
		for frame, streamErr := range resp.Stream {
			got = append(got, frame...)
			err = streamErr
		}
	} else {
		got = append(got, resp.Body...)
	}
	check(t, r, req, resp, got, err)
	return resp, got
}

func check(t *testing.T, r *recorded, req *adapters.RequestContext, resp *adapters.ProviderResponse, got []byte, err error) {
	if resp.StatusCode != r.meta.Status {
		t.Errorf("status %d, want %d", resp.StatusCode, r.meta.Status)
	}
	inStream := r.expect.Error != nil && r.expect.Error.InStream
	cut := r.expect.StreamInfo != nil && !r.expect.StreamInfo.Terminal && !r.expect.StreamInfo.SawDone
	if want := withoutUsageChunk(r, req); !bytes.Equal(got, want) && !inStream {
		t.Errorf("the client got other bytes than the provider sent:\n%.2000s\nwant\n%.2000s", got, want)
	}
	if !r.expect.OK || inStream || cut {
		if resp.Outcome == adapters.OutcomeSuccess && err == nil {
			t.Errorf("an error was taken for a success: %v", err)
		}
		return
	}
	if err != nil || resp.Outcome != adapters.OutcomeSuccess {
		t.Fatalf("outcome %v, class %s: %v", resp.Outcome, resp.ErrorClass, err)
	}
	text := func(what, got string, want *string) {
		if want != nil && got != *want {
			t.Errorf("%s %q, want %q", what, got, *want)
		}
	}
	text("id", resp.ResponseID, r.expect.ID)
	text("model", resp.Model, r.expect.Model)
	text("finish reason", resp.NativeFinishReason, r.expect.FinishReason)
	if r.expect.Refusal != nil && *r.expect.Refusal != "" && resp.FinishReason != events.FinishRefusal {
		t.Errorf("canonical finish reason %q, want refusal", resp.FinishReason)
	}
	if r.expect.Usage == nil || r.expect.Inclusive == nil {
		if resp.Evidence == events.EvidenceReported {
			t.Errorf("usage %+v is said to be reported", resp.Usage)
		}
		return
	}
	count := func(what string, got uint64, want *uint64) {
		if want != nil && got != *want {
			t.Errorf("%s %d, want %d", what, got, *want)
		}
	}
	if resp.Evidence != events.EvidenceReported {
		t.Errorf("evidence %s", resp.Evidence)
	}
	count("input", resp.Usage.InputTokens, r.expect.Inclusive.Input)
	count("output", resp.Usage.OutputTokens, r.expect.Inclusive.Output)
	count("cached", resp.Usage.CacheReadTokens, r.expect.Usage.CachedRead)
	count("cache write", resp.Usage.CacheWriteTokens, r.expect.Usage.CacheWrite)
	count("reasoning", resp.Usage.ReasoningTokens, r.expect.Usage.Reasoning)
	count("audio in", resp.Usage.InputAudioTokens, r.expect.Usage.AudioIn)
	count("audio out", resp.Usage.OutputAudioTokens, r.expect.Usage.AudioOut)
}

// withoutUsageChunk is what a client that did not ask for usage is to get: the provider's bytes without that chunk.
func withoutUsageChunk(r *recorded, req *adapters.RequestContext) []byte {
	if r.meta.Framing != "sse" || req.IncludeUsage || req.Dialect.Name() != openaichat.Name {
		return r.response
	}
	var kept []byte
	for rest := r.response; len(rest) > 0; {
		event := rest
		if i := bytes.Index(rest, []byte("\n\n")); i >= 0 {
			event = rest[:i+2]
		} else if i := bytes.Index(rest, []byte("\r\n\r\n")); i >= 0 {
			event = rest[:i+4]
		}
		rest = rest[len(event):]
		var chunk struct {
			Choices *[]any          `json:"choices"`
			Usage   json.RawMessage `json:"usage"`
		}
		data := bytes.TrimPrefix(bytes.TrimSpace(event), []byte("data: "))
		if json.Unmarshal(data, &chunk) == nil && chunk.Choices != nil && len(*chunk.Choices) == 0 && len(chunk.Usage) > 4 {
			continue
		}
		kept = append(kept, event...)
	}
	return kept
}
