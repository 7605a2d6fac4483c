package gemini

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// recordings are the exchanges beside the project, by the path of each without its suffix.
func recordings(t *testing.T) (bases []string) {
	t.Helper()
	for _, api := range []string{"gemini", "vertex"} {
		metas, _ := filepath.Glob(filepath.Join("..", "..", "..", "..", "shared", "corpus", api, "generate_content", "*.meta.json"))
		for _, m := range metas {
			bases = append(bases, strings.TrimSuffix(m, ".meta.json"))
		}
	}
	if len(bases) == 0 {
		t.Skip("the recordings are not here")
	}
	return bases
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

// TestRecordedRequestsKeepTheirMeaning decodes and encodes what clients really sent: nothing is lost, and a second round says the same.
func TestRecordedRequestsKeepTheirMeaning(t *testing.T) {
	n := 0
	for _, base := range recordings(t) {
		var sent struct {
			URL  string          `json:"url"`
			Body json.RawMessage `json:"body"`
		}
		readJSON(t, base+".request.json", &sent)
		if len(sent.Body) == 0 || sent.Body[0] != '{' {
			continue // the recorder did not keep it
		}
		n++
		t.Run(filepath.Base(base), func(t *testing.T) {
			u, err := url.Parse(sent.URL)
			if err != nil {
				t.Fatal(err)
			}
			_, model, _ := strings.Cut(u.Path, "/models/")
			model, _, _ = strings.Cut(model, ":")
			if strings.Contains(base, "invalid-role") { // Google, too, refused this one: "Please use a valid role: user, model."
				in, _ := Dialect{}.Inspect(adapters.OperationChat, "/v1beta/models/m:generateContent", sent.Body)
				if _, err := (Dialect{}).DecodeRequest(&adapters.RequestContext{Body: sent.Body, Inspection: in}); err == nil {
					t.Error("a role that is none was taken")
				}
				return
			}
			r := decode(t, model, sent.Body)
			body, lost, err := Dialect{}.EncodeRequest(r)
			if err != nil || len(lost) > 0 {
				t.Fatalf("lost %v, %v", lost, err)
			}
			if diff := cmp.Diff(withoutFields(r), withoutFields(decode(t, model, body)), sameJSON); diff != "" {
				t.Errorf("another round changes it:\n%s", diff)
			}
		})
	}
	t.Logf("%d recorded requests", n)
}

// said is the meaning of an answer, as the expectations have it.
type said struct {
	Text      string `json:"text"`
	Reasoning string `json:"reasoning"`
	Calls     []call `json:"tool_calls"`
}

type call struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments_json"`
}

// TestRecordedAnswersKeepTheirMeaning decodes what Google answered, and encodes it again for a client: both say what was recorded.
func TestRecordedAnswersKeepTheirMeaning(t *testing.T) {
	n := 0
	for _, base := range recordings(t) {
		var meta struct {
			Framing string `json:"framing"`
			File    string `json:"response_file"`
		}
		var want struct {
			said
			OK     bool `json:"ok"`
			Error  any  `json:"error"`
			Stream *struct {
				Array bool `json:"json_array"`
			} `json:"stream_info"`
		}
		readJSON(t, base+".meta.json", &meta)
		readJSON(t, base+".expect.json", &want)
		if !want.OK || want.Error != nil {
			continue
		}
		n++
		t.Run(filepath.Base(base), func(t *testing.T) {
			body, err := os.ReadFile(filepath.Join(filepath.Dir(base), meta.File))
			if err != nil {
				t.Fatal(err)
			}
			first, second := rounds(t, body, meta.Framing == "sse", want.Stream != nil)
			for name, got := range map[string]said{"decoded": first, "encoded": second} {
				if diff := cmp.Diff(want.said, got, sameJSON); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
		})
	}
	t.Logf("%d recorded answers", n)
}

// rounds returns what an answer says when it is decoded, and when it is encoded for a client, and decoded once more.
func rounds(t *testing.T, body []byte, sse, stream bool) (first, second said) {
	var facts adapters.ProviderResponse
	if !stream {
		if err := (Dialect{}).ReadAnswer(adapters.OperationChat, body, &facts); err != nil {
			t.Fatal(err)
		}
		r, err := Dialect{}.DecodeAnswer(body)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Dialect{}.DecodeAnswer(Dialect{}.EncodeAnswer(r, &adapters.RequestContext{}, &facts))
		if err != nil {
			t.Fatal(err)
		}
		return meaning(r), meaning(again)
	}
	kind, query := "application/json", ""
	if sse {
		kind, query = "text/event-stream", "alt=sse"
	}
	encoder := Dialect{}.NewStreamEncoder(&adapters.RequestContext{RawQuery: query}, &facts)
	var client []byte
	var decoded, again gatherer
	transcode(t, kind, body, &facts, func(e *canonical.Event) {
		decoded.add(e)
		client = encoder.Event(client, e)
	})
	transcode(t, kind, encoder.End(client), &facts, again.add)
	return decoded.said, again.said
}

func meaning(r *canonical.Response) (s said) {
	s.Calls = []call{}
	if len(r.Choices) == 0 {
		return s
	}
	for _, p := range r.Choices[0].Parts {
		switch p.Kind {
		case canonical.Text:
			s.Text += p.Text
		case canonical.Thinking:
			s.Reasoning += p.Thought.Text
		case canonical.ToolCall:
			s.Calls = append(s.Calls, call{p.Call.Name, json.RawMessage(p.Call.Arguments)})
		}
	}
	return s
}

// gatherer puts a stream's events together again.
type gatherer struct {
	said
	open canonical.PartKind
	name string
	args bytes.Buffer
}

func (g *gatherer) add(e *canonical.Event) {
	switch e.Kind {
	case canonical.Start:
		g.Calls = []call{}
	case canonical.PartBegin:
		if g.open = e.Part.Kind; e.Part.Call != nil {
			g.name = e.Part.Call.Name
			g.args.Reset()
		}
	case canonical.PartDelta:
		switch g.open {
		case canonical.Text:
			g.Text += e.Text
		case canonical.Thinking:
			g.Reasoning += e.Text
		case canonical.ToolCall:
			g.args.WriteString(e.Text)
		}
	case canonical.PartEnd:
		if g.open == canonical.ToolCall {
			g.Calls = append(g.Calls, call{g.name, bytes.Clone(g.args.Bytes())})
		}
	}
}
