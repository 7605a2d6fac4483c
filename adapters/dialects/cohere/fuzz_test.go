package cohere

import (
	"testing"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// Whatever comes: no panic, facts that hold together, and no success without an answer.
func FuzzReadAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"id":"1","message":{"role":"assistant","content":[{"type":"text","text":"a"}],"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]},` +
			`"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":1,"output_tokens":2},"tokens":{"input_tokens":3,"reasoning_tokens":1e3}}}`,
		`{"id":"1","message":"no"}`, `{"results":[],"meta":{"billed_units":{"search_units":1}}}`, `{"embeddings":[[1]],"meta":null}`,
		`{"message":null,"error":{}}`, `{"message":{"content":"a"},"usage":{"billed_units":[]}}`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, op := range []adapters.Operation{adapters.OperationChat, adapters.OperationEmbeddings, adapters.OperationRerank} {
			facts := &adapters.ProviderResponse{}
			err := Dialect{}.ReadAnswer(op, body, facts)
			consistent(t, facts)
			if err == nil && facts.Outcome == 0 || err != nil && facts.Outcome == adapters.OutcomeSuccess {
				t.Errorf("outcome %v with %v", facts.Outcome, err)
			}
		}
	})
}

// A stream's reader takes any events in any order, and ends once.
func FuzzStream(f *testing.F) {
	for _, seed := range []string{startFrame, wordFrame, planFrame, endFrame, errorFrame, "[DONE]", `{"message":"x"}`, `{"type":1,"delta":[]}`} {
		f.Add("content-delta", []byte(seed), []byte(endFrame))
	}
	f.Fuzz(func(t *testing.T, name string, first, second []byte) {
		facts := &adapters.ProviderResponse{}
		r := Dialect{}.NewStreamReader(&adapters.RequestContext{Body: first}, facts)
		failed := false
		for _, data := range [][]byte{first, second} {
			if d, err := r.Event(name, data); err != nil {
				failed = true
				if d != adapters.Failed {
					t.Errorf("disposition %d with %v", d, err)
				}
				break
			}
		}
		if err := r.End(); (err != nil || failed) == (facts.Outcome == adapters.OutcomeSuccess) {
			t.Errorf("outcome %v, failed %v, end %v", facts.Outcome, failed, err)
		}
		consistent(t, facts)
	})
}

func consistent(t *testing.T, facts *adapters.ProviderResponse) {
	t.Helper()
	if (facts.Usage == nil) != (facts.Evidence == "" || facts.Evidence == events.EvidenceNone) {
		t.Errorf("usage %+v with evidence %s", facts.Usage, facts.Evidence)
	}
	if u := facts.Usage; u != nil {
		c := *u
		if c.Normalize() {
			t.Errorf("usage %+v does not hold together", u)
		}
	}
}
