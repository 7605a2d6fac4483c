package openaichat

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/adaptertest/corpus"
	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// there decodes a request and encodes it again.
func there(body []byte) (*canonical.Request, []byte, []canonical.Loss, error) {
	in, err := Dialect{}.Inspect(adapters.OperationChat, "", body)
	if err != nil {
		return nil, nil, nil, err
	}
	r, err := Dialect{}.DecodeRequest(&adapters.RequestContext{Dialect: Dialect{}, Body: body, Inspection: in})
	if err != nil {
		return nil, nil, nil, err
	}
	again, lost, err := Dialect{}.EncodeRequest(r)
	return r, again, lost, err
}

func compact(raw []byte) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}

// sameRequest ignores where things stood, and the spaces in JSON.
var sameRequest = []cmp.Option{
	cmp.FilterValues(func(a, b json.RawMessage) bool { return len(a) > 0 || len(b) > 0 },
		cmp.Comparer(func(a, b json.RawMessage) bool { return compact(a) == compact(b) })),
	cmp.Comparer(func(a, b canonical.Call) bool {
		same := compact([]byte(a.Arguments)) == compact([]byte(b.Arguments))
		a.Arguments, b.Arguments = "", ""
		return same && a == b
	}),
	cmpopts.IgnoreFields(canonical.Part{}, "Field"), cmpopts.IgnoreFields(canonical.Tool{}, "Field"), cmpopts.EquateEmpty(),
}

// Encoding what was decoded, and decoding that, changes nothing: every recorded request keeps its meaning.
func TestRecordedRequestsKeepTheirMeaning(t *testing.T) {
	seen := 0
	for _, api := range []string{"openai/chat", "groq/chat", "mistral/chat", "openrouter/chat", "deepseek/chat", "azure/chat"} {
		for _, c := range corpus.Load(t, corpus.Dir(t), api) {
			t.Run(api+"/"+c.Name, func(t *testing.T) {
				first, again, lost, err := there(c.Body)
				if err != nil {
					return // the recorder kept no body, or the provider refused it, too
				}
				seen++
				second, _, _, err := there(again)
				if err != nil {
					t.Fatalf("%v in %s", err, again)
				}
				if len(first.Tools) == 0 {
					first.ToolChoice = nil // it says nothing
				}
				if diff := cmp.Diff(first, second, sameRequest...); diff != "" && len(lost) == 0 {
					t.Errorf("−first +second, with %v lost\n%s", lost, diff)
				}
			})
		}
	}
	if seen < 100 {
		t.Errorf("only %d requests were there", seen)
	}
}

// Every recorded answer decodes, and what a client gets of it is JSON with the same text and calls.
func TestRecordedAnswersKeepTheirMeaning(t *testing.T) {
	for _, c := range corpus.Load(t, corpus.Dir(t), "openai/chat") {
		if !c.Expect.OK || c.Meta.Framing == "sse" {
			continue
		}
		first, err := Dialect{}.DecodeAnswer(c.Response)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		encoded := Dialect{}.EncodeAnswer(first, &adapters.RequestContext{ID: "req_1"}, &adapters.ProviderResponse{})
		second, err := Dialect{}.DecodeAnswer(encoded)
		if err != nil {
			t.Fatalf("%s: %v in %s", c.Name, err, encoded)
		}
		ignore := append(sameRequest, cmpopts.IgnoreFields(canonical.Choice{}, "Logprobs"), cmpopts.IgnoreFields(canonical.Response{}, "Created"))
		if diff := cmp.Diff(first, second, ignore...); diff != "" {
			t.Errorf("%s: −first +second\n%s", c.Name, diff)
		}
	}
}

func FuzzCodec(f *testing.F) {
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:;base64,"}}]}]}`))
	f.Add([]byte(`{"messages":[{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":{}}}]},{"role":"tool","content":null}],"n":2}`))
	f.Add([]byte(`{"tools":[{"type":"custom"},{}],"tool_choice":{"type":"allowed_tools","allowed_tools":{}},"response_format":{"type":"json_schema","json_schema":{}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, again, _, err := there(body)
		if err == nil && !json.Valid(again) {
			t.Errorf("%q became %q", body, again)
		}
		_, _ = Dialect{}.DecodeAnswer(body)
		d := Dialect{}.NewStreamDecoder()
		e := Dialect{}.NewStreamEncoder(&adapters.RequestContext{}, &adapters.ProviderResponse{})
		var out []byte
		emit := func(ev *canonical.Event) { out = e.Event(out, ev) }
		_ = d.Event("", body, emit)
		d.End(emit)
	})
}
