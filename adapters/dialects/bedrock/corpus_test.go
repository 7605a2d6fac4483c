package bedrock

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/eventstream"
)

// recordings lists the recorded exchanges beside the project, by their files' names without what follows the first dot.
func recordings(t *testing.T) []string {
	const dir = "../../../../shared/corpus/bedrock/converse"
	metas, err := filepath.Glob(filepath.Join(dir, "*.meta.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(metas) == 0 {
		t.Skip("the recordings are not here")
	}
	for i := range metas {
		metas[i] = strings.TrimSuffix(metas[i], ".meta.json")
	}
	return metas
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// alike holds two values of the model against each other: members that only Bedrock has are written in another order than they came.
var alike = cmp.Options{
	cmpopts.SortSlices(func(a, b canonical.Other) bool { return a.Name < b.Name }), cmpopts.EquateEmpty(),
}

func TestRecordedRequestsKeepTheirMeaning(t *testing.T) {
	decoded := 0
	for _, base := range recordings(t) {
		t.Run(filepath.Base(base), func(t *testing.T) {
			var request struct {
				URL  string          `json:"url"`
				Body json.RawMessage `json:"body"`
			}
			readJSON(t, base+".request.json", &request)
			if string(request.Body) == "null" {
				return // the body was not recorded
			}
			decoded++
			u, err := url.Parse(request.URL)
			if err != nil {
				t.Fatal(err)
			}
			decode := func(body []byte) *canonical.Request {
				in, err := Dialect{}.Inspect(adapters.OperationChat, u.EscapedPath(), body)
				if err != nil {
					t.Fatal(err)
				}
				r, err := Dialect{}.DecodeRequest(&adapters.RequestContext{Body: body, Inspection: in})
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			once := merged(decode(request.Body))
			body, lost, err := Dialect{}.EncodeRequest(once)
			if err != nil || len(lost) > 0 {
				t.Fatalf("lost %v: %v", lost, err)
			}
			if diff := cmp.Diff(once, decode(body), alike); diff != "" {
				t.Error(diff)
			}
		})
	}
	if decoded < 35 {
		t.Errorf("only %d requests were looked at", decoded)
	}
}

// merged makes one message of neighbours with the same role, as the encoder does: most models refuse them, and one recording has them.
func merged(r *canonical.Request) *canonical.Request {
	var out []canonical.Message
	for _, m := range r.Messages {
		last := len(out) - 1
		if last < 0 || out[last].Role != m.Role {
			out = append(out, m)
			continue
		}
		for _, p := range m.Parts {
			p.Field = fmt.Sprintf("messages[%d].content[%d]", last, len(out[last].Parts))
			out[last].Parts = append(out[last].Parts, p)
		}
	}
	r.Messages = out
	return r
}

// expectation is what was derived from a recording independently.
type expectation struct {
	OK        bool
	Text      string
	Reasoning string
	ToolCalls []struct {
		ID, Name, Arguments string
	} `json:"tool_calls"`
}

func TestRecordedAnswersKeepTheirMeaning(t *testing.T) {
	for _, base := range recordings(t) {
		t.Run(filepath.Base(base), func(t *testing.T) {
			var want expectation
			readJSON(t, base+".expect.json", &want)
			if !want.OK {
				return // an error
			}
			facts := &adapters.ProviderResponse{}
			if body, err := os.ReadFile(base + ".response.json"); err == nil {
				once, err := Dialect{}.DecodeAnswer(body)
				if err != nil {
					t.Fatal(err)
				}
				expect(t, want, once.Choices[0].Parts)
				twice, err := Dialect{}.DecodeAnswer(Dialect{}.EncodeAnswer(once, nil, facts))
				if err != nil {
					t.Fatal(err)
				}
				twice.Choices[0].Finish, twice.ServiceTier = once.Choices[0].Finish, once.ServiceTier // facts, and nobody's
				if diff := cmp.Diff(once, twice, alike); diff != "" {
					t.Error(diff)
				}
				return
			}
			body, err := os.ReadFile(base + ".response.eventstream")
			if err != nil {
				t.Fatal(err)
			}
			encoder := Dialect{}.NewStreamEncoder(nil, facts)
			var out []byte
			once := assemble(t, body, func(e *canonical.Event) { out = encoder.Event(out, e) })
			expect(t, want, once)
			twice := assemble(t, encoder.End(out), func(*canonical.Event) {})
			if diff := cmp.Diff(once, twice, alike); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// assemble decodes a stream, checks that its events are in the order that the model demands, and puts the parts together.
func assemble(t *testing.T, stream []byte, also func(*canonical.Event)) (parts []canonical.Part) {
	t.Helper()
	decoder := Dialect{}.NewStreamDecoder()
	open, last := false, canonical.EventKind(0)
	emit := func(e *canonical.Event) {
		if (last == 0) != (e.Kind == canonical.Start) || last == canonical.Finish {
			t.Errorf("event %d after %d", e.Kind, last)
		}
		last = e.Kind
		switch e.Kind {
		case canonical.PartBegin:
			if open || e.Index != len(parts) {
				t.Errorf("part %d begins out of turn", e.Index)
			}
			open = true
			p := *e.Part
			if p.Call != nil {
				call := *p.Call
				p.Call = &call
			}
			if p.Thought != nil {
				thought := *p.Thought
				p.Thought = &thought
			}
			parts = append(parts, p)
		case canonical.PartDelta:
			if !open {
				t.Fatal("a delta of no part")
			}
			grow(&parts[len(parts)-1], e)
		case canonical.PartEnd:
			open = false
		case canonical.Finish:
			if open {
				t.Error("it finished within a part")
			}
		}
		also(e)
	}
	scanner := eventstream.NewScanner(bytes.NewReader(stream), nil, 1<<20)
	for scanner.Fill() == nil {
		for e, ok := scanner.Ready(); ok && !isException(e.Name); e, ok = scanner.Ready() {
			if err := decoder.Event(e.Name, e.Data, emit); err != nil {
				t.Fatal(err)
			}
		}
	}
	decoder.End(emit)
	for i := range parts {
		if c := parts[i].Call; c != nil && c.Arguments == "" {
			c.Arguments = "{}"
		}
	}
	return parts
}

func grow(p *canonical.Part, e *canonical.Event) {
	switch p.Kind {
	case canonical.ToolCall:
		p.Call.Arguments += e.Text
	case canonical.Thinking:
		p.Thought.Text += e.Text
	default:
		p.Text += e.Text
	}
	if e.Part == nil {
		return
	}
	if e.Part.Thought != nil {
		p.Thought.Signature += e.Part.Thought.Signature
		p.Thought.Encrypted += e.Part.Thought.Encrypted
	}
	p.Citations = append(p.Citations, e.Part.Citations...)
}

func expect(t *testing.T, want expectation, parts []canonical.Part) {
	t.Helper()
	var text, reasoning string
	var calls []canonical.Call
	for _, p := range parts {
		switch p.Kind {
		case canonical.Text:
			text += p.Text
		case canonical.Thinking:
			reasoning += p.Thought.Text
		case canonical.ToolCall:
			calls = append(calls, *p.Call)
		}
	}
	if text != want.Text {
		t.Errorf("text %q, want %q", text, want.Text)
	}
	if reasoning != want.Reasoning {
		t.Errorf("thoughts %q, want %q", reasoning, want.Reasoning)
	}
	if len(calls) != len(want.ToolCalls) {
		t.Fatalf("calls %v, want %v", calls, want.ToolCalls)
	}
	for i, c := range want.ToolCalls {
		if calls[i].ID != c.ID || calls[i].Name != c.Name || calls[i].Arguments != compact([]byte(c.Arguments)) && calls[i].Arguments != c.Arguments {
			t.Errorf("call %+v, want %+v", calls[i], c)
		}
	}
}
