package bedrock

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire/eventstream"
	"github.com/tollhouse/tollhouse/events"
)

func TestReadAnswer(t *testing.T) {
	const output = `"output":{"message":{"role":"assistant","content":[{"text":"hi"}]}}`
	for name, c := range map[string]struct {
		op   adapters.Operation
		body string
		want adapters.ProviderResponse
		bad  bool
	}{
		"the cache is added to the input": {"", `{` + output + `,"stopReason":"end_turn","usage":{"inputTokens":3,"outputTokens":61,"totalTokens":2435,
			"cacheReadInputTokens":2074,"cacheReadInputTokenCount":2074,"cacheWriteInputTokens":297,"cacheDetails":[{"inputTokens":200,"ttl":"5m"},{"inputTokens":97,"ttl":"1h"}]}}`, adapters.ProviderResponse{
			Outcome: adapters.OutcomeSuccess, Evidence: events.EvidenceReported, NativeFinishReason: "end_turn", FinishReason: events.FinishStop,
			Usage: &events.Usage{InputTokens: 2374, CacheReadTokens: 2074, CacheWriteTokens: 297, CacheWrite1hTokens: 97, OutputTokens: 61},
		}, false},
		"a total of its own": {"", `{` + output + `,"stopReason":"max_tokens","usage":{"inputTokens":3,"outputTokens":1,"totalTokens":9,"serverToolUsage":{"webSearchRequests":2}}}`, adapters.ProviderResponse{
			Outcome: adapters.OutcomeSuccess, Evidence: events.EvidenceReported, NativeFinishReason: "max_tokens", FinishReason: events.FinishLength,
			Usage: &events.Usage{InputTokens: 3, OutputTokens: 1, OtherUnits: map[string]uint64{"provider_total_tokens": 9, "webSearchRequests": 2}},
		}, false},
		"a prompt router names the model": {"", `{` + output + `,"trace":{"promptRouter":{"invokedModelId":"arn:x"}},"usage":{"inputTokens":1,"outputTokens":1}}`, adapters.ProviderResponse{
			Outcome: adapters.OutcomeSuccess, Evidence: events.EvidenceReported, Model: "arn:x", Usage: &events.Usage{InputTokens: 1, OutputTokens: 1},
		}, false},
		"no usage": {"", `{` + output + `}`, adapters.ProviderResponse{
			Outcome: adapters.OutcomeSuccess, Evidence: events.EvidenceEstimated, Usage: &events.Usage{},
		}, false},
		"a count":          {adapters.OperationCountTokens, `{"inputTokens": 18}`, adapters.ProviderResponse{Outcome: adapters.OutcomeSuccess, Evidence: events.EvidenceNone}, false},
		"not a count":      {adapters.OperationCountTokens, `{` + output + `}`, adapters.ProviderResponse{}, true},
		"not an operation": {"", `{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}`, adapters.ProviderResponse{}, true},
		"no message":       {"", `{"output":{}}`, adapters.ProviderResponse{}, true},
		"not JSON":         {"", `<html>`, adapters.ProviderResponse{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var got adapters.ProviderResponse
			err := Dialect{}.ReadAnswer(c.op, []byte(c.body), &got)
			if (err != nil) != c.bad {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" && !c.bad {
				t.Error(diff)
			}
		})
	}
}

func TestEachReasonHasItsWord(t *testing.T) {
	for native, want := range map[string]events.FinishReason{
		"": "", "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "model_context_window_exceeded": "length",
		"tool_use": "tool_calls", "guardrail_intervened": "content_filter", "content_filtered": "content_filter",
		"malformed_tool_use": "error", "malformed_model_output": "error", "something_new": "other",
	} {
		if got := finish(native); got != want {
			t.Errorf("%s is %s, want %s", native, got, want)
		}
	}
}

func TestErrorsOfOurs(t *testing.T) {
	for _, c := range []struct {
		code        adapters.Code
		kind, frame string
	}{
		{adapters.CodeInvalidRequest, "ValidationException", "validationException"},
		{adapters.CodeInvalidKey, "AccessDeniedException", "validationException"},
		{adapters.CodeModelNotAllowed, "AccessDeniedException", "validationException"},
		{adapters.CodeModelNotFound, "ResourceNotFoundException", "validationException"},
		{adapters.CodeRateLimited, "ThrottlingException", "throttlingException"},
		{adapters.CodeOverloaded, "ServiceUnavailableException", "serviceUnavailableException"},
		{adapters.CodeUpstreamTimeout, "ModelTimeoutException", "modelStreamErrorException"},
		{adapters.CodeUpstreamError, "InternalServerException", "modelStreamErrorException"},
		{adapters.CodeInternal, "InternalServerException", "internalServerException"},
	} {
		e := adapters.Errorf(c.code, "what is wrong")
		h := http.Header{}
		Dialect{}.SetErrorHeader(h, e)
		if got := h.Get("x-amzn-errortype"); got != c.kind {
			t.Errorf("%s: type %s, want %s", c.code, got, c.kind)
		}
		if got := string(Dialect{}.RenderError(e)); got != `{"message":"what is wrong"}` {
			t.Errorf("body %s", got)
		}
		want := string(eventstream.AppendException(nil, c.frame, []byte(`{"message":"what is wrong"}`)))
		if got := string(Dialect{}.RenderErrorFrame(e)); got != want {
			t.Errorf("%s: frame %q, want %q", c.code, got, want)
		}
	}
}

func TestModels(t *testing.T) {
	d := Dialect{}
	if got := string(d.RenderModels(nil)); got != `{"modelSummaries":[]}` {
		t.Error(got)
	}
	nova := adapters.Model{ID: "amazon.nova-lite-v1:0", OwnedBy: "aws"}
	const entry = `{"modelId":"amazon.nova-lite-v1:0","modelName":"amazon.nova-lite-v1:0","providerName":"aws","responseStreamingSupported":true}`
	if got := string(d.RenderModels([]adapters.Model{nova})); got != `{"modelSummaries":[`+entry+`]}` {
		t.Error(got)
	}
	if got := string(d.RenderModel(nova)); got != `{"modelDetails":`+entry+`}` {
		t.Error(got)
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add(false, []byte(`{"output":{"message":{"content":[{"text":"x"}]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3}}`))
	f.Add(false, []byte(`{"output":{"message":{}},"usage":{"inputTokens":18446744073709551615,"cacheReadInputTokens":18446744073709551615,"outputTokens":1}}`))
	f.Add(false, []byte(`{"output":{"message":{}},"usage":{"inputTokens":1,"cacheDetails":[{"ttl":"1h","inputTokens":7},null,3],"serverToolUsage":{"a":1}}}`))
	f.Add(false, []byte(`{"output":{"message":{}},"trace":{"promptRouter":{"invokedModelId":"m"}}}`))
	f.Add(true, []byte(`{"inputTokens":18}`))
	f.Fuzz(func(t *testing.T, counting bool, body []byte) {
		op := adapters.OperationChat
		if counting {
			op = adapters.OperationCountTokens
		}
		var facts adapters.ProviderResponse
		if err := (Dialect{}).ReadAnswer(op, body, &facts); err == nil {
			sound(t, &facts)
		}
	})
}

// sound checks what must hold of any facts.
func sound(t *testing.T, facts *adapters.ProviderResponse) {
	t.Helper()
	u := facts.Usage
	if u == nil {
		return
	}
	if u.InputTokens > events.MaxTokens || u.CacheReadTokens+u.CacheWriteTokens > u.InputTokens || u.CacheWrite1hTokens > u.CacheWriteTokens {
		t.Errorf("the parts exceed the whole: %+v", *u)
	}
}
