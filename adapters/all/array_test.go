package all

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/adaptertest"
	"github.com/tollhouse/tollhouse/adapters/dialects/gemini"
)

// TestGeminisArray: a client that asked for an array gets one that is well-formed, whatever its provider speaks: whole, and with the error as
// its last element where the stream breaks off.
func TestGeminisArray(t *testing.T) {
	set, err := Set()
	if err != nil {
		t.Fatal(err)
	}
	text, broken := sections(t, "testdata/matrix/text.txtar"), sections(t, "testdata/matrix/error.txtar")
	text["gemini.stream"], broken["gemini.broken"] = array(text["gemini.stream"]), array(broken["gemini.broken"])
	for _, provider := range of(text, "answer") {
		ask := func(in map[string]string, answer string) *exchange {
			req := requestOf(t, gemini.Dialect{}, adapters.OperationChat, "", in["gemini.request"], true)
			req.RawQuery = ""
			return send(t, req, set.Dialect(provider), "sent", answer, http.StatusOK)
		}
		x := ask(broken, text[provider+".stream"])
		if read, err := adaptertest.ReadStreamed(gemini.Dialect{}, x.req, x.kind, []byte(x.down)); err != nil || read.Text != "yes & no 👋" || x.kind != "application/json" {
			t.Errorf("%s: %+v, %v in\n%s", provider, read, err, x.down)
		}
		elements(t, x.down)
		all := elements(t, ask(broken, broken[provider+".broken"]).down)
		if words := adaptertest.Words(all[len(all)-1]); len(all) < 2 || words == "" {
			t.Errorf("%s: the array ends with %s", provider, all[len(all)-1])
		}
	}
}

// array is Gemini's stream of events as an array, an element a piece.
func array(events string) string {
	var out []string
	for event := range strings.SplitAfterSeq(strings.TrimSpace(events), "\n\n") {
		out = append(out, strings.TrimSpace(strings.TrimPrefix(event, "data: ")))
	}
	return "[" + strings.Join(out, "\n,\n") + "\n]"
}

func elements(t *testing.T, text string) (all []json.RawMessage) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &all); err != nil || len(all) == 0 {
		t.Fatalf("%v in\n%s", err, text)
	}
	return all
}
