package openairesponses

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/adaptertest/corpus"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/sse"
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

// same ignores where things stood, and the spaces in JSON.
var same = []cmp.Option{
	cmp.FilterValues(func(a, b json.RawMessage) bool { return len(a) > 0 || len(b) > 0 },
		cmp.Comparer(func(a, b json.RawMessage) bool { return compact(a) == compact(b) })),
	cmpopts.IgnoreFields(canonical.Part{}, "Field"), cmpopts.IgnoreFields(canonical.Tool{}, "Field"), cmpopts.EquateEmpty(),
}

// recorded are the APIs whose recordings are in this dialect.
var recorded = []string{
	"openai/responses", "azure/responses", "bedrock/openai_compat_responses", "deepseek/responses", "openrouter/responses", "xai/responses",
}

// Encoding what was decoded, and decoding that, changes nothing: every recorded request keeps its meaning.
func TestRecordedRequestsKeepTheirMeaning(t *testing.T) {
	seen := 0
	for _, api := range recorded {
		for _, c := range corpus.Load(t, corpus.Dir(t), api) {
			t.Run(api+"/"+c.Name, func(t *testing.T) {
				first, again, lost, err := there(c.Body)
				if err != nil {
					return // the recorder kept no body
				}
				seen++
				second, _, _, err := there(again)
				if err != nil {
					t.Fatalf("%v in %s", err, again)
				}
				for _, l := range lost {
					if !l.Hint {
						t.Errorf("lost %s", l.Field)
					}
				}
				if diff := cmp.Diff(first, second, same...); diff != "" && len(lost) == 0 {
					t.Errorf("−first +second\n%s", diff)
				}
			})
		}
	}
	if seen < 50 {
		t.Errorf("only %d requests were there", seen)
	}
}

// Every recorded answer decodes, and what a client gets of it says the same.
func TestRecordedAnswersKeepTheirMeaning(t *testing.T) {
	for _, api := range recorded {
		for _, c := range corpus.Load(t, corpus.Dir(t), api) {
			if !c.Expect.OK || c.Meta.Framing == "sse" {
				continue
			}
			facts := &adapters.ProviderResponse{}
			if err := (Dialect{}).ReadAnswer(adapters.OperationChat, c.Response, facts); err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
			first, err := Dialect{}.DecodeAnswer(c.Response)
			if err != nil {
				t.Errorf("%s: %v", c.Name, err)
				continue
			}
			if got := first.Choices[0].Finish; got != facts.FinishReason {
				t.Errorf("%s: finished with %q, of which the facts say %q", c.Name, got, facts.FinishReason)
			}
			encoded := Dialect{}.EncodeAnswer(first, &adapters.RequestContext{ID: "req_1", Body: c.Body}, facts)
			second, err := Dialect{}.DecodeAnswer(encoded)
			if err != nil {
				t.Fatalf("%s: %v in %s", c.Name, err, encoded)
			}
			if diff := cmp.Diff(first, second, append(same, cmpopts.IgnoreFields(canonical.Choice{}, "Logprobs"))...); diff != "" {
				t.Errorf("%s: −first +second\n%s", c.Name, diff)
			}
		}
	}
}

// Every recorded stream decodes to what its last event says as a whole, and so does what a client gets of it.
func TestRecordedStreamsSayWhatTheirWholeSays(t *testing.T) {
	for _, api := range recorded {
		for _, c := range corpus.Load(t, corpus.Dir(t), api) {
			if !c.Expect.OK || c.Meta.Framing != "sse" || c.Expect.Error != nil || !c.Expect.StreamInfo.Terminal {
				continue
			}
			t.Run(api+"/"+c.Name, func(t *testing.T) {
				facts := &adapters.ProviderResponse{}
				streamed, out, whole := decodeStream(t, c.Response, c.Body, facts)
				want, err := Dialect{}.DecodeAnswer(whole)
				if err != nil {
					t.Fatal(err)
				}
				// Ids and ciphers differ between an item's own end and the last event.
				ignore := append(same, cmp.Comparer(func(a, b canonical.Thought) bool {
					return a.Text == b.Text && a.Summary == b.Summary && (a.Encrypted == "") == (b.Encrypted == "")
				}))
				if diff := cmp.Diff(shown(want), streamed, ignore...); diff != "" {
					t.Errorf("−whole +streamed\n%s", diff)
				}
				again, _, whole := decodeStream(t, out, c.Body, &adapters.ProviderResponse{})
				if diff := cmp.Diff(streamed, again, ignore...); diff != "" {
					t.Errorf("−streamed +streamed again\n%s", diff)
				}
				if want, err = (Dialect{}).DecodeAnswer(whole); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(shown(want), again, ignore...); diff != "" {
					t.Errorf("−our whole +our stream\n%s", diff)
				}
			})
		}
	}
}

