package all

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/adaptertest/corpus"
	"github.com/tollhouse/tollhouse/adapters/dialects/anthropic"
	"github.com/tollhouse/tollhouse/adapters/dialects/openaichat"
	"github.com/tollhouse/tollhouse/events"
)

type ticket struct{}

func (ticket) Redeem() error { return nil }

func TestRecordingsPassUntouchedAndAreCounted(t *testing.T) {
	dir := corpus.Dir(t)
	set, err := Set()
	if err != nil {
		t.Fatal(err)
	}
	for api, c := range map[string]struct {
		provider string
		dialect  adapters.Dialect
		path     string
	}{
		"openai/chat":         {"openai", openaichat.Dialect{}, "/v1/chat/completions"},
		"alibaba/chat":        {"openai_compatible", openaichat.Dialect{}, "/v1/chat/completions"},
		"azure/chat":          {"openai_compatible", openaichat.Dialect{}, "/v1/chat/completions"},
		"cerebras/chat":       {"cerebras", openaichat.Dialect{}, "/v1/chat/completions"},
		"deepseek/chat":       {"deepseek", openaichat.Dialect{}, "/v1/chat/completions"},
		"groq/chat":           {"groq", openaichat.Dialect{}, "/v1/chat/completions"},
		"huggingface/chat":    {"openai_compatible", openaichat.Dialect{}, "/v1/chat/completions"},
		"mistral/chat":        {"mistral", openaichat.Dialect{}, "/v1/chat/completions"},
		"ollama/chat":         {"openai_compatible", openaichat.Dialect{}, "/v1/chat/completions"},
		"openrouter/chat":     {"openrouter", openaichat.Dialect{}, "/v1/chat/completions"},
		"perplexity/chat":     {"perplexity", openaichat.Dialect{}, "/v1/chat/completions"},
		"together/chat":       {"together", openaichat.Dialect{}, "/v1/chat/completions"},
		"vercel_gateway/chat": {"openai_compatible", openaichat.Dialect{}, "/v1/chat/completions"},
		"xai/chat":            {"xai", openaichat.Dialect{}, "/v1/chat/completions"},
		"zai/chat":            {"openai_compatible", openaichat.Dialect{}, "/v1/chat/completions"},
		"anthropic/messages":  {"anthropic", anthropic.Dialect{}, "/v1/messages"},

		"bedrock/openai_compat_chat": {"openai_compatible", openaichat.Dialect{}, "/v1/chat/completions"},
		"anthropic/count_tokens":     {"anthropic", anthropic.Dialect{}, "/v1/messages/count_tokens"},
		"openai/embeddings":          {"openai", openaichat.Dialect{}, "/v1/embeddings"},
		"azure/embeddings":           {"openai_compatible", openaichat.Dialect{}, "/v1/embeddings"},
		"mistral/embeddings":         {"mistral", openaichat.Dialect{}, "/v1/embeddings"},
		"openrouter/embeddings":      {"openrouter", openaichat.Dialect{}, "/v1/embeddings"},
		"perplexity/embeddings":      {"perplexity", openaichat.Dialect{}, "/v1/embeddings"},
	} {
		for _, r := range corpus.Load(t, dir, api) {
			t.Run(api+"/"+r.Name, func(t *testing.T) {
				replay(t, set.Provider(c.provider), c.dialect, c.path, &r)
			})
		}
	}
}

// notReplayed are the recorded APIs that no test replays, and why.
var notReplayed = map[string]string{
	"openai/models": "the gateway's own list", "cerebras/models": "the gateway's own list", "perplexity/models": "the gateway's own list",
	"openai/completions": "a non-goal", "openai/moderations": "a non-goal", "openai/responses_compact": "a non-goal",
	"openai/responses_input_tokens": "a non-goal", "bedrock/invoke": "a non-goal", "cohere/chat_v1": "a non-goal", "ollama/native_chat": "a non-goal",
}

// TestEveryRecordedAPIIsReplayed looks for recordings that were added and are read by nobody.
func TestEveryRecordedAPIIsReplayed(t *testing.T) {
	recorded, err := filepath.Glob(filepath.Join(corpus.Dir(t), "*", "*"))
	if err != nil || len(recorded) == 0 {
		t.Fatal(err)
	}
	var tests []byte
	sources, _ := filepath.Glob("*_test.go")
	for _, path := range sources {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		tests = append(tests, source...)
	}
	for _, path := range recorded {
		api := filepath.Base(filepath.Dir(path)) + "/" + filepath.Base(path)
		if n := strings.Count(string(tests), strconv.Quote(api)); n == 0 {
			t.Errorf("%s is replayed by no test", api)
		} else if n > 1 && notReplayed[api] != "" {
			t.Errorf("%s is replayed, and is said not to be", api)
		}
	}
}

