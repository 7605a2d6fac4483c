package gemini

import (
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/events"
)

func TestWrongRequestsNameTheField(t *testing.T) {
	for body, field := range map[string]string{
		`{"contents":[{"parts":[{"text":"a"},{"text":1}]}]}`:                                              "contents[0].parts[1].text",
		`{"contents":[{"role":"assistant"}]}`:                                                             "contents[0].role",
		`{"contents":"x"}`:                                                                                "contents",
		`{"contents":[{"parts":[{"inline_data":{"mime_type":7}}]}]}`:                                      "contents[0].parts[0].inlineData.mimeType",
		`{"contents":[{"parts":[{"functionCall":"f"}]}]}`:                                                 "contents[0].parts[0].functionCall",
		`{"generationConfig":{"temperature":"hot"}}`:                                                      "generationConfig.temperature",
		`{"generationConfig":{"thinkingConfig":{"includeThoughts":1}}}`:                                   "generationConfig.thinkingConfig.includeThoughts",
		`{"tools":[{"functionDeclarations":[{"name":"f"},{"name":2}]}]}`:                                  "tools[0].functionDeclarations[1].name",
		`{"toolConfig":{"functionCallingConfig":{"mode":"SOME"}}}`:                                        "toolConfig.functionCallingConfig.mode",
		`{"system_instruction":{"parts":[{"thought":"x"}]}}`:                                              "systemInstruction.parts[0].thought",
		`{"contents":[{"parts":[{"functionResponse":{"name":"f","response":{},"parts":[{"text":0}]}}]}]}`: "contents[0].parts[0].functionResponse.parts[0].text",
	} {
		in, err := Dialect{}.Inspect(adapters.OperationChat, "/v1beta/models/m:generateContent", []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		_, err = Dialect{}.DecodeRequest(&adapters.RequestContext{Body: []byte(body), Inspection: in})
		if e := adapters.AsError(err); err == nil || e.Code != adapters.CodeInvalidRequest || e.Param != field {
			t.Errorf("%s: %v names %q, want %q", body, err, e.Param, field)
		}
	}
}

// TestAnotherDialectsStream is what only other dialects stream: arguments in pieces, a signature behind its thought, encrypted
// thoughts, a refusal, and parts that Gemini has no word for.
func TestAnotherDialectsStream(t *testing.T) {
	facts := &adapters.ProviderResponse{
		Model: "claude", ResponseID: "msg_1",
		Usage: &events.Usage{InputTokens: 9, CacheReadTokens: 4, OutputTokens: 7, ReasoningTokens: 3},
	}
	s := Dialect{}.NewStreamEncoder(&adapters.RequestContext{RawQuery: "alt=sse"}, facts)
	part := func(p canonical.Part) *canonical.Part { return &p }
	var out []byte
	for _, e := range []canonical.Event{
		{Kind: canonical.Start},
		{Kind: canonical.Ping},
		{Kind: canonical.PartBegin, Part: part(canonical.Part{Kind: canonical.Thinking, Thought: &canonical.Thought{}})},
		{Kind: canonical.PartDelta, Text: "hm"},
		{Kind: canonical.PartDelta, Part: part(canonical.Part{Kind: canonical.Thinking, Thought: &canonical.Thought{Signature: "c2ln"}})},
		{Kind: canonical.PartEnd},
		{Kind: canonical.PartBegin, Index: 1, Part: part(canonical.Part{Kind: canonical.Thinking, Thought: &canonical.Thought{Encrypted: "x"}})},
		{Kind: canonical.PartEnd, Index: 1},
		{Kind: canonical.PartBegin, Index: 2, Part: part(canonical.Part{Kind: canonical.ToolCall, Call: &canonical.Call{ID: "toolu_1", Name: "f"}})},
		{Kind: canonical.PartDelta, Index: 2, Text: `{"a":`},
		{Kind: canonical.PartDelta, Index: 2, Text: `1}`},
		{Kind: canonical.PartEnd, Index: 2},
		{Kind: canonical.PartBegin, Index: 3, Part: part(canonical.Part{Kind: canonical.Foreign, Dialect: "other", Raw: []byte(`{}`)})},
		{Kind: canonical.PartEnd, Index: 3},
		{Kind: canonical.PartBegin, Index: 4, Part: part(canonical.Part{Kind: canonical.Refusal})},
		{Kind: canonical.PartDelta, Index: 4, Text: "no"},
		{Kind: canonical.PartEnd, Index: 4},
		{Kind: canonical.Finish, Finish: events.FinishLength},
	} {
		out = s.Event(out, &e)
	}
	out = s.End(out)
	frame := func(part, more string) string {
		return `data: {"candidates":[{"content":{"parts":[` + part + `],"role":"model"}` + more + `,"modelVersion":"claude","responseId":"msg_1"}` + "\r\n\r\n"
	}
	want := frame(`{"text":"hm","thought":true}`, `,"index":0}]`) +
		frame(`{"text":"","thought":true,"thoughtSignature":"c2ln"}`, `,"index":0}]`) +
		frame(`{"functionCall":{"id":"toolu_1","name":"f","args":{"a":1}}}`, `,"index":0}]`) +
		frame(`{"text":"no"}`, `,"index":0}]`) +
		frame(`{"text":""}`, `,"finishReason":"MAX_TOKENS","index":0}],"usageMetadata":{"promptTokenCount":9,"cachedContentTokenCount":4,`+
			`"candidatesTokenCount":4,"thoughtsTokenCount":3,"totalTokenCount":16}`)
	if string(out) != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

func TestEffortBecomesWhatTheModelTakes(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		model string
		r     canonical.Reasoning
		want  string // of thinkingConfig
		lost  bool
	}{
		{"gemini-2.5-flash", canonical.Reasoning{Effort: "medium"}, `{"thinkingBudget":8192}`, false},
		{"gemini-2.5-flash", canonical.Reasoning{Effort: "none"}, `{"thinkingBudget":0}`, false},
		{"gemini-2.5-pro", canonical.Reasoning{Effort: "none"}, `{"thinkingBudget":128}`, true},
		{"gemini-2.5-flash", canonical.Reasoning{Budget: "2048", Show: "auto"}, `{"thinkingBudget":2048,"includeThoughts":true}`, false},
		{"gemini-2.5-flash-lite", canonical.Reasoning{Enabled: &yes}, `{"thinkingBudget":-1}`, false},
		{"gemini-2.5-flash", canonical.Reasoning{Enabled: &no}, `{"thinkingBudget":0}`, false},
		{"gemini-3-pro-preview", canonical.Reasoning{Effort: "xhigh"}, `{"thinkingLevel":"high"}`, false},
		{"gemini-3-pro-preview", canonical.Reasoning{Effort: "none"}, `{"thinkingLevel":"low"}`, true},
		{"gemini-flash-latest", canonical.Reasoning{Effort: "minimal", Show: "omitted"}, `{"thinkingLevel":"minimal","includeThoughts":false}`, false},
		{"gemini-2.0-flash", canonical.Reasoning{Effort: "high"}, ``, true},
		{"gemini-2.0-flash", canonical.Reasoning{Effort: "none"}, ``, false},
	} {
		body, lost, err := Dialect{}.EncodeRequest(&canonical.Request{Model: c.model, Reasoning: &c.r})
		_, got, _ := strings.Cut(string(body), `"thinkingConfig":`)
		if got = strings.TrimSuffix(got, "}}"); err != nil || got != c.want || (len(lost) > 0) != c.lost {
			t.Errorf("%s %+v: %s, lost %v, %v; want %s", c.model, c.r, body, lost, err, c.want)
		}
	}
}
