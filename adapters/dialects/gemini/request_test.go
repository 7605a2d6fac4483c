package gemini

import (
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
)

func TestInspectReadsThePath(t *testing.T) {
	for path, want := range map[string]adapters.Inspection{
		"/v1beta/models/gemini-2.5-pro:generateContent":             {Model: "gemini-2.5-pro"},
		"/v1/models/gemini-2.5-pro:streamGenerateContent":           {Model: "gemini-2.5-pro", Stream: true},
		"/v1beta/models/text-embedding-004:embedContent":            {Model: "text-embedding-004"},
		"/v1beta/models/x:batchEmbedContents":                       {Model: "x"},
		"/v1beta/models/pool:fast:countTokens":                      {Model: "pool:fast"},
		"/v1beta/models/@vertex/claude-3@1:generateContent":         {Model: "@vertex/claude-3@1"},
		"/v1beta/models/pool%3Afast%2Fgemini:streamGenerateContent": {Model: "pool:fast/gemini", Stream: true},
		"/v1beta/models/:generateContent":                           {},
	} {
		in, err := Dialect{}.Inspect(adapters.OperationChat, path, []byte(`{"stream":false}`))
		if err != nil || in.Model != want.Model || in.Stream != want.Stream {
			t.Errorf("%s: %+v, %v", path, in, err)
		}
	}
	for _, path := range []string{"/v1beta/models/x", "/v1beta/models/x:tune", "/v1/chat/completions", "/v1beta/models/%zz:countTokens"} {
		if _, err := (Dialect{}).Inspect(adapters.OperationChat, path, []byte(`{}`)); adapters.AsError(err).Code != adapters.CodeRouteNotFound {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestInspectReadsTheBody(t *testing.T) {
	const path = "/v1beta/models/m:generateContent"
	for body, limit := range map[string]uint64{
		`{"generationConfig":{"maxOutputTokens":100,"candidateCount":3}}`: 300,
		`{"generation_config":{"max_output_tokens":100}}`:                 100,
		`{"generationConfig":null}`:                                       0,
	} {
		if in, err := (Dialect{}).Inspect(adapters.OperationChat, path, []byte(body)); err != nil || in.OutputLimit != limit {
			t.Errorf("%s: %+v, %v", body, in, err)
		}
	}
	for body, message := range map[string]string{
		`{"generationConfig":{},"generation_config":{}}`:     "given twice",
		`{"generationConfig":{},"generation\u0043onfig":{}}`: "given twice",
		`{"contents":[}`: "not well-formed",
		`[]`:             "not a JSON object",
	} {
		if _, err := (Dialect{}).Inspect(adapters.OperationChat, path, []byte(body)); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestPathNamesTheModelThatIsSent(t *testing.T) {
	for _, c := range []struct {
		req        adapters.RequestContext
		sent, want string
	}{
		{adapters.RequestContext{Path: "/v1/models/fast:generateContent"}, "gemini-2.5-pro", "/v1/models/gemini-2.5-pro:generateContent"},
		{adapters.RequestContext{Path: "/v1beta/models/m:countTokens", RawQuery: "a=b"}, "models/m", "/v1beta/models/m:countTokens?a=b"},
		{
			adapters.RequestContext{Path: "/v1/chat/completions", Operation: adapters.OperationChat, RawQuery: "api-version=1"},
			"a/b", "/v1beta/models/a%2Fb:generateContent",
		},
		{
			adapters.RequestContext{Path: "/v1/messages", Operation: adapters.OperationChat, Inspection: adapters.Inspection{Stream: true}},
			"m", "/v1beta/models/m:streamGenerateContent?alt=sse",
		},
	} {
		got := Dialect{}.Path(&c.req, c.sent)
		if q := Query(&c.req); q != "" {
			got += "?" + q
		}
		if got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func TestErrorsAreGoogles(t *testing.T) {
	for want, e := range map[string]*adapters.Error{
		`{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}]}}`: {
			Code: adapters.CodeRateLimited, Message: "slow", RetryAfter: 1500 * time.Millisecond,
		},
		`{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"contents","description":"bad"}]}]}}`: adapters.InvalidRequest("contents", "bad"),
		`{"error":{"code":404,"message":"none","status":"NOT_FOUND"}}`:         adapters.Errorf(adapters.CodeModelNotFound, "none"),
		`{"error":{"code":401,"message":"who","status":"UNAUTHENTICATED"}}`:    adapters.Errorf(adapters.CodeInvalidKey, "who"),
		`{"error":{"code":504,"message":"late","status":"DEADLINE_EXCEEDED"}}`: adapters.Errorf(adapters.CodeUpstreamTimeout, "late"),
		`{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}`:       adapters.Errorf(adapters.CodeOverloaded, "busy"),
		`{"error":{"code":500,"message":"oh","status":"INTERNAL"}}`:            adapters.Errorf(adapters.CodeInternal, "oh"),
	} {
		if got := string(Dialect{}.RenderError(e)); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		if got := string(Dialect{}.RenderErrorFrame(e)); got != "data: "+want+"\r\n\r\n" {
			t.Errorf("%q", got)
		}
	}
}

func TestModelsAreListedAsGoogleDoes(t *testing.T) {
	one := `{"name":"models/fast","baseModelId":"fast","displayName":"fast","supportedGenerationMethods":["generateContent","streamGenerateContent","countTokens","embedContent"]}`
	if got := string(Dialect{}.RenderModel(adapters.Model{ID: "fast"})); got != one {
		t.Error(got)
	}
	if got := string(Dialect{}.RenderModels([]adapters.Model{{ID: "fast"}})); got != `{"models":[`+one+`]}` {
		t.Error(got)
	}
	if got := string(Dialect{}.RenderModels(nil)); got != `{"models":[]}` {
		t.Error(got)
	}
}
