package gemini

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

func TestUsageIsMadeInclusive(t *testing.T) {
	for name, c := range map[string]struct {
		metadata string
		want     events.Usage
	}{
		"thoughts come on top of the candidates": {
			`{"promptTokenCount":11,"candidatesTokenCount":49,"thoughtsTokenCount":603,"totalTokenCount":663}`,
			events.Usage{InputTokens: 11, OutputTokens: 652, ReasoningTokens: 603},
		},
		"what is cached is in the prompt": {
			`{"promptTokenCount":1344,"cachedContentTokenCount":1274,"candidatesTokenCount":99}`,
			events.Usage{InputTokens: 1344, CacheReadTokens: 1274, OutputTokens: 99},
		},
		"a tool's prompt comes on top of the prompt": {
			`{"promptTokenCount":9,"toolUsePromptTokenCount":61,"candidatesTokenCount":27,"totalTokenCount":97}`,
			events.Usage{InputTokens: 70, OutputTokens: 27},
		},
		"sound is counted apart": {
			`{"promptTokenCount":120,"promptTokensDetails":[{"modality":"TEXT","tokenCount":7},{"modality":"AUDIO","tokenCount":113}],
			  "candidatesTokenCount":40,"candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":40}]}`,
			events.Usage{InputTokens: 120, InputAudioTokens: 113, OutputTokens: 40, OutputAudioTokens: 40},
		},
		"a total that is no sum is kept": {
			`{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":20}`,
			events.Usage{InputTokens: 10, OutputTokens: 5, OtherUnits: map[string]uint64{"provider_total_tokens": 20}},
		},
		"zeros are left out": {`{"trafficType":"ON_DEMAND"}`, events.Usage{}},
	} {
		t.Run(name, func(t *testing.T) {
			var facts adapters.ProviderResponse
			body := []byte(`{"candidates":[{"content":{"parts":[]}}],"usageMetadata":` + c.metadata + `}`)
			if err := (Dialect{}).ReadAnswer(adapters.OperationChat, body, &facts); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&c.want, facts.Usage); diff != "" || facts.Evidence != events.EvidenceReported {
				t.Errorf("evidence %s\n%s", facts.Evidence, diff)
			}
		})
	}
}

func TestFinishReasons(t *testing.T) {
	call := `"content":{"parts":[{"functionCall":{"name":"f"}}]},`
	for body, want := range map[string]events.FinishReason{
		`{"candidates":[{"finishReason":"STOP"}]}`:                                     events.FinishStop,
		`{"candidates":[{` + call + `"finishReason":"STOP"}]}`:                         events.FinishToolCalls,
		`{"candidates":[{"finishReason":"STOP"},{` + call + `"index":1}]}`:             events.FinishStop,
		`{"candidates":[{` + call + `"finishReason":"MAX_TOKENS"}]}`:                   events.FinishLength,
		`{"candidates":[{"finishReason":"SAFETY"}]}`:                                   events.FinishContentFilter,
		`{"candidates":[{"finishReason":"IMAGE_SAFETY"}]}`:                             events.FinishContentFilter,
		`{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}`:                  events.FinishError,
		`{"candidates":[{"finishReason":"LANGUAGE"}]}`:                                 events.FinishOther,
		`{"candidates":[{"finishReason":"NEWER_THAN_THIS"}]}`:                          events.FinishOther,
		`{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{}}`:               events.FinishContentFilter,
		`{"promptFeedback":{"safetyRatings":[]},"candidates":[{"content":{}}]}`:        "",
		`{"candidates":[{"index":1,"finishReason":"SAFETY"},{"finishReason":"STOP"}]}`: events.FinishStop,
	} {
		var facts adapters.ProviderResponse
		if err := (Dialect{}).ReadAnswer(adapters.OperationChat, []byte(body), &facts); err != nil {
			t.Fatal(err)
		}
		if facts.FinishReason != want || facts.Outcome != adapters.OutcomeSuccess {
			t.Errorf("%s: %q, outcome %v; want %q", body, facts.FinishReason, facts.Outcome, want)
		}
	}
}

func TestAnErrorInsideASuccess(t *testing.T) {
	var facts adapters.ProviderResponse
	body := `{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED","details":[{"@type":"x","violations":[{}]},
		{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.4s"}]}}`
	if err := (Dialect{}).ReadAnswer(adapters.OperationChat, []byte(body), &facts); err != nil {
		t.Fatal(err)
	}
	if facts.Outcome != adapters.OutcomeRetryable || facts.ErrorClass != events.ErrorRateLimited || facts.RetryAfter != 34400*time.Millisecond {
		t.Errorf("%+v", facts)
	}
	if err := (Dialect{}).ReadAnswer(adapters.OperationChat, []byte(`{"hello":1}`), &facts); err == nil {
		t.Error("an object that is no answer was taken for one")
	}
}

// play feeds a stream to a reader as the invoker does.
func play(contentType, stream string, facts *adapters.ProviderResponse) (got []adapters.Disposition, err error) {
	d := Dialect{}
	s := d.NewScanner(contentType, strings.NewReader(stream), make([]byte, 0, 64), 1<<20)
	r := d.NewStreamReader(&adapters.RequestContext{Body: []byte("12345678")}, facts)
	for {
		for e, ok := s.Ready(); ok; e, ok = s.Ready() {
			d, err := r.Event(e.Name, e.Data)
			got = append(got, d)
			if err != nil {
				_ = r.End()
				return got, err
			}
		}
		if err := s.Fill(); err != nil {
			if !errors.Is(err, io.EOF) {
				return got, err
			}
			return got, r.End()
		}
	}
}

