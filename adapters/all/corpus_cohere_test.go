package all

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/adaptertest/corpus"
	"github.com/tollhouse/tollhouse/adapters/dialects/cohere"
	"github.com/tollhouse/tollhouse/events"
)

// cohereCount is what an expectation says of Cohere's two counts.
type cohereCount struct {
	Usage *struct {
		Input        *uint64 `json:"input"` // what ran
		Output       *uint64 `json:"output"`
		CachedRead   *uint64 `json:"cached_read"`
		BilledInput  *uint64 `json:"billed_input"`
		BilledOutput *uint64 `json:"billed_output"`
	} `json:"usage"`
}

// Every recorded exchange passes untouched, and its facts are the expectation's. Three things are not as they stand there:
//
//   - the books' tokens are the billed ones, as Cohere's reference has it for usage.billed_units ("billed"), so they are held
//     against billed_input and billed_output, and what ran against input and output;
//   - cached_read is a part of what ran, and may exceed what is billed: it is a unit beside it;
//   - the expectation of a rerank and of embeddings has neither the id of an embedding nor the units of a rerank's meta: both
//     are in the answer.
func TestCohereRecordingsPassUntouchedAndAreCounted(t *testing.T) {
	dir := corpus.Dir(t)
	set, err := Set()
	if err != nil {
		t.Fatal(err)
	}
	for api, c := range map[string]struct {
		op    adapters.Operation
		path  string
		units map[string]uint64 // that every answer has
	}{
		"cohere/chat_v2":    {adapters.OperationChat, "/v2/chat", nil},
		"cohere/embeddings": {adapters.OperationEmbeddings, "/v2/embed", nil},
		"cohere/rerank":     {adapters.OperationRerank, "/v2/rerank", map[string]uint64{"search_units": 1}},
	} {
		for _, r := range corpus.Load(t, dir, api) {
			t.Run(api+"/"+r.Name, func(t *testing.T) {
				var want cohereCount
				corpus.Read(t, filepath.Join(dir, api, r.Name+".expect.json"), &want)
				resp, got, err := playCohere(t, set.Provider("cohere"), c.op, c.path, &r)
				checkCohere(t, &r, resp, got, err)
				if r.Expect.OK && resp.Outcome == adapters.OutcomeSuccess {
					countCohere(t, &want, c.units, resp)
				}
			})
		}
	}
}

