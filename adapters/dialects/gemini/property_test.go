package gemini

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
)

type obj = map[string]any

// maker draws requests as clients of Gemini may write them.
type maker struct {
	*rapid.T
	calls []string // names of the last turn's calls, whose results are owed
}

func (m *maker) word(label string) string { return rapid.StringN(0, 8, 24).Draw(m.T, label) }
func (m *maker) flip(label string) bool   { return rapid.Bool().Draw(m.T, label) }

func (m *maker) userPart() obj {
	switch rapid.IntRange(0, 3).Draw(m.T, "user part") {
	case 0:
		kind := rapid.SampledFrom([]string{"image/png", "audio/wav", "video/mp4", "application/pdf", "text/csv"}).Draw(m.T, "mime")
		return obj{"inlineData": obj{"mimeType": kind, "data": "AAAA"}}
	case 1:
		uri := rapid.SampledFrom([]string{"gs://b/o", "https://x.test/a.png"}).Draw(m.T, "uri")
		return obj{"file_data": obj{"mime_type": "image/png", "file_uri": uri}}
	}
	return obj{"text": m.word("text")}
}

func (m *maker) modelPart(i int) obj {
	p := obj{}
	switch rapid.IntRange(0, 3).Draw(m.T, "model part") {
	case 0:
		name := fmt.Sprintf("f%d", i)
		c := obj{"name": name}
		if m.flip("args") {
			c["args"] = obj{"a": m.word("arg"), "b": []any{1, 2.5, nil}}
		}
		m.calls = append(m.calls, name)
		p["functionCall"] = c
	case 1:
		p["text"], p["thought"] = "thought "+m.word("thought"), true
	case 2:
		return obj{"executableCode": obj{"language": "PYTHON", "code": m.word("code")}}
	default:
		p["text"] = m.word("text")
	}
	if m.flip("signed") {
		p["thoughtSignature"] = "c2ln"
	}
	return p
}

func (m *maker) contents() (all []any) {
	for range rapid.IntRange(1, 4).Draw(m.T, "turns") {
		var user, model []any
		for _, name := range m.calls {
			response := rapid.SampledFrom([]any{
				obj{"output": "x"}, obj{"error": "y"}, obj{"error": obj{"code": 1}}, obj{"a": 1, "b": obj{}}, obj{}, obj{"output": obj{"z": 1}}, obj{"result": "r"},
			}).Draw(m.T, "response")
			user = append(user, obj{"functionResponse": obj{"name": name, "response": response}})
		}
		m.calls = nil
		for range rapid.IntRange(1, 3).Draw(m.T, "user parts") {
			user = append(user, m.userPart())
		}
		for i := range rapid.IntRange(1, 4).Draw(m.T, "model parts") {
			model = append(model, m.modelPart(i))
		}
		all = append(all, obj{"role": "user", "parts": user}, obj{"role": "model", "parts": model})
	}
	return all
}

func (m *maker) schema(depth int) obj {
	s := obj{"type": rapid.SampledFrom([]string{"STRING", "INTEGER", "BOOLEAN"}).Draw(m.T, "type"), "nullable": m.flip("nullable")}
	if depth > 0 && m.flip("object") {
		s = obj{"type": "OBJECT", "properties": obj{"p": m.schema(depth - 1), "q": obj{"type": "ARRAY", "items": m.schema(depth - 1), "minItems": "1"}}}
	}
	return s
}