func replay(t *testing.T, provider adapters.Provider, dialect adapters.Dialect, path string, r *corpus.Case) (*adapters.ProviderResponse, []byte) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range r.Meta.Headers {
			if name != "content-length" && name != "transfer-encoding" {
				w.Header().Set(name, value)
			}
		}
		if w.Header().Get("Content-Type") == "" {
			w.Header().Set("Content-Type", map[string]string{"sse": "text/event-stream", "eventstream": "application/vnd.amazon.eventstream"}[r.Meta.Framing])
		}
		w.WriteHeader(r.Meta.Status)
		_, _ = w.Write(r.Response)
	}))
	defer srv.Close()
	base, _ := url.Parse(srv.URL)
	if dialect.Name() == openaichat.Name {
		base.Path = "/v1"
	}
	endpoint := &adapters.Endpoint{Name: "e", BaseURL: base, APIKey: "sk-secret"}
	registry := &adapters.Registry{Name: "r", Provider: provider, Endpoints: []*adapters.Endpoint{endpoint}}
	op := adapters.OperationChat
	switch {
	case strings.HasSuffix(path, "/count-tokens"), strings.HasSuffix(path, "/count_tokens"):
		op = adapters.OperationCountTokens
	case strings.HasSuffix(path, "/embeddings"):
		op = adapters.OperationEmbeddings
	}
	in, err := dialect.Inspect(op, path, r.Body)
	if err != nil {
		// The recorder did not keep this request's body: one like it stands in, since only the answer is looked at.
		r.Body = []byte(`{"model":"m","messages":[]}`)
		if in, err = dialect.Inspect(op, path, r.Body); err != nil {
			t.Fatal(err)
		}
	}
	req := &adapters.RequestContext{
		ID: "req_test", Dialect: dialect, Operation: op, Method: http.MethodPost, Path: path,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: r.Body, Inspection: in,
	}
	target := &adapters.Target{Registry: registry, Endpoint: endpoint, SentModel: in.Model, Attempt: 1, Ticket: ticket{}}
	invoker := adapters.NewProviderInvoker(adapters.InvokerOptions{})
	defer invoker.Close()
	invoke := invoker.Invoke
	if r.Meta.Framing == "sse" || r.Meta.Framing == "eventstream" {
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

func check(t *testing.T, r *corpus.Case, req *adapters.RequestContext, resp *adapters.ProviderResponse, got []byte, err error) {
	if resp.StatusCode != r.Meta.Status {
		t.Errorf("status %d, want %d", resp.StatusCode, r.Meta.Status)
	}
	inStream := r.Expect.Error != nil && r.Expect.Error.InStream
	cut := r.Expect.StreamInfo != nil && !r.Expect.StreamInfo.Terminal && !r.Expect.StreamInfo.SawDone
	if want := wanted(r, req); !bytes.Equal(got, want) && !inStream {
		t.Errorf("the client got other bytes than the provider sent:\n%.2000s\nwant\n%.2000s", got, want)
	}
	if !r.Expect.OK || inStream || cut {
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
	text("id", resp.ResponseID, r.Expect.ID)
	text("model", resp.Model, r.Expect.Model)
	text("finish reason", resp.NativeFinishReason, r.Expect.FinishReason)
	if r.Expect.Refusal != nil && *r.Expect.Refusal != "" && resp.FinishReason != events.FinishRefusal {
		t.Errorf("canonical finish reason %q, want refusal", resp.FinishReason)
	}
	if u := r.Expect.Usage; req.Operation == adapters.OperationEmbeddings && u != nil { // they have no output
		if resp.Evidence != events.EvidenceReported || u.Input == nil || resp.Usage.InputTokens != *u.Input {
			t.Errorf("usage %+v (%s), want %v", resp.Usage, resp.Evidence, u.Input)
		}
		return
	}
	if r.Expect.Usage == nil || r.Expect.Inclusive == nil {
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
	count("input", resp.Usage.InputTokens, r.Expect.Inclusive.Input)
	count("output", resp.Usage.OutputTokens, r.Expect.Inclusive.Output)
	// A part is never more than the whole: where a provider says so, its own figure stands among the other units.
	part := func(kind string, got uint64, want *uint64) {
		if reported := resp.Usage.OtherUnits["reported_"+kind]; reported > got {
			got = reported
		}
		count(kind, got, want)
	}
	part("cache_read_tokens", resp.Usage.CacheReadTokens, r.Expect.Usage.CachedRead)
	part("cache_write_tokens", resp.Usage.CacheWriteTokens, r.Expect.Usage.CacheWrite)
	part("reasoning_tokens", resp.Usage.ReasoningTokens, r.Expect.Usage.Reasoning)
	part("input_audio_tokens", resp.Usage.InputAudioTokens, r.Expect.Usage.AudioIn)
	part("output_audio_tokens", resp.Usage.OutputAudioTokens, r.Expect.Usage.AudioOut)
}

// wanted is what the client is to get.
func wanted(r *corpus.Case, req *adapters.RequestContext) []byte {
	if req.IncludeUsage || req.Dialect.Name() != openaichat.Name {
		return r.Response
	}
	return r.WithoutUsageChunk()
}
