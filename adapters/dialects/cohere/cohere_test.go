package cohere

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

func TestInspectAndRewrite(t *testing.T) {
	for name, c := range map[string]struct {
		op         adapters.Operation
		body, want string // with the model sent
		model      string
		stream     bool
		limit      uint64
		wrong      string // the field at fault
	}{
		"model in its place": {
			body: `{ "model" : "a", "stream":true,"max_tokens":7}`, model: "a", stream: true, limit: 7,
			want: `{ "model" : "sent", "stream":true,"max_tokens":7}`,
		},
		"no model":       {body: `{"messages":[]}`, want: `{"model":"sent","messages":[]}`},
		"nothing at all": {body: ` { } `, want: ` {"model":"sent" } `},
		"null":           {body: `{"model":null}`, want: `{"model":"sent"}`},
		"the same model": {body: `{"model":"sent"}`, model: "sent", want: `{"model":"sent"}`},
		"embed has no stream": {
			op: adapters.OperationEmbeddings, body: `{"model":"e","max_tokens":5,"stream":true}`, model: "e",
			want: `{"model":"sent","max_tokens":5,"stream":true}`,
		},
		"model twice":      {body: `{"model":"a","mod\u0065l":"b"}`, wrong: "model"},
		"model no text":    {body: `{"model":1}`, wrong: "model"},
		"stream no switch": {body: `{"stream":"true"}`, wrong: "stream"},
		"limit twice":      {body: `{"max_tokens":1,"max_tokens":2}`, wrong: "max_tokens"},
		"not JSON":         {body: `{"model":`, wrong: ""},
	} {
		t.Run(name, func(t *testing.T) {
			op := c.op
			if op == "" {
				op = adapters.OperationChat
			}
			in, err := Dialect{}.Inspect(op, "/v2/chat", []byte(c.body))
			if c.want == "" {
				if e := adapters.AsError(err); e.Code != adapters.CodeInvalidRequest || e.Param != c.wrong {
					t.Fatalf("got %v at %q", err, e.Param)
				}
				return
			}
			if err != nil || in.Model != c.model || in.Stream != c.stream || in.OutputLimit != c.limit {
				t.Fatalf("read %+v, %v", in, err)
			}
			got, err := Dialect{}.Rewrite(nil, &adapters.RequestContext{Body: []byte(c.body), Inspection: in}, "sent")
			if err != nil || string(got) != c.want {
				t.Errorf("rewritten to %s, %v; want %s", got, err, c.want)
			}
		})
	}
}

func TestReadAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		op       adapters.Operation
		body     string
		outcome  adapters.Outcome
		class    events.ErrorClass
		finish   events.FinishReason
		evidence events.Evidence
		usage    *events.Usage
		broken   bool
	}{
		"billed and ran": {
			op: adapters.OperationChat, body: `{"id":"1","message":{"role":"assistant","content":[]},"finish_reason":"MAX_TOKENS","usage":{"billed_units":{"input_tokens":8,` +
				`"output_tokens":35},"tokens":{"input_tokens":503,"output_tokens":40,"reasoning_tokens":30},"cached_tokens":480}}`,
			outcome: adapters.OutcomeSuccess, finish: events.FinishLength, evidence: events.EvidenceReported,
			usage: &events.Usage{InputTokens: 8, OutputTokens: 35, ReasoningTokens: 30, OtherUnits: map[string]uint64{
				"ran_input_tokens": 503, "ran_output_tokens": 40, "ran_cached_tokens": 480,
			}},
		},
		"only what ran": {
			op:      adapters.OperationChat,
			body:    `{"message":{},"finish_reason":"COMPLETE","usage":{"tokens":{"input_tokens":9,"output_tokens":3},"cached_tokens":4}}`,
			outcome: adapters.OutcomeSuccess, finish: events.FinishStop, evidence: events.EvidenceReported,
			usage: &events.Usage{InputTokens: 9, OutputTokens: 3, CacheReadTokens: 4},
		},
		"no usage": {
			op:      adapters.OperationChat,
			body:    `{"message":{"content":[{"type":"text","text":"12345678"}]},"finish_reason":"COMPLETE"}`,
			outcome: adapters.OutcomeSuccess, finish: events.FinishStop, evidence: events.EvidenceEstimated,
			usage: &events.Usage{}, // the invoker's to estimate
		},
		"an image embedded": {
			op: adapters.OperationEmbeddings, body: `{"id":"1","embeddings":{"float":[[1]]},"meta":{"billed_units":{"input_tokens":3,"image_tokens":70}}}`,
			outcome: adapters.OutcomeSuccess, evidence: events.EvidenceReported,
			usage: &events.Usage{InputTokens: 3, OtherUnits: map[string]uint64{"image_tokens": 70}},
		},
		"rerank": {
			op: adapters.OperationRerank, body: `{"results":[],"meta":{"billed_units":{"search_units":2}}}`,
			outcome: adapters.OutcomeSuccess, evidence: events.EvidenceReported,
			usage: &events.Usage{OtherUnits: map[string]uint64{"search_units": 2}},
		},
		"it ran out of time": {
			op: adapters.OperationChat, body: `{"message":{"content":[]},"finish_reason":"TIMEOUT","usage":{"billed_units":{"input_tokens":1,"output_tokens":2}}}`,
			outcome: adapters.OutcomeRetryable, class: events.ErrorTimeout, finish: events.FinishError, evidence: events.EvidenceReported,
			usage: &events.Usage{InputTokens: 1, OutputTokens: 2},
		},
		"an error in a 200": {
			op: adapters.OperationChat, body: `{"id":"1","message":"internal server error"}`,
			outcome: adapters.OutcomeRetryable, class: events.ErrorOverloaded,
		},
		"another's answer": {op: adapters.OperationChat, body: `{"choices":[]}`, broken: true},
		"not JSON":         {op: adapters.OperationChat, body: `{"message":{}`, broken: true},
	} {
		t.Run(name, func(t *testing.T) {
			facts := &adapters.ProviderResponse{}
			if err := (Dialect{}).ReadAnswer(c.op, []byte(c.body), facts); (err != nil) != c.broken {
				t.Fatal(err)
			}
			if facts.Outcome != c.outcome || facts.ErrorClass != c.class || facts.FinishReason != c.finish || facts.Evidence != c.evidence {
				t.Errorf("facts %+v", facts)
			}
			if diff := cmp.Diff(c.usage, facts.Usage); diff != "" {
				t.Errorf("usage (-want +got)\n%s", diff)
			}
		})
	}
}

const (
	startFrame = `{"id":"r1","type":"message-start","delta":{"message":{"role":"assistant","content":[]}}}`
	wordFrame  = `{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"four"}}}}`
	planFrame  = `{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"four"}}}`
	endFrame   = `{"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":3,"output_tokens":2}}}}`
	errorFrame = `{"type":"message-end","delta":{"finish_reason":"ERROR","usage":{},"error":"it broke","error_type":"INVALID_TOOL_GENERATION"}}`
)