// shown leaves out what a stream does not carry across dialects: what the provider's own tools did.
func shown(r *canonical.Response) []canonical.Part {
	var parts []canonical.Part
	for _, p := range r.Choices[0].Parts {
		if p.Kind != canonical.Foreign {
			parts = append(parts, p)
		}
	}
	return parts
}

// decodeStream collects the parts of a stream, encodes it anew, and finds the response of its last event.
func decodeStream(t *testing.T, text, request []byte, facts *adapters.ProviderResponse) (parts []canonical.Part, out []byte, whole json.RawMessage) {
	t.Helper()
	req := &adapters.RequestContext{ID: "req_1", Body: request}
	reader, decoder := Dialect{}.NewStreamReader(req, facts), Dialect{}.NewStreamDecoder()
	encoder := Dialect{}.NewStreamEncoder(req, facts)
	emit := func(e *canonical.Event) {
		switch e.Kind {
		case canonical.PartBegin:
			if e.Index != len(parts) {
				t.Errorf("part %d begins where %d should", e.Index, len(parts))
			}
			parts = append(parts, copied(e.Part))
		case canonical.PartDelta:
			grow(&parts[e.Index], e)
		}
		out = encoder.Event(out, e)
	}
	each(text, func(name string, data []byte) {
		if _, err := reader.Event(name, data); err != nil {
			t.Errorf("%v in %s", err, data)
		}
		if err := decoder.Event(name, data, emit); err != nil {
			t.Errorf("%v in %s", err, data)
		}
		var e struct{ Response json.RawMessage }
		if json.Unmarshal(data, &e) == nil && e.Response != nil {
			whole = e.Response
		}
	})
	if err := reader.End(); err != nil {
		t.Error(err)
	}
	decoder.End(emit)
	return parts, encoder.End(out), whole
}

// copied is a copy of a part, to be added to.
func copied(p *canonical.Part) canonical.Part {
	c := *p
	if p.Thought != nil {
		thought := *p.Thought
		c.Thought = &thought
	}
	if p.Call != nil {
		call := *p.Call
		c.Call = &call
	}
	return c
}

func grow(p *canonical.Part, e *canonical.Event) {
	switch p.Kind {
	case canonical.Thinking:
		p.Thought.Text += e.Text
	case canonical.ToolCall:
		p.Call.Arguments += e.Text
	default:
		p.Text += e.Text
	}
	if e.Part == nil {
		return
	}
	if e.Part.Citations != nil {
		var all, more []json.RawMessage
		_ = json.Unmarshal(p.Citations, &all)
		_ = json.Unmarshal(e.Part.Citations, &more)
		p.Citations, p.Dialect = canonical.Marshal(append(all, more...)), e.Part.Dialect
	}
	if e.Part.Thought != nil {
		p.Thought.Encrypted += e.Part.Thought.Encrypted
		p.Thought.Signature += e.Part.Thought.Signature
	}
}

