package bedrock

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire/eventstream"
	"github.com/tollhouse/tollhouse/events"
)

type step struct{ name, data string }

func TestStreams(t *testing.T) {
	begin := []step{{"messageStart", `{"role":"assistant"}`}, {"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"hello"},"p":"abcdefghijklmnop"}`}}
	stop := []step{{"contentBlockStop", `{"contentBlockIndex":0}`}, {"messageStop", `{"stopReason":"end_turn"}`}}
	metadata := step{"metadata", `{"usage":{"inputTokens":5,"outputTokens":2,"totalTokens":17,"cacheReadInputTokens":10}}`}
	estimated := &events.Usage{OutputTokens: 1} // of {"text":"hello"}; the input is the invoker's to estimate
	for name, c := range map[string]struct {
		steps []step
		last  adapters.Disposition
		want  adapters.ProviderResponse
		code  adapters.Code // of the error
		text  string
	}{
		"whole": {append(append(begin, stop...), metadata), adapters.Last, adapters.ProviderResponse{
			Outcome: adapters.OutcomeSuccess, NativeFinishReason: "end_turn", FinishReason: "stop", Evidence: events.EvidenceReported,
			Usage: &events.Usage{InputTokens: 15, CacheReadTokens: 10, OutputTokens: 2},
		}, "", ""},
		"its usage lost": {append(begin, stop...), adapters.Content, adapters.ProviderResponse{
			Outcome: adapters.OutcomeSuccess, NativeFinishReason: "end_turn", FinishReason: "stop", Evidence: events.EvidenceEstimated, Usage: estimated,
		}, "", ""},
		"cut": {begin, adapters.Content, adapters.ProviderResponse{
			Outcome: adapters.OutcomeRetryable, ErrorClass: events.ErrorMalformedResponse, Evidence: events.EvidenceEstimated, Usage: estimated,
		}, adapters.CodeUpstreamError, "the provider's stream ended before its answer did"},
		"throttled": {append(begin, step{"throttlingException", `{"message":"slow down"}`}), adapters.Failed, adapters.ProviderResponse{
			Outcome: adapters.OutcomeRetryable, ErrorClass: events.ErrorRateLimited, Evidence: events.EvidenceEstimated, Usage: estimated,
		}, adapters.CodeRateLimited, "slow down"},
		"overloaded": {append(begin, step{"serviceUnavailableException", `{"message":"busy"}`}), adapters.Failed, adapters.ProviderResponse{
			Outcome: adapters.OutcomeRetryable, ErrorClass: events.ErrorOverloaded, Evidence: events.EvidenceEstimated, Usage: estimated,
		}, adapters.CodeOverloaded, "busy"},
		"invalid": {[]step{{"validationException", `{"message":"no"}`}}, adapters.Failed, adapters.ProviderResponse{
			Outcome: adapters.OutcomeTerminal, ErrorClass: events.ErrorInvalidRequest, Evidence: events.EvidenceEstimated, Usage: &events.Usage{},
		}, adapters.CodeUpstreamError, "no"},
		"an error of no model": {[]step{{"error:InternalFailure", `it broke`}}, adapters.Failed, adapters.ProviderResponse{
			Outcome: adapters.OutcomeRetryable, ErrorClass: events.ErrorOverloaded, Evidence: events.EvidenceEstimated, Usage: &events.Usage{},
		}, adapters.CodeOverloaded, "it broke"},
		"not JSON": {append(begin, step{"contentBlockDelta", `{`}), adapters.Failed, adapters.ProviderResponse{
			Outcome: adapters.OutcomeRetryable, ErrorClass: events.ErrorMalformedResponse, Evidence: events.EvidenceEstimated, Usage: estimated,
		}, adapters.CodeUpstreamError, "the provider's stream ended before its answer did"},
	} {
		t.Run(name, func(t *testing.T) {
			var got adapters.ProviderResponse
			reader := Dialect{}.NewStreamReader(&adapters.RequestContext{Body: []byte("12345678")}, &got)
			var d adapters.Disposition
			var err error
			for _, s := range c.steps {
				if d, err = reader.Event(s.name, []byte(s.data)); err != nil {
					break
				}
			}
			if d != c.last {
				t.Errorf("disposition %d, want %d", d, c.last)
			}
			if endErr := reader.End(); err == nil {
				err = endErr
			}
			var e *adapters.Error
			if errors.As(err, &e) != (c.code != "") || e != nil && (e.Code != c.code || e.Message != c.text) {
				t.Errorf("error %v, want %s: %s", err, c.code, c.text)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzStreamReader(f *testing.F) {
	stream := eventstream.AppendEvent(nil, "messageStart", []byte(`{"role":"assistant"}`))
	stream = eventstream.AppendEvent(stream, "contentBlockStart", []byte(`{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"t","name":"n"}}}`))
	stream = eventstream.AppendEvent(stream, "contentBlockDelta", []byte(`{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{}"}}}`))
	f.Add(stream)
	f.Add(eventstream.AppendException(bytes.Clone(stream), "throttlingException", []byte(`{"message":"x"}`)))
	stream = eventstream.AppendEvent(stream, "messageStop", []byte(`{"stopReason":"tool_use"}`))
	f.Add(eventstream.AppendEvent(stream, "metadata", []byte(`{"usage":{"inputTokens":9223372036854775807,"cacheWriteInputTokens":9223372036854775807,"outputTokens":2}}`)))
	f.Fuzz(func(t *testing.T, in []byte) {
		var facts adapters.ProviderResponse
		reader := Dialect{}.NewStreamReader(&adapters.RequestContext{}, &facts)
		scanner := Dialect{}.NewScanner(eventstream.ContentType, bytes.NewReader(in), nil, 1<<16)
		for scanner.Fill() == nil {
			for e, ok := scanner.Ready(); ok; e, ok = scanner.Ready() {
				if _, err := reader.Event(e.Name, e.Data); err != nil {
					break
				}
			}
		}
		_ = reader.End()
		sound(t, &facts)
		if facts.Usage == nil {
			t.Error("whatever ends a stream, it has used something")
		}
	})
}
