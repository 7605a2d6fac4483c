package upstream

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
)

// asked is what a request wants, in whichever dialect.
type asked struct {
	dialect, model string
	stream         bool
	tool           string // the first that is offered, where no result of one is there
	forced         bool   // to call one
	schema         bool
}

// body is what the dialects have of it.
type body struct {
	Model  string `json:"model"`
	Stream bool   `json:"stream"`
	Tools  []struct {
		named
		Function  named   `json:"function"`
		Functions []named `json:"functionDeclarations"`
	} `json:"tools"`
	ToolChoice json.RawMessage `json:"tool_choice"`
	ToolConfig struct {
		Tools []struct {
			Spec named `json:"toolSpec"`
		} `json:"tools"`
	} `json:"toolConfig"`
}

type named struct {
	Name string `json:"name"`
}

// tool is the name of the first tool.
func (b *body) tool() string {
	if spec := b.ToolConfig.Tools; len(spec) > 0 {
		return spec[0].Spec.Name
	}
	if len(b.Tools) == 0 {
		return ""
	}
	first := b.Tools[0]
	if len(first.Functions) > 0 {
		return first.Functions[0].Name
	}
	return first.Name + first.Function.Name // one of them is empty
}

// Words by which a request is known to hold a tool's result, or to want JSON by a schema.
var (
	results = []string{`"tool_call_id"`, `"tool_result"`, `"functionResponse"`, `"toolResult"`}
	schemas = []string{`"json_schema"`, `"responseJsonSchema"`, `"responseSchema"`, `"jsonSchema"`, `"output_format"`}
)

func read(r *http.Request, raw []byte) asked {
	var b body
	_ = json.Unmarshal(raw, &b)
	a := asked{dialect: "openai_chat", model: b.Model, stream: b.Stream, schema: has(raw, schemas), forced: len(b.ToolChoice) > 0}
	if !has(raw, results) {
		a.tool = b.tool()
	}
	path := r.URL.Path
	switch {
	case strings.HasSuffix(path, "/messages"):
		a.dialect = "anthropic_messages"
	case strings.HasSuffix(path, "/v2/chat"):
		a.dialect = "cohere"
	case strings.HasPrefix(path, "/v1beta/models/"):
		model, method, _ := strings.Cut(strings.TrimPrefix(path, "/v1beta/models/"), ":")
		a.dialect, a.model, a.stream = "gemini", model, method == "streamGenerateContent"
	case strings.HasPrefix(path, "/model/"):
		model, method, _ := strings.Cut(strings.TrimPrefix(path, "/model/"), "/converse")
		a.dialect, a.model, a.stream = "bedrock_converse", model, method == "-stream"
	case strings.HasPrefix(b.Model, "mistral-"):
		a.dialect = "mistral"
	}
	return a
}

func has(raw []byte, words []string) bool {
	for _, w := range words {
		if bytes.Contains(raw, []byte(w)) {
			return true
		}
	}
	return false
}

// keyOf is the credential that was sent.
func keyOf(r *http.Request) string {
	for _, key := range []string{
		strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), r.Header.Get("X-Api-Key"), r.Header.Get("X-Goog-Api-Key"),
	} {
		if key != "" {
			return key
		}
	}
	return ""
}