func TestDispositions(t *testing.T) {
	for name, c := range map[string]struct {
		events   []string
		want     string
		evidence events.Evidence
		output   uint64
		says     string // the error
	}{
		"whole":               {[]string{"", startFrame, wordFrame, endFrame, "[DONE]"}, "OOCCL", events.EvidenceReported, 2, ""},
		"no [DONE]":           {[]string{startFrame, wordFrame, endFrame}, "OCC", events.EvidenceReported, 2, ""},
		"only a plan":         {[]string{startFrame, planFrame}, "OC", events.EvidenceEstimated, 1, "ended before"},
		"cut":                 {[]string{startFrame, wordFrame, wordFrame}, "OCC", events.EvidenceEstimated, 1, "ended before"},
		"[DONE] too soon":     {[]string{startFrame, wordFrame, "[DONE]"}, "OCF", events.EvidenceEstimated, 1, "ended before"},
		"an error at once":    {[]string{startFrame, errorFrame}, "OF", events.EvidenceEstimated, 0, "it broke"},
		"an error envelope":   {[]string{startFrame, `{"id":"1","message":"it broke"}`}, "OF", events.EvidenceEstimated, 0, "it broke"},
		"another's error":     {[]string{startFrame, `{"error":{"message":"it broke"}}`}, "OF", events.EvidenceEstimated, 0, "it broke"},
		"not JSON":            {[]string{startFrame, `{"type"`}, "OF", events.EvidenceEstimated, 0, "ended before"},
		"something unheard":   {[]string{startFrame, `{"type":"new-thing"}`, wordFrame, `{"type":"x"}`, endFrame}, "OOCCC", events.EvidenceReported, 2, ""},
		"no usage in its end": {[]string{startFrame, wordFrame, `{"type":"message-end","delta":{"finish_reason":"COMPLETE"}}`}, "OCC", events.EvidenceEstimated, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			facts := &adapters.ProviderResponse{}
			r := Dialect{}.NewStreamReader(&adapters.RequestContext{Body: make([]byte, 40)}, facts)
			var got strings.Builder
			var failure error
			for _, e := range c.events {
				d, err := r.Event("", []byte(e))
				got.WriteByte("OCDLF"[d])
				if failure = err; err != nil {
					break
				}
			}
			if err := r.End(); failure == nil {
				failure = err
			}
			if got.String() != c.want || facts.Evidence != c.evidence || facts.Usage.OutputTokens != c.output {
				t.Errorf("%s, %s, %+v", got.String(), facts.Evidence, facts.Usage)
			}
			if (failure != nil) != (c.says != "") || failure != nil && !strings.Contains(failure.Error(), c.says) {
				t.Errorf("the stream ended with %v", failure)
			}
			if well := c.says == ""; well != (facts.Outcome == adapters.OutcomeSuccess) || well != (facts.ErrorClass == "") {
				t.Errorf("outcome %v, class %q", facts.Outcome, facts.ErrorClass)
			}
			if facts.ResponseID != "r1" && c.events[0] == startFrame && name != "an error envelope" {
				t.Errorf("id %q", facts.ResponseID)
			}
		})
	}
}

// An event that is passed through is scanned, not decoded: its cost is bounded in allocations.
func TestAnEventIsReadWithoutGarbage(t *testing.T) {
	r := Dialect{}.NewStreamReader(&adapters.RequestContext{}, &adapters.ProviderResponse{})
	data := []byte(wordFrame)
	n := testing.AllocsPerRun(100, func() {
		if d, err := r.Event("content-delta", data); err != nil || d != adapters.Content {
			t.Fatal(d, err)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations an event", n)
	}
}

// What we write when a stream breaks is read by our own reader, as by any client, for what it is.
func TestRendered(t *testing.T) {
	e := adapters.Errorf(adapters.CodeUpstreamError, `it "broke"`)
	if got := string(Dialect{}.RenderError(e)); got != `{"message":"it \"broke\""}` {
		t.Error(got)
	}
	frame := string(Dialect{}.RenderErrorFrame(e))
	want := "event: message-end\ndata: " + `{"type":"message-end","delta":{"finish_reason":"ERROR","usage":{},"error":"it \"broke\""}}` +
		"\n\ndata: [DONE]\n\n"
	if frame != want {
		t.Error(frame)
	}
	if got := string(Dialect{}.RenderModels(nil)); got != `{"models":[]}` {
		t.Error(got)
	}
	if got := string(Dialect{}.RenderModel(adapters.Model{ID: "command-a"})); got != `{"name":"command-a","finetuned":false}` {
		t.Error(got)
	}
}
