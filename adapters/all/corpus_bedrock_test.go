package all

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/adaptertest/corpus"
	"github.com/tollhouse/tollhouse/adapters/dialects/bedrock"
	bedrockapi "github.com/tollhouse/tollhouse/adapters/providers/bedrock"
	"github.com/tollhouse/tollhouse/events"
)

// What Bedrock's words for the end of an answer mean.
var bedrockFinish = map[string]events.FinishReason{
	"end_turn": events.FinishStop, "max_tokens": events.FinishLength, "tool_use": events.FinishToolCalls,
	"guardrail_intervened": events.FinishContentFilter,
}

// What is to become of the recordings in which the provider reports an error.
var bedrockErrors = map[string]struct {
	outcome adapters.Outcome
	class   events.ErrorClass
}{
	"err-bedrock-converse-cut":                        {adapters.OutcomeRetryable, events.ErrorMalformedResponse},
	"err-bedrock-midstream-modelstreamerrorexception": {adapters.OutcomeRetryable, events.ErrorOverloaded},
	"err-bedrock-midstream-throttlingexception":       {adapters.OutcomeRetryable, events.ErrorRateLimited},
}

func TestRecordingsOfBedrockPassUntouchedAndAreCounted(t *testing.T) {
	dir := corpus.Dir(t)
	set, err := Set()
	if err != nil {
		t.Fatal(err)
	}
	for _, api := range []string{"bedrock/converse", "bedrock/count_tokens"} {
		for _, r := range corpus.Load(t, dir, api) {
			t.Run(api+"/"+r.Name, func(t *testing.T) {
				u, err := url.Parse(r.Meta.URL)
				if err != nil {
					t.Fatal(err)
				}
				resp, got := replay(t, set.Provider("bedrock"), bedrock.Dialect{}, u.EscapedPath(), &r)
				if want := r.Expect.RequestID; want != nil && resp.UpstreamRequestID != *want {
					t.Errorf("request id %q, want %q", resp.UpstreamRequestID, *want)
				}
				for _, name := range []string{"x-amzn-requestid", "x-amzn-errortype"} { // SDKs read both
					if want := r.Meta.Headers[name]; resp.Headers.Get(name) != want {
						t.Errorf("%s %q went back, want %q", name, resp.Headers.Get(name), want)
					}
				}
				if native := r.Expect.FinishReason; native != nil && resp.FinishReason != bedrockFinish[*native] {
					t.Errorf("finish reason %q for %s", resp.FinishReason, *native)
				}
				switch want, isError := bedrockErrors[r.Name]; {
				case isError:
					if resp.Outcome != want.outcome || resp.ErrorClass != want.class {
						t.Errorf("outcome %v, class %s; want %v, %s", resp.Outcome, resp.ErrorClass, want.outcome, want.class)
					}
					if resp.Usage == nil || resp.Evidence != events.EvidenceEstimated {
						t.Errorf("usage %v is %s: what was written before the break is to be estimated", resp.Usage, resp.Evidence)
					}
					// Here all comes at once: what fails before anything went out is for another attempt to answer.
					if !bytes.HasPrefix(r.Response, got) || bytes.Contains(got, []byte(":exception-type")) {
						t.Error("the client got other than what came before the break")
					}
				case !r.Expect.OK:
					if resp.Outcome != adapters.OutcomeTerminal || resp.ErrorClass != events.ErrorInvalidRequest {
						t.Errorf("outcome %v, class %s for status %d", resp.Outcome, resp.ErrorClass, resp.StatusCode)
					}
				}
			})
		}
	}
}

func TestAnExceptionAfterContentGoesNoFurther(t *testing.T) {
	dir := corpus.Dir(t)
	for _, r := range corpus.Load(t, dir, "bedrock/converse") {
		want, isError := bedrockErrors[r.Name]
		if !isError || want.class == events.ErrorMalformedResponse {
			continue
		}
		t.Run(r.Name, func(t *testing.T) {
			last := bytes.LastIndex(r.Response, []byte("\x0f:exception-type")) - 12 // the prelude stands before its headers
			heard := make(chan struct{})
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
				_, _ = w.Write(r.Response[:last])
				_ = http.NewResponseController(w).Flush()
				<-heard
				_, _ = w.Write(r.Response[last:])
			}))
			defer srv.Close()
			base, _ := url.Parse(srv.URL)
			endpoint := &adapters.Endpoint{Name: "e", BaseURL: base, APIKey: "sk-secret"}
			target := &adapters.Target{
				Registry: &adapters.Registry{Name: "r", Provider: bedrockapi.New()}, Endpoint: endpoint, SentModel: "m", Attempt: 1, Ticket: ticket{},
			}
			req := &adapters.RequestContext{
				Dialect: bedrock.Dialect{}, Operation: adapters.OperationChat, Method: http.MethodPost, Path: "/model/m/converse-stream",
				Body: []byte(`{}`), Inspection: adapters.Inspection{Model: "m", Stream: true},
			}
			invoker := adapters.NewProviderInvoker(adapters.InvokerOptions{})
			defer invoker.Close()
			resp, err := invoker.InvokeStream(t.Context(), target, req)
			if err != nil {
				t.Fatal(err)
			}
			close(heard)
			var got []byte
			for frames, streamErr := range resp.Stream {
				got, err = append(got, frames...), streamErr
			}
			if !bytes.Equal(got, r.Response[:last]) {
				t.Error("the client did not get what came before the exception, and only that")
			}
			if said := adapters.AsError(err); said.Message != *r.Expect.Error.Message || resp.ErrorClass != want.class {
				t.Errorf("%v, class %s", said, resp.ErrorClass)
			}
		})
	}
}

func TestADamagedFrameIsAMalformedAnswer(t *testing.T) {
	dir := corpus.Dir(t)
	for _, r := range corpus.Load(t, dir, "bedrock/converse") {
		if r.Meta.Framing != "eventstream" || bedrockErrors[r.Name].class != "" {
			continue
		}
		r.Response = bytes.Clone(r.Response)
		r.Response[len(r.Response)-9] ^= 1 // in the metadata, behind all content
		r.Expect.StreamInfo.Terminal = false
		r.Expect.Error = &struct {
			InStream bool    `json:"in_stream"`
			Message  *string `json:"message"`
		}{InStream: true}
		t.Run(r.Name, func(t *testing.T) {
			resp, _ := replay(t, bedrockapi.New(), bedrock.Dialect{}, "/model/m/converse-stream", &r)
			if resp.Outcome != adapters.OutcomeRetryable || resp.ErrorClass != events.ErrorMalformedResponse {
				t.Errorf("outcome %v, class %s", resp.Outcome, resp.ErrorClass)
			}
		})
	}
}