func (m *maker) request() []byte {
	r := obj{"contents": m.contents()}
	if m.flip("system") {
		r["system_instruction"] = obj{"parts": []any{obj{"text": m.word("system")}}}
	}
	if m.flip("tools") {
		r["tools"] = []any{
			obj{"functionDeclarations": []any{obj{"name": "f0", "parameters": m.schema(2)}, obj{"name": "f1", "description": m.word("d")}}},
			obj{"googleSearch": obj{}},
			obj{"codeExecution": obj{}},
		}
		mode := rapid.SampledFrom([]string{"AUTO", "ANY", "NONE", "VALIDATED"}).Draw(m.T, "mode")
		choice := obj{"mode": mode}
		if (mode == "ANY" || mode == "VALIDATED") && m.flip("only") {
			choice["allowed_function_names"] = []string{"f0", "f1"}[:rapid.IntRange(1, 2).Draw(m.T, "names")]
		}
		r["toolConfig"] = obj{"functionCallingConfig": choice}
	}
	c := obj{}
	for name, value := range map[string]any{
		"temperature": 0.5, "topP": 1, "topK": 3, "maxOutputTokens": 10, "seed": -1, "candidateCount": 2, "stopSequences": []string{"a", ""},
		"presencePenalty": 0.1, "frequencyPenalty": 1e-3, "responseLogprobs": true, "logprobs": 2, "responseModalities": []string{"TEXT", "IMAGE"},
		"thinkingConfig":    obj{"thinkingBudget": rapid.SampledFrom([]int{-1, 0, 512}).Draw(m.T, "budget"), "includeThoughts": m.flip("show")},
		"mediaResolution":   "MEDIA_RESOLUTION_LOW",
		"response_schema":   m.schema(1),
		"speechConfig":      obj{"voiceConfig": obj{"prebuiltVoiceConfig": obj{"voiceName": "Kore"}}},
		"responseMimeType":  rapid.SampledFrom([]string{"application/json", "text/x.enum"}).Draw(m.T, "kind"),
		"enableEnhancement": nil,
	} {
		if m.flip(name) {
			c[name] = value
		}
	}
	r["generationConfig"] = c
	if m.flip("safety") {
		r["safetySettings"] = []any{obj{"category": "c", "threshold": "BLOCK_LOW_AND_ABOVE"}}
	}
	body, _ := json.Marshal(r)
	return body
}

func TestARoundOfTheCodecChangesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const model = "gemini-2.5-flash"
		body := (&maker{T: rt}).request()
		r := decode(t, model, body)
		before := dump(r)
		out, lost, err := Dialect{}.EncodeRequest(r)
		if err != nil || len(lost) > 0 {
			rt.Fatalf("lost %v, %v of %s", lost, err, body)
		}
		if !bytes.Equal(before, dump(r)) {
			rt.Fatal("encoding wrote into the request")
		}
		if diff := cmp.Diff(withoutFields(r), withoutFields(decode(t, model, out)), sameJSON); diff != "" {
			rt.Fatalf("%s\nbecame\n%s\n%s", body, out, diff)
		}
	})
}

// FuzzCodec feeds what is no request and no answer: nothing panics, and what comes out is JSON.
func FuzzCodec(f *testing.F) {
	for _, s := range []string{
		`{"contents":[{"parts":[{"text":"x"},{"functionCall":{}},{"functionResponse":{}},{"inlineData":{}},{"thought":true}]}]}`,
		`{"contents":{"parts":{"fileData":{"fileUri":"::"}}},"tools":{"functionDeclarations":{"parameters":{"type":"OBJECT","enum":1,"nullable":true}}}}`,
		`{"systemInstruction":"x","generationConfig":{"thinkingConfig":{},"responseSchema":[],"speechConfig":1,"x_y":{}},"toolConfig":{"a.b":1}}`,
		`{"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"s"},{"functionCall":{"args":"no"}}]},"index":3}]}`,
		hello, bye, trouble,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d := Dialect{}
		if in, err := d.Inspect(adapters.OperationChat, "/v1beta/models/gemini-3:generateContent", body); err == nil {
			if r, err := d.DecodeRequest(&adapters.RequestContext{Body: body, Inspection: in}); err == nil {
				if out, _, err := d.EncodeRequest(r); err == nil && !json.Valid(out) {
					t.Errorf("%s", out)
				}
			}
		}
		var facts adapters.ProviderResponse
		req := &adapters.RequestContext{}
		if r, err := d.DecodeAnswer(body); err == nil {
			if out := d.EncodeAnswer(r, req, &facts); !json.Valid(out) {
				t.Errorf("%s", out)
			}
		}
		decoder, encoder := d.NewStreamDecoder(), d.NewStreamEncoder(req, &facts)
		var out []byte
		emit := func(e *canonical.Event) { out = encoder.Event(out, e) }
		_ = decoder.Event("", body, emit)
		_ = decoder.Event("", body, emit)
		decoder.End(emit)
		if out = encoder.End(out); !json.Valid(out) {
			t.Errorf("%s", out)
		}
	})
}
