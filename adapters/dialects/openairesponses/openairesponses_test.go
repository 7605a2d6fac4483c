package openairesponses

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/events"
)

func TestRewriteChangesTheModelOnly(t *testing.T) {
	for body, want := range map[string]string{
		`{"model":"a","input":"x", "z":1e2}`:       `{"model":"b","input":"x", "z":1e2}`,
		` {"input":"x","mod\u0065l" : "a" } `:      ` {"input":"x","mod\u0065l" : "b" } `,
		`{"model":null,"input":"x"}`:               `{"model":"b","input":"x"}`,
		`{ "input":"x"}`:                           `{"model":"b","input":"x"}`,
		`{ }`:                                      `{"model":"b"}`,
		`{"model":"b","stream":true,"store":null}`: `{"model":"b","stream":true,"store":null}`,
	} {
		in, err := Dialect{}.Inspect(adapters.OperationChat, "", []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		req := &adapters.RequestContext{Body: []byte(body), Operation: adapters.OperationChat, Inspection: in}
		if got, err := (Dialect{}).Rewrite(nil, req, "b"); err != nil || string(got) != want {
			t.Errorf("%s became %s, %v; want %s", body, got, err, want)
		}
	}
}

func TestWhatAnAnswersEndMeans(t *testing.T) {
	for body, want := range map[string]struct {
		outcome  adapters.Outcome
		finish   events.FinishReason
		native   string
		class    events.ErrorClass
		evidence events.Evidence
	}{
		`{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"a"}]}],"usage":{"input_tokens":1,"output_tokens":1}}`: {
			adapters.OutcomeSuccess, events.FinishStop, "completed", "", events.EvidenceReported,
		},
		`{"status":"completed","output":[{"type":"reasoning"},{"type":"function_call"}]}`: {
			adapters.OutcomeSuccess, events.FinishToolCalls, "completed", "", events.EvidenceEstimated,
		},
		`{"status":"completed","output":[{"type":"message","content":[{"type":"refusal","refusal":"no"}]}]}`: {
			adapters.OutcomeSuccess, events.FinishRefusal, "completed", "", events.EvidenceEstimated,
		},
		`{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[]}`: {
			adapters.OutcomeSuccess, events.FinishLength, "max_output_tokens", "", events.EvidenceEstimated,
		},
		`{"status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[]}`: {
			adapters.OutcomeSuccess, events.FinishContentFilter, "content_filter", "", events.EvidenceEstimated,
		},
		`{"status":"queued","background":true,"output":[],"usage":null}`: {
			adapters.OutcomeSuccess, events.FinishOther, "queued", "", events.EvidenceEstimated,
		},
		`{"status":"failed","error":{"code":"server_error","message":"m"},"output":[],"usage":{"input_tokens":3,"output_tokens":0}}`: {
			adapters.OutcomeRetryable, events.FinishError, "failed", events.ErrorOverloaded, events.EvidenceReported,
		},
		`{"status":"failed","error":{"code":"rate_limit_exceeded","message":"m"},"output":[]}`: {
			adapters.OutcomeRetryable, events.FinishError, "failed", events.ErrorRateLimited, "",
		},
		`{"status":"failed","error":{"code":"invalid_prompt","message":"m"},"output":[]}`: {
			adapters.OutcomeTerminal, events.FinishError, "failed", events.ErrorInvalidRequest, "",
		},
		`{"error":"what xAI says","code":"401"}`: {adapters.OutcomeRetryable, "", "", events.ErrorOverloaded, ""},
	} {
		facts := &adapters.ProviderResponse{}
		err := Dialect{}.ReadAnswer(adapters.OperationChat, []byte(body), facts)
		if err != nil || facts.Outcome != want.outcome || facts.FinishReason != want.finish || facts.NativeFinishReason != want.native ||
			facts.ErrorClass != want.class || facts.Evidence != want.evidence {
			t.Errorf("%s: %+v, %v", body, facts, err)
		}
	}
	for _, body := range []string{`[]`, `{"choices":[]}`, `{"output":null}`, `{"output":[`} {
		if err := (Dialect{}).ReadAnswer(adapters.OperationChat, []byte(body), &adapters.ProviderResponse{}); err == nil {
			t.Errorf("%s is taken for a response", body)
		}
	}
}

// An error comes in one of several forms, also our own, and each is read with its words and its class.
func TestErrorsInAStream(t *testing.T) {
	ours := Dialect{}.RenderErrorFrame(&adapters.Error{Code: adapters.CodeRateLimited, Message: "scripted", Param: "input"})
	for text, class := range map[string]events.ErrorClass{
		"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\",\"message\":\"scripted\"}}\n\n": events.ErrorCredential,
		"data: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"scripted\",\"param\":null}\n\n":                                           events.ErrorRateLimited,
		"data: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"scripted\"}}}\n\n":      events.ErrorOverloaded,
		"data: {\"error\":{\"message\":\"scripted\",\"type\":\"server_error\",\"code\":null}}\n\n":                                                          events.ErrorOverloaded,
		string(ours): events.ErrorRateLimited,
	} {
		facts := &adapters.ProviderResponse{}
		reader := Dialect{}.NewStreamReader(&adapters.RequestContext{}, facts)
		each([]byte(text), func(name string, data []byte) {
			d, err := reader.Event(name, data)
			if d != adapters.Failed || err == nil || !strings.Contains(err.Error(), "scripted") || facts.ErrorClass != class || facts.Outcome == adapters.OutcomeSuccess {
				t.Errorf("%s: %v, %v, %+v", text, d, err, facts)
			}
		})
	}
}

// What asks for a stored response that failed gets it: the asking did not fail, and nothing is counted again.
func TestAStoredResponseThatFailedIsAnAnswer(t *testing.T) {
	facts := &adapters.ProviderResponse{}
	reader := Dialect{}.NewStreamReader(&adapters.RequestContext{Operation: adapters.OperationStored}, facts)
	d, err := reader.Event("response.failed", []byte(`{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"m"},"usage":{"input_tokens":5,"output_tokens":1}}}`))
	if d != adapters.Last || err != nil || reader.End() != nil || facts.Outcome != adapters.OutcomeSuccess || facts.Usage != nil || facts.Evidence != events.EvidenceNone {
		t.Errorf("%v, %v, %+v", d, err, facts)
	}
}

// Signatures of any provider's come back from a client that hands an answer's items on, and stand where they stood.
func TestSignaturesSurviveTheClient(t *testing.T) {
	parts := []canonical.Part{
		{Kind: canonical.Thinking, Thought: &canonical.Thought{Text: "hm", Signature: "of the thought"}},
		{Kind: canonical.Thinking, Thought: &canonical.Thought{Encrypted: "what another encrypted"}},
		{Kind: canonical.Thinking, Thought: &canonical.Thought{Text: "a summary", Summary: true}},
		{Kind: canonical.Text, Text: "Looking.", Signature: "of the text"},
		{Kind: canonical.ToolCall, Call: &canonical.Call{ID: "c1", Name: "weather", Arguments: `{"city":"Oslo"}`}, Signature: "of the call"},
		{Kind: canonical.ToolCall, Call: &canonical.Call{ID: "c2", Name: "now", Arguments: "{}"}},
	}
	req, facts := &adapters.RequestContext{ID: "req_1"}, &adapters.ProviderResponse{}
	whole := Dialect{}.EncodeAnswer(&canonical.Response{Choices: []canonical.Choice{{Parts: parts}}}, req, facts)
	encoder := Dialect{}.NewStreamEncoder(req, facts)
	var stream []byte
	for i := range parts {
		// Text comes in deltas, and a signature with the last of them.
		begin := copied(&parts[i])
		begin.Text, begin.Signature = "", ""
		stream = encoder.Event(stream, &canonical.Event{Kind: canonical.PartBegin, Index: i, Part: &begin})
		stream = encoder.Event(stream, &canonical.Event{
			Kind: canonical.PartDelta, Index: i, Text: parts[i].Text, Part: &canonical.Part{Kind: parts[i].Kind, Signature: parts[i].Signature},
		})
		stream = encoder.Event(stream, &canonical.Event{Kind: canonical.PartEnd, Index: i})
	}
	stream = encoder.End(stream)
	var streamed json.RawMessage
	each(stream, func(_ string, data []byte) {
		var e struct{ Response json.RawMessage }
		if json.Unmarshal(data, &e) == nil && e.Response != nil {
			streamed = e.Response
		}
	})
	for how, answer := range map[string][]byte{"whole": whole, "streamed": streamed} {
		var a struct{ Output json.RawMessage }
		if err := json.Unmarshal(answer, &a); err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		body := fmt.Appendf(nil, `{"input":%s}`, a.Output)
		in, err := Dialect{}.Inspect(adapters.OperationChat, "", body)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Dialect{}.DecodeRequest(&adapters.RequestContext{Body: body, Inspection: in})
		if err != nil || len(back.Messages) != 1 {
			t.Fatalf("%s: %+v, %v", how, back, err)
		}
		for i := range back.Messages[0].Parts {
			if p := &back.Messages[0].Parts[i]; p.Thought != nil && p.Thought.Summary {
				p.Thought.ID = "" // of the item in which it was shown
			}
		}
		if diff := cmp.Diff(parts, back.Messages[0].Parts, same...); diff != "" {
			t.Errorf("%s: −answered +handed back\n%s", how, diff)
		}
	}
}

// A stream that has only deltas and an end, as some servers send, says what one says with all its events.
func TestASparseStream(t *testing.T) {
	text := "data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":\"a \"}\n\n" +
		"data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":\"b\"}\n\n" +
		"data: {\"type\":\"response.output_item.done\",\"output_index\":1,\"item\":{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"}}\n\n" +
		"data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"status\":\"completed\",\"output\":[]}}\n\n"
	facts := &adapters.ProviderResponse{}
	parts, _, _ := decodeStream(t, []byte(text), nil, facts)
	want := []canonical.Part{
		{Kind: canonical.Text, Text: "a b"},
		{Kind: canonical.ToolCall, Call: &canonical.Call{ID: "c", Name: "f", Arguments: "{}"}},
	}
	if diff := cmp.Diff(want, parts); diff != "" || facts.FinishReason != events.FinishToolCalls || facts.Evidence != events.EvidenceEstimated {
		t.Errorf("−want +got\n%s%+v", diff, facts)
	}
}

// What cannot be carried is named as the client wrote it; what only one provider could keep is no hint.
func TestWhatIsPeculiar(t *testing.T) {
	for body, want := range map[string]string{
		`{"input":"x","previous_response_id":"r","store":true}`:                                                              "previous_response_id, store?",
		`{"input":"x","conversation":{"id":"c"},"background":true}`:                                                          "conversation, background",
		`{"input":"x","background":false,"truncation":"disabled","store":false}`:                                             "",
		`{"input":"x","prompt":{"id":"p"},"truncation":"auto","max_tool_calls":3}`:                                           "prompt, truncation?, max_tool_calls?",
		`{"input":[{"type":"message","role":"assistant","phase":"commentary","content":"x"}],"reasoning":{"context":"all"}}`: "input[0].phase?, reasoning.context?",
	} {
		r, _, _, err := there([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range r.Others {
			if o.Hint {
				o.Name += "?"
			}
			got = append(got, o.Name)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %v, want %s", body, got, want)
		}
	}
}
