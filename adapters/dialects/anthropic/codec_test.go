package anthropic

import (
	"bytes"
	"encoding/json"
	"slices"
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
	for _, api := range []string{"anthropic/messages"} {
		for _, c := range corpus.Load(t, corpus.Dir(t), api) {
			t.Run(api+"/"+c.Name, func(t *testing.T) {
				first, again, lost, err := there(c.Body)
				if err != nil {
					return // the recorder kept no body, or the provider refused it, too
				}
				seen++
				// An effort becomes a budget, which all of its models take; what a system says in the middle of a conversation moves to
				// its beginning.
				system := slices.IndexFunc(first.Messages, func(m canonical.Message) bool { return m.Role == canonical.System })
				if first.Reasoning != nil && first.Reasoning.Effort != "" || system > 0 {
					return
				}
				second, _, _, err := there(again)
				if err != nil {
					t.Fatalf("%v in %s", err, again)
				}
				// A system prompt that is empty says nothing.
				if diff := cmp.Diff(first, second, sameRequest...); diff != "" && len(lost) == 0 {
					t.Errorf("−first +second, with %v lost\n%s", lost, diff)
				}
			})
		}
	}
	if seen < 40 {
		t.Errorf("only %d requests were there", seen)
	}
}

// Every recorded answer decodes, and what a client gets of it is JSON with the same text and calls.
func TestRecordedAnswersKeepTheirMeaning(t *testing.T) {
	for _, c := range corpus.Load(t, corpus.Dir(t), "anthropic/messages") {
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
	f.Add([]byte(`{"model":"m","max_tokens":1,"system":[{"type":"text","text":"a"}],"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64"}}]}]}`))
	f.Add([]byte(`{"messages":[{"role":"assistant","content":[{"type":"thinking"},{"type":"tool_use","input":[]}]},{"role":"user","content":[{"type":"tool_result"}]}]}`))
	f.Add([]byte(`{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}`))
	f.Add([]byte(`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}`))
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
