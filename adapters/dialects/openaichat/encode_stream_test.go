package openaichat

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// Mistral's SDKs take a call only where its name and its arguments come together; all others get the pieces as they arrive.
func TestMistralsClientsGetCallsWhole(t *testing.T) {
	for agent, want := range map[string]int{"mistral-client-typescript/2.7.0": 2, "mistral-client-python/3.7.0": 2, "OpenAI/JS 7.57.0": 6, "": 6} {
		e := Dialect{}.NewStreamEncoder(&adapters.RequestContext{Header: http.Header{"User-Agent": {agent}}}, &adapters.ProviderResponse{})
		var out []byte
		emit := func(ev canonical.Event) { out = e.Event(out, &ev) }
		for i, city := range []string{"Oslo", "Rome"} {
			emit(canonical.Event{Kind: canonical.PartBegin, Index: i, Part: &canonical.Part{
				Kind: canonical.ToolCall, Call: &canonical.Call{ID: "call_" + city, Name: "weather"},
			}})
			emit(canonical.Event{Kind: canonical.PartDelta, Index: i, Text: `{"city":`})
			emit(canonical.Event{Kind: canonical.PartDelta, Index: i, Text: `"` + city + `"}`})
			emit(canonical.Event{Kind: canonical.PartEnd, Index: i})
		}
		text := string(out)
		if n := strings.Count(text, `"tool_calls"`); n != want {
			t.Errorf("%s: %d chunks with calls, want %d\n%s", agent, n, want, text)
		}
		for i, whole := range []string{
			`"index":0,"id":"call_Oslo","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Oslo\"}"}`,
			`"index":1,"id":"call_Rome","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Rome\"}"}`,
		} {
			if strings.Contains(text, whole) != (want == 2) {
				t.Errorf("%s: call %d\n%s", agent, i, text)
			}
		}
	}
}
