package bedrock

import (
	"bytes"
	"errors"
	"testing"

	"github.com/tollhouse/tollhouse/adapters"
)

func TestTheModelStandsInThePath(t *testing.T) {
	const arn = "arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.anthropic.claude-3-7-sonnet-20250219-v1:0"
	for path, want := range map[string]struct {
		model  string
		stream bool
	}{
		"/model/amazon.nova-lite-v1:0/converse":          {"amazon.nova-lite-v1:0", false},
		"/model/amazon.nova-lite-v1%3A0/converse-stream": {"amazon.nova-lite-v1:0", true},
		"/model/eu.amazon.nova-lite-v1%3A0/count-tokens": {"eu.amazon.nova-lite-v1:0", false},
		"/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A000000000000%3Ainference-profile%2Fus.anthropic.claude-3-7-sonnet-20250219-v1%3A0/converse": {arn, false},
		"/model/" + arn + "/converse-stream": {arn, true},
		"/model/pool:fast%2Fany/converse":    {"pool:fast/any", false},
	} {
		in, err := Dialect{}.Inspect(adapters.OperationChat, path, []byte(`{}`))
		if err != nil || in.Model != want.model || in.Stream != want.stream {
			t.Errorf("%s: model %q, stream %v, %v", path, in.Model, in.Stream, err)
		}
	}
}

func TestInspect(t *testing.T) {
	for name, c := range map[string]struct {
		path, body string
		limit      uint64
		code       adapters.Code
		param      string
	}{
		"limit":             {"", `{"inferenceConfig":{"temperature":1,"maxTokens":300}}`, 300, "", ""},
		"no limit":          {"", `{"messages":[]}`, 0, "", ""},
		"a limit elsewhere": {"", `{"x":{"inferenceConfig":{"maxTokens":1}}}`, 0, "", ""},
		"odd config":        {"", `{"inferenceConfig":null}`, 0, "", ""},
		"config twice":      {"", `{"inferenceConfig":{},"inference\u0043onfig":{}}`, 0, adapters.CodeInvalidRequest, "inferenceConfig"},
		"limit twice":       {"", `{"inferenceConfig":{"maxTokens":1,"maxTokens":9}}`, 1, adapters.CodeInvalidRequest, "inferenceConfig.maxTokens"},
		"not JSON":          {"", `{"messages":[}`, 0, adapters.CodeInvalidRequest, ""},
		"no object":         {"", `[]`, 0, adapters.CodeInvalidRequest, ""},
		"no model":          {"/model//converse", `{}`, 0, adapters.CodeInvalidRequest, "modelId"},
		"a bad escape":      {"/model/a%zz/converse", `{}`, 0, adapters.CodeInvalidRequest, "modelId"},
		"no action":         {"/model/a", `{}`, 0, adapters.CodeRouteNotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.path == "" {
				c.path = "/model/m/converse"
			}
			in, err := Dialect{}.Inspect(adapters.OperationChat, c.path, []byte(c.body))
			var e *adapters.Error
			switch {
			case c.code == "" && err != nil:
				t.Fatal(err)
			case c.code != "" && (!errors.As(err, &e) || e.Code != c.code || e.Param != c.param):
				t.Fatalf("error %+v, want %s of %q", err, c.code, c.param)
			}
			if in.OutputLimit != c.limit {
				t.Errorf("limit %d, want %d", in.OutputLimit, c.limit)
			}
		})
	}
}

func TestTheSentModelGoesIntoThePathAndTheBodyStays(t *testing.T) {
	req := &adapters.RequestContext{Operation: adapters.OperationChat, Body: []byte(` {"messages" : [] } `)}
	for want, set := range map[string]func(){
		"/model/us.amazon.nova-2-lite-v1%3A0/converse":        func() {},
		"/model/us.amazon.nova-2-lite-v1%3A0/converse-stream": func() { req.Stream = true },
		"/model/us.amazon.nova-2-lite-v1%3A0/count-tokens":    func() { req.Operation = adapters.OperationCountTokens },
	} {
		*req = adapters.RequestContext{Operation: adapters.OperationChat, Body: req.Body}
		set()
		if got := (Dialect{}).Path(req, "us.amazon.nova-2-lite-v1:0"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := (Dialect{}).Path(&adapters.RequestContext{}, "arn:aws:bedrock:x:1:y/ü"); got != "/model/arn%3Aaws%3Abedrock%3Ax%3A1%3Ay%2F%C3%BC/converse" {
		t.Error(got)
	}
	body, err := Dialect{}.Rewrite(nil, req, "another")
	if err != nil || !bytes.Equal(body, req.Body) {
		t.Errorf("the body became %s: %v", body, err)
	}
}