const (
	hello   = `{"candidates":[{"content":{"parts":[{"text":"hello"}]}}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":1}}`
	bye     = `{"candidates":[{"content":{"parts":[]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":9}}`
	trouble = `{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}`
)

func chunked(chunks ...string) string {
	return "data: " + strings.Join(chunks, "\r\n\r\ndata: ") + "\r\n\r\n"
}

func TestStreams(t *testing.T) {
	const sse, array = "text/event-stream", "application/json; charset=UTF-8"
	for name, c := range map[string]struct {
		kind, stream string
		fails        string
		evidence     events.Evidence
		output       uint64
		want         []adapters.Disposition
	}{
		"events": {sse, chunked(hello, bye), "", events.EvidenceReported, 9, []adapters.Disposition{adapters.Content, adapters.Content}},
		"usage behind the finish reason": {
			sse, chunked(bye, `{"usageMetadata":{"candidatesTokenCount":12}}`), "", events.EvidenceReported, 12,
			[]adapters.Disposition{adapters.Content, adapters.Content},
		},
		"cut events": {
			sse, chunked(hello), "ended before", events.EvidencePartial, 1, []adapters.Disposition{adapters.Content},
		},
		"nothing":           {sse, "", "ended before", events.EvidenceEstimated, 0, nil},
		"an error at first": {sse, chunked(trouble), "overloaded", events.EvidenceEstimated, 0, []adapters.Disposition{adapters.Failed}},
		"an error behind content": {
			sse, chunked(hello, trouble), "overloaded", events.EvidencePartial, 1, []adapters.Disposition{adapters.Content, adapters.Failed},
		},
		"no JSON": {sse, chunked("{"), "ended before", events.EvidenceEstimated, 0, []adapters.Disposition{adapters.Failed}},
		"an array": {
			array, "[" + hello + "\n,\n" + bye + "]\n", "", events.EvidenceReported, 9,
			[]adapters.Disposition{adapters.Content, adapters.Content, adapters.Last, adapters.Content},
		},
		"an array without its end": {
			array, "[" + hello + "\n,\n" + bye, "ended before", events.EvidencePartial, 1,
			[]adapters.Disposition{adapters.Content, adapters.Content},
		},
		"an array that ends too early": {
			array, "[" + hello + "]", "ended before", events.EvidencePartial, 1, []adapters.Disposition{adapters.Content, adapters.Failed},
		},
		"an error in an array": {
			array, "[" + trouble + "]", "overloaded", events.EvidenceEstimated, 0, []adapters.Disposition{adapters.Failed},
		},
		"an error instead of an array": {
			array, trouble, "overloaded", events.EvidenceEstimated, 0, []adapters.Disposition{adapters.Failed},
		},
		"two candidates, one unfinished": {
			sse, chunked(`{"candidates":[{"index":1,"content":{"parts":[{"text":"x"}]}}]}`, bye), "ended before", events.EvidencePartial, 1,
			[]adapters.Disposition{adapters.Content, adapters.Content},
		},
		"a blocked prompt": {
			sse, chunked(`{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4}}`), "", events.EvidenceReported, 0,
			[]adapters.Disposition{adapters.Content},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var facts adapters.ProviderResponse
			got, err := play(c.kind, c.stream, &facts)
			if (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Fatalf("%v, want %q", err, c.fails)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if facts.Evidence != c.evidence || facts.Usage == nil || facts.Usage.OutputTokens != c.output && c.evidence != events.EvidencePartial {
				t.Errorf("evidence %s of %+v", facts.Evidence, facts.Usage)
			}
			if c.evidence == events.EvidencePartial && facts.Usage.OutputTokens < c.output {
				t.Errorf("output %d is less than what came", facts.Usage.OutputTokens)
			}
		})
	}
}

func FuzzReadAnswer(f *testing.F) {
	for _, s := range []string{
		hello, bye, trouble, `{"totalTokens":3}`, `{"embedding":{"values":[]}}`, `{"candidates":[{"content":null,"index":99}],"error":{}}`,
		`{"usageMetadata":{"promptTokenCount":18446744073709551615,"toolUsePromptTokenCount":9,"promptTokensDetails":[1,{}]},"promptFeedback":[]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(_ *testing.T, body []byte) {
		for _, op := range []adapters.Operation{adapters.OperationChat, adapters.OperationCountTokens, adapters.OperationEmbeddings} {
			_ = Dialect{}.ReadAnswer(op, body, &adapters.ProviderResponse{})
		}
	})
}

func FuzzStream(f *testing.F) {
	for _, s := range []string{chunked(hello, bye), chunked(hello, trouble), "[" + hello + ",\n" + bye + "]", trouble, "[", "data: {}\n\n"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, stream string, sse bool) {
		kind := "application/json"
		if sse {
			kind = "text/event-stream"
		}
		var facts adapters.ProviderResponse
		if _, err := play(kind, stream, &facts); err == nil && (facts.Usage == nil || facts.Outcome != adapters.OutcomeSuccess) {
			t.Errorf("a stream that ended well has no facts: %+v", facts)
		}
	})
}