func each(text []byte, visit func(name string, data []byte)) {
	scanner := sse.NewScanner(bytes.NewReader(text), nil, 1<<20)
	for {
		e, ok := scanner.Ready()
		if ok {
			visit(e.Name, e.Data)
		} else if scanner.Fill() != nil {
			return
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"model":"m","instructions":"be brief","input":[{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"data:;base64,"},{"type":"x"}]}]}`))
	f.Add([]byte(`{"input":[{"type":"reasoning","id":"r","summary":[{"text":"s"}],"encrypted_content":"e"},{"type":"function_call","call_id":"1","name":"f","arguments":""},{"type":"function_call_output","call_id":"1","output":[{"type":"input_file","file_data":"x"}]}],"store":true}`))
	f.Add([]byte(`{"input":"x","tools":[{"type":"custom"},{"type":"function"}],"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function"}]},"text":{"format":{"type":"json_schema"}},"include":["reasoning.encrypted_content"]}`))
	f.Add([]byte(`{"input":[{"type":"reasoning","encrypted_content":"tollhouse.part.x"},{"type":"web_search_call"},{"type":"item_reference","id":"i"},null]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		first, again, _, err := there(body)
		if err != nil {
			if e := adapters.AsError(err); e.Code != adapters.CodeInvalidRequest {
				t.Errorf("%v of %q", err, body)
			}
			return
		}
		if !json.Valid(again) {
			t.Fatalf("%q became %q", body, again)
		}
		second, _, _, err := there(again)
		if err == nil && len(second.Messages) > len(first.Messages)+1 {
			t.Errorf("%d messages became %d: %s", len(first.Messages), len(second.Messages), again)
		}
		sent := &adapters.RequestContext{Body: body, Operation: adapters.OperationChat}
		if sent.Inspection, err = (Dialect{}).Inspect(adapters.OperationChat, "", body); err != nil {
			t.Fatal(err)
		}
		if out, err := (Dialect{}).Rewrite(nil, sent, "another"); err != nil || !json.Valid(out) {
			t.Errorf("%v: %q was rewritten as %q", err, body, out)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"id":"r","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[{"type":"message","content":[{"type":"output_text","text":"a","annotations":[{}],"logprobs":[{}]}]}],"usage":{"input_tokens":1}}`))
	f.Add([]byte(`{"output":[{"type":"function_call","arguments":""},{"type":"reasoning","summary":[{"text":"x"}]},{"type":"image_generation_call","result":"x"},3],"created_at":1.5}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		facts := &adapters.ProviderResponse{}
		if (Dialect{}).ReadAnswer(adapters.OperationChat, body, facts) != nil {
			return
		}
		r, err := Dialect{}.DecodeAnswer(body)
		if err != nil {
			return
		}
		if out := (Dialect{}).EncodeAnswer(r, &adapters.RequestContext{ID: "r", Body: body}, facts); !json.Valid(out) {
			t.Errorf("%s became %s", body, out)
		}
	})
}

// Whatever a stream does, its parts come one after the other, and what we make of it is a whole stream again.
func FuzzStream(f *testing.F) {
	f.Add([]byte("data: {\"type\":\"response.output_item.added\",\"output_index\":1,\"item\":{\"type\":\"function_call\"}}\n\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\n"))
	f.Add([]byte("event: response.reasoning_summary_text.delta\ndata: {\"delta\":\"x\",\"summary_index\":2}\n\nevent: response.output_item.done\ndata: {\"item\":{\"type\":\"reasoning\",\"encrypted_content\":\"e\"}}\n\ndata: [DONE]\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		facts, req := &adapters.ProviderResponse{}, &adapters.RequestContext{ID: "r"}
		reader, decoder, encoder := Dialect{}.NewStreamReader(req, facts), Dialect{}.NewStreamDecoder(), Dialect{}.NewStreamEncoder(req, facts)
		open, next := false, 0
		var out []byte
		emit := func(e *canonical.Event) {
			switch e.Kind {
			case canonical.PartBegin:
				if open || e.Index != next || e.Part == nil {
					t.Errorf("%+v begins out of turn", e)
				}
				open, next = true, next+1
			case canonical.PartDelta, canonical.PartEnd:
				if !open || e.Index != next-1 {
					t.Errorf("%+v of no open part", e)
				}
				open = e.Kind == canonical.PartDelta
			}
			out = encoder.Event(out, e)
		}
		each(text, func(name string, data []byte) {
			_, _ = reader.Event(name, data)
			_ = decoder.Event(name, data, emit)
		})
		_ = reader.End()
		decoder.End(emit)
		if open {
			t.Error("a part was left open")
		}
		again := Dialect{}.NewStreamReader(req, &adapters.ProviderResponse{})
		each(encoder.End(out), func(name string, data []byte) {
			if _, err := again.Event(name, data); err != nil && facts.FinishReason != "error" {
				t.Errorf("%v reading %s", err, data)
			}
		})
		if err := again.End(); err != nil && facts.FinishReason != "error" {
			t.Error(err)
		}
	})
}
