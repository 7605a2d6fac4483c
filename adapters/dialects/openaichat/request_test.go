package openaichat

import (
	"errors"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/adapters"
)

func TestRewriteEditsTwoPlacesAndKeepsTheRest(t *testing.T) {
	cases := []struct{ name, body, model, want string }{
		{"nothing to do", `{"model":"a","messages":[]}`, "a", `{"model":"a","messages":[]}`},
		{"the model", `{"messages":[], "model" : "a" ,"x":1.0e5}`, "b", `{"messages":[], "model" : "b" ,"x":1.0e5}`},
		{"a model with a quote", `{"model":"a"}`, `b"c`, `{"model":"b\"c"}`},
		{"no model", `{"messages":[]}`, "b", `{"messages":[],"model":"b"}`},
		{"an empty object", `{ }`, "b", `{ "model":"b"}`},
		{"usage", `{"stream":true,"model":"a"}`, "a", `{"stream":true,"model":"a","stream_options":{"include_usage":true}}`},
		{"usage and model", `{"model":"a","stream":true }`, "b", `{"model":"b","stream":true ,"stream_options":{"include_usage":true}}`},
		{"usage and no model", `{"stream":true}`, "b", `{"stream":true,"model":"b","stream_options":{"include_usage":true}}`},
		{"options null", `{"stream":true,"stream_options":null,"model":"a"}`, "b", `{"stream":true,"stream_options":{"include_usage":true},"model":"b"}`},
		{"options empty", `{"stream":true,"stream_options":{ },"model":"a"}`, "a", `{"stream":true,"stream_options":{"include_usage":true },"model":"a"}`},
		{"options with others", `{"model":"a","stream":true,"stream_options":{ "x":1}}`, "b", `{"model":"b","stream":true,"stream_options":{"include_usage":true, "x":1}}`},
		{"usage refused", `{"model":"a","stream":true,"stream_options":{"x":1,"include_usage":false}}`, "a", `{"model":"a","stream":true,"stream_options":{"x":1,"include_usage":true}}`},
		{"usage wanted", `{"stream":true,"stream_options":{"include_usage":true},"model":"a"}`, "a", `{"stream":true,"stream_options":{"include_usage":true},"model":"a"}`},
	}
	for _, c := range cases {
		in, err := Dialect{}.Inspect(adapters.OperationChat, "", []byte(c.body))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		req := &adapters.RequestContext{Operation: adapters.OperationChat, Body: []byte(c.body), Inspection: in}
		got, err := Dialect{}.Rewrite(nil, req, c.model)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v\nwant %s", c.name, got, err, c.want)
		}
		if string(req.Body) != c.body {
			t.Errorf("%s: the client's body was changed", c.name)
		}
	}
}

func TestInspect(t *testing.T) {
	in, err := Dialect{}.Inspect(adapters.OperationChat, "", []byte(`{"mod\u0065l":"gpt","stream":true,"max_tokens":10,"n":3}`))
	if err != nil || in.Model != "gpt" || !in.Stream || in.OutputLimit != 30 {
		t.Errorf("%+v, %v", in, err)
	}
	for body, param := range map[string]string{
		`{"model":"a","mod\u0065l":"b"}`:         "model",
		`{"stream":true,"stream":false}`:         "stream",
		`{"model":1}`:                            "model",
		`{"stream":"yes"}`:                       "stream",
		`{"stream_options":[]}`:                  "stream_options",
		`{"stream_options":{"include_usage":1}}`: "stream_options.include_usage",
		`{"stream_options":{"include_usage":true,"include_usage":false}}`: "stream_options.include_usage",
		`{"model":"a"`: "", `[]`: "", ``: "",
	} {
		_, err := Dialect{}.Inspect(adapters.OperationChat, "", []byte(body))
		var e *adapters.Error
		if !errors.As(err, &e) || e.Code != adapters.CodeInvalidRequest || e.Param != param || !strings.Contains(e.Message, param) {
			t.Errorf("%s: %v, want an invalid_request that names %q", body, err, param)
		}
		if !errors.Is(err, adapters.ErrInvalidRequestPayload) {
			t.Errorf("%s: does not match ErrInvalidRequestPayload", body)
		}
	}
}