// playCohere sends a recorded request through the invoker to a server that answers as recorded.
func playCohere(t *testing.T, provider adapters.Provider, op adapters.Operation, path string, r *corpus.Case) (*adapters.ProviderResponse, []byte, error) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, up *http.Request) {
		if up.URL.Path != path || up.Header.Get("Authorization") != "Bearer sk-secret" {
			t.Errorf("the request went to %s with %q", up.URL.Path, up.Header.Get("Authorization"))
		}
		for name, value := range r.Meta.Headers {
			if name != "content-length" && name != "transfer-encoding" {
				w.Header().Set(name, value)
			}
		}
		w.WriteHeader(r.Meta.Status)
		_, _ = w.Write(r.Response)
	}))
	defer srv.Close()
	base, _ := url.Parse(srv.URL)
	endpoint := &adapters.Endpoint{Name: "e", BaseURL: base, APIKey: "sk-secret"}
	registry := &adapters.Registry{Name: "r", Provider: provider, Endpoints: []*adapters.Endpoint{endpoint}}
	if string(r.Body) == "null" { // composed of another's answer, without a request
		r.Body, r.Stream = []byte(`{"model":"m","stream":true,"messages":[]}`), true
	}
	in, err := cohere.Dialect{}.Inspect(op, path, r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if in.Stream != r.Stream {
		t.Errorf("streamed %v, want %v", in.Stream, r.Stream)
	}
	req := &adapters.RequestContext{
		ID: "req_test", Dialect: cohere.Dialect{}, Operation: op, Method: http.MethodPost, Path: path,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: r.Body, Inspection: in,
	}
	target := &adapters.Target{Registry: registry, Endpoint: endpoint, SentModel: in.Model, Attempt: 1, Ticket: ticket{}}
	invoker := adapters.NewProviderInvoker(adapters.InvokerOptions{})
	defer invoker.Close()
	invoke := invoker.Invoke
	if in.Stream {
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
	return resp, got, err
}

func checkCohere(t *testing.T, r *corpus.Case, resp *adapters.ProviderResponse, got []byte, err error) {
	t.Helper()
	if resp.StatusCode != r.Meta.Status {
		t.Errorf("status %d, want %d", resp.StatusCode, r.Meta.Status)
	}
	if r.Expect.Error != nil && r.Expect.Error.InStream {
		// The gateway ends the stream in the place of the event that says so, with an event of the same kind; where it all came in
		// one read, nothing has gone out yet and another attempt may answer.
		before, _, _ := bytes.Cut(r.Response, []byte("event: message-end"))
		if !bytes.HasPrefix(before, got) || err == nil || resp.FinishReason != events.FinishError ||
			resp.Evidence != events.EvidenceEstimated {
			t.Errorf("an error in the stream came as %v, %s, %s:\n%s", err, resp.FinishReason, resp.Evidence, got)
		}
	} else if !bytes.Equal(got, r.Response) {
		t.Errorf("the client got other bytes than the provider sent:\n%.2000s\nwant\n%.2000s", got, r.Response)
	}
	cut := r.Expect.StreamInfo != nil && !r.Expect.StreamInfo.Terminal
	if r.Expect.OK && r.Expect.Error == nil && !cut {
		if err != nil || resp.Outcome != adapters.OutcomeSuccess || resp.Evidence != events.EvidenceReported {
			t.Fatalf("outcome %v, class %s, evidence %s: %v", resp.Outcome, resp.ErrorClass, resp.Evidence, err)
		}
	} else if resp.Outcome == adapters.OutcomeSuccess || resp.ErrorClass == "" || resp.Evidence == events.EvidenceReported {
		t.Errorf("outcome %v, class %q, evidence %s of what failed", resp.Outcome, resp.ErrorClass, resp.Evidence)
	}
	text := func(what, got string, want *string) {
		if want != nil && got != *want {
			t.Errorf("%s %q, want %q", what, got, *want)
		}
	}
	text("id", resp.ResponseID, r.Expect.ID)
	text("finish reason", resp.NativeFinishReason, r.Expect.FinishReason)
	if resp.Model != "" {
		t.Errorf("model %q: Cohere echoes none", resp.Model)
	}
	if r.Expect.OK && resp.ResponseID == "" {
		t.Error("no id was read")
	}
}

func countCohere(t *testing.T, want *cohereCount, units map[string]uint64, resp *adapters.ProviderResponse) {
	t.Helper()
	count := func(n *uint64) uint64 {
		if n == nil {
			return 0
		}
		return *n
	}
	var input, output uint64
	ran := events.Usage{}
	for name, n := range units {
		ran.AddUnit(name, n)
	}
	if w := want.Usage; w != nil {
		input, output = count(w.BilledInput), count(w.BilledOutput)
		ran.AddUnit("ran_input_tokens", count(w.Input))
		ran.AddUnit("ran_output_tokens", count(w.Output))
		ran.AddUnit("ran_cached_tokens", count(w.CachedRead))
	}
	if resp.Usage.InputTokens != input || resp.Usage.OutputTokens != output {
		t.Errorf("billed %d in, %d out; want %d, %d", resp.Usage.InputTokens, resp.Usage.OutputTokens, input, output)
	}
	got := resp.Usage.OtherUnits
	delete(got, "ran_image_tokens") // not in the expectation's words
	if diff := cmp.Diff(ran.OtherUnits, got); diff != "" {
		t.Errorf("units (-want +got)\n%s", diff)
	}
	if resp.Usage.CacheReadTokens != 0 {
		t.Errorf("%d tokens of the billed input are said to be cached", resp.Usage.CacheReadTokens)
	}
}
