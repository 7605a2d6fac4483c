package all

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/adaptertest/corpus"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/dialects/cohere"
	"github.com/tollhouse/tollhouse/adapters/wire/sse"
	"github.com/tollhouse/tollhouse/events"
)

// sameModel compares what is said, not where it stood or how its JSON was spaced.
var sameModel = cmp.Options{
	cmpopts.IgnoreFields(canonical.Part{}, "Field"),
	cmpopts.IgnoreFields(canonical.Tool{}, "Field"),
	cmp.Transformer("compact", func(raw json.RawMessage) string {
		var b bytes.Buffer
		if err := json.Compact(&b, raw); err != nil {
			return string(raw)
		}
		return b.String()
	}),
}

// What a recorded client asked for survives the way into the model and out again, and all of it has a place.
func TestCohereRequestsSurviveTheModel(t *testing.T) {
	for _, r := range corpus.Load(t, corpus.Dir(t), "cohere/chat_v2") {
		if string(r.Body) == "null" {
			continue
		}
		t.Run(r.Name, func(t *testing.T) {
			first := decodeCohere(t, r.Body)
			body, lost, err := cohere.Dialect{}.EncodeRequest(first)
			if err != nil || len(lost) > 0 {
				t.Fatalf("lost %v, %v", lost, err)
			}
			if diff := cmp.Diff(first, decodeCohere(t, body), sameModel); diff != "" {
				t.Errorf("(-as asked +as sent)\n%s", diff)
			}
		})
	}
}

func decodeCohere(t *testing.T, body []byte) *canonical.Request {
	t.Helper()
	in, err := cohere.Dialect{}.Inspect(adapters.OperationChat, "/v2/chat", body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := cohere.Dialect{}.DecodeRequest(&adapters.RequestContext{Body: body, Inspection: in})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// cohereAnswer is what an expectation says that an answer says.
type cohereAnswer struct {
	Text      string `json:"text"`
	Reasoning string `json:"reasoning"`
	ToolPlan  string `json:"tool_plan"`
	ToolCalls []struct {
		ID        string `json:"id"`
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"tool_calls"`
}

// A recorded answer says in the model what its expectation says, whole or streamed, and says it again to a client of Cohere.
func TestCohereAnswersSurviveTheModel(t *testing.T) {
	dir := corpus.Dir(t)
	for _, r := range corpus.Load(t, dir, "cohere/chat_v2") {
		if !r.Expect.OK || r.Expect.Error != nil || r.Expect.StreamInfo != nil && !r.Expect.StreamInfo.Terminal {
			continue
		}
		t.Run(r.Name, func(t *testing.T) {
			var want cohereAnswer
			corpus.Read(t, filepath.Join(dir, "cohere/chat_v2", r.Name+".expect.json"), &want)
			say := sayWhole
			if r.Meta.Framing == "sse" {
				say = sayStream
			}
			first, again := say(t, r.Response)
			if diff := cmp.Diff(want, first, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("the model (-want +got)\n%s", diff)
			}
			second, _ := say(t, again)
			if diff := cmp.Diff(want, second, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("to a client (-want +got)\n%s\n%s", diff, again)
			}
		})
	}
}

// sayWhole decodes a whole answer, and encodes it again.
func sayWhole(t *testing.T, body []byte) (said cohereAnswer, again []byte) {
	t.Helper()
	facts := &adapters.ProviderResponse{}
	if err := (cohere.Dialect{}).ReadAnswer(adapters.OperationChat, body, facts); err != nil {
		t.Fatal(err)
	}
	r, err := cohere.Dialect{}.DecodeAnswer(body)
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Choices[0].Parts {
		said.add(&r.Choices[0].Parts[i], "")
	}
	return said.settled(), cohere.Dialect{}.EncodeAnswer(r, &adapters.RequestContext{ID: "req"}, facts)
}

// sayStream decodes a stream, checks that its parts come one after the other, and encodes it again.
func sayStream(t *testing.T, body []byte) (said cohereAnswer, again []byte) {
	t.Helper()
	facts := &adapters.ProviderResponse{}
	req := &adapters.RequestContext{ID: "req"}
	reader, decoder, encoder := cohere.Dialect{}.NewStreamReader(req, facts), cohere.Dialect{}.NewStreamDecoder(), cohere.Dialect{}.NewStreamEncoder(req, facts)
	var open *canonical.Part
	next, finished := 0, false
	emit := func(e *canonical.Event) {
		switch {
		case e.Kind == canonical.PartBegin && open == nil && e.Index == next:
			open, next = e.Part, next+1
			said.add(e.Part, "")
		case e.Kind == canonical.PartDelta && open != nil && e.Index == next-1:
			said.add(open, e.Text)
		case e.Kind == canonical.PartEnd && open != nil && e.Index == next-1:
			open = nil
		case e.Kind == canonical.Start && next == 0:
		case e.Kind == canonical.Finish && open == nil:
			finished = e.Finish == facts.FinishReason
		default:
			t.Errorf("event %+v out of turn", e)
		}
		again = encoder.Event(again, e)
	}
	scanner := sse.NewScanner(bytes.NewReader(body), nil, 1<<20)
	for {
		e, ok := scanner.Ready()
		if !ok {
			if scanner.Fill() != nil {
				break
			}
			continue
		}
		if _, err := reader.Event(e.Name, e.Data); err != nil {
			t.Fatal(err)
		}
		if err := decoder.Event(e.Name, e.Data, emit); err != nil {
			t.Fatal(err)
		}
	}
	decoder.End(emit)
	if err := reader.End(); err != nil || !finished || facts.Evidence != events.EvidenceReported {
		t.Errorf("the stream ended %v, %v, %s", err, finished, facts.Evidence)
	}
	return said.settled(), encoder.End(again)
}

// add notes a part, or more of the last of its kind.
func (a *cohereAnswer) add(p *canonical.Part, more string) {
	switch p.Kind {
	case canonical.Text:
		if more == "" {
			more = p.Text
		}
		a.Text += more
	case canonical.Thinking:
		if more == "" {
			more = p.Thought.Text
		}
		a.Reasoning += more
	case canonical.ToolCall:
		if more != "" {
			a.ToolCalls[len(a.ToolCalls)-1].Arguments += more
			return
		}
		a.ToolCalls = append(a.ToolCalls, struct {
			ID        string `json:"id"`
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		}{p.Call.ID, p.Call.Name, p.Call.Arguments})
	}
}

// settled calls the text of an answer with calls its plan, as the expectations do: in the model it is a text like others.
func (a cohereAnswer) settled() cohereAnswer {
	if len(a.ToolCalls) > 0 {
		a.ToolPlan, a.Text = a.Text, ""
	}
	a.ToolPlan = strings.TrimSpace(a.ToolPlan)
	return a
}
