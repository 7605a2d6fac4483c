package cohere

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/sse"
)

var update = flag.Bool("update", false, "write what is got into testdata")

// A case is a file that reads from top to bottom: what comes in, what it is in the canonical model, what goes out. It begins with
//
//   - request.json, a client's, or canonical.json where it came from another dialect; then upstream.json and lost;
//   - answer.json, Cohere's, or response.json; then client.json;
//   - stream.sse, Cohere's; then events and client.sse.
//
// The canonical model is written as JSON without what is not set.
func TestTranslation(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := testCase{T: t, archive: archive}
			switch first := archive.Files[0].Name; first {
			case "request.json", "canonical.json":
				c.request()
			case "answer.json", "response.json":
				c.answer()
			case "stream.sse":
				c.stream()
			default:
				t.Fatalf("a case cannot begin with %s", first)
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

type testCase struct {
	*testing.T
	archive *txtar.Archive
}

// part returns a section of the file.
func (c *testCase) part(name string) (data []byte, ok bool) {
	for _, f := range c.archive.Files {
		if f.Name == name {
			return f.Data, true
		}
	}
	return nil, false
}

// same holds what was got against a section, or writes it there.
func (c *testCase) same(name string, got []byte) {
	c.Helper()
	if len(got) > 0 && got[len(got)-1] != '\n' {
		got = append(got, '\n')
	}
	if want, _ := c.part(name); !*update {
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			c.Errorf("%s (-want +got)\n%s", name, diff)
		}
		return
	}
	for i := range c.archive.Files {
		if c.archive.Files[i].Name == name {
			c.archive.Files[i].Data = got
			return
		}
	}
	c.archive.Files = append(c.archive.Files, txtar.File{Name: name, Data: got})
}

func (c *testCase) request() {
	r := &canonical.Request{}
	if body, ok := c.part("request.json"); ok {
		in, err := Dialect{}.Inspect(adapters.OperationChat, "/v2/chat", body)
		if err != nil {
			c.Fatal(err)
		}
		r, err = Dialect{}.DecodeRequest(&adapters.RequestContext{Body: body, Inspection: in})
		if _, wrong := c.part("error"); wrong {
			e := adapters.AsError(err)
			c.same("error", fmt.Appendf(nil, "%s at %s: %s", e.Code, e.Param, e.Message))
			return
		}
		if err != nil {
			c.Fatal(err)
		}
		c.same("canonical.json", pruned(c.T, r))
	} else {
		body, _ := c.part("canonical.json")
		c.unmarshal(body, r)
	}
	body, lost, err := Dialect{}.EncodeRequest(r)
	if err != nil {
		c.Fatal(err)
	}
	c.same("upstream.json", indented(c.T, body))
	var names bytes.Buffer
	for _, l := range lost {
		if names.WriteString(l.Field); l.Hint {
			names.WriteString(" (hint)")
		}
		names.WriteByte('\n')
	}
	if _, expected := c.part("lost"); expected || names.Len() > 0 {
		c.same("lost", names.Bytes())
	}
}

func (c *testCase) answer() {
	facts, r := &adapters.ProviderResponse{}, &canonical.Response{}
	if body, ok := c.part("answer.json"); ok {
		var err error
		if err = (Dialect{}).ReadAnswer(adapters.OperationChat, body, facts); err == nil {
			r, err = Dialect{}.DecodeAnswer(body)
		}
		if err != nil {
			c.Fatal(err)
		}
		c.same("response.json", pruned(c.T, r))
	} else {
		body, _ := c.part("response.json")
		c.unmarshal(body, r)
		facts.Usage = &adapters.CanonicalUsage{InputTokens: 12, OutputTokens: 7, CacheReadTokens: 4, ReasoningTokens: 3}
	}
	c.same("client.json", indented(c.T, Dialect{}.EncodeAnswer(r, &adapters.RequestContext{ID: "req_1"}, facts)))
}

func (c *testCase) stream() {
	facts := &adapters.ProviderResponse{}
	req := &adapters.RequestContext{ID: "req_1"}
	reader, decoder, encoder := Dialect{}.NewStreamReader(req, facts), Dialect{}.NewStreamDecoder(), Dialect{}.NewStreamEncoder(req, facts)
	var steps, out []byte
	emit := func(e *canonical.Event) {
		steps = append(append(steps, step(c.T, e)...), '\n')
		out = encoder.Event(out, e)
	}
	text, _ := c.part("stream.sse")
	scanner := sse.NewScanner(bytes.NewReader(text), nil, 1<<20)
	for {
		e, ok := scanner.Ready()
		if !ok {
			if scanner.Fill() != nil {
				break
			}
			continue
		}
		if _, err := reader.Event(e.Name, e.Data); err != nil {
			c.Fatal(err)
		}
		if err := decoder.Event(e.Name, e.Data, emit); err != nil {
			c.Fatal(err)
		}
	}
	decoder.End(emit)
	if err := reader.End(); err != nil {
		c.Fatal(err)
	}
	c.same("events", steps)
	c.same("client.sse", encoder.End(out))
}

func (c *testCase) unmarshal(text []byte, into any) {
	c.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		c.Fatal(err)
	}
}

var kinds = map[canonical.EventKind]string{
	canonical.Start: "start", canonical.PartBegin: "begin", canonical.PartDelta: "delta", canonical.PartEnd: "end",
	canonical.Finish: "finish", canonical.Ping: "ping",
}

// step is an event as one line.
func step(t *testing.T, e *canonical.Event) string {
	switch e.Kind {
	case canonical.Start, canonical.Ping:
		return kinds[e.Kind]
	case canonical.Finish:
		return "finish " + string(e.Finish)
	}
	line := fmt.Sprintf("%s %d", kinds[e.Kind], e.Index)
	if e.Part != nil {
		var b bytes.Buffer
		if err := json.Compact(&b, pruned(t, e.Part)); err != nil {
			t.Fatal(err)
		}
		line += " " + b.String()
	}
	if e.Text != "" {
		line += fmt.Sprintf(" %q", e.Text)
	}
	return line
}

// pruned is a value of the model as JSON, without what is not set.
func pruned(t *testing.T, v any) []byte {
	raw, err := marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return indented(t, prune(raw))
}

// prune takes what is not set out of an object of the model. Raw JSON (a schema, citations) it leaves as it is.
func prune(raw []byte) []byte {
	if len(raw) == 0 || raw[0] != '{' && raw[0] != '[' {
		return raw
	}
	out := []byte{raw[0]}
	add := func(name string, value []byte) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		if name != "" {
			out = fmt.Appendf(out, "%q:", name)
		}
		out = append(out, value...)
	}
	if raw[0] == '[' {
		_ = array("", raw, func(_ int, value []byte) error { add("", prune(value)); return nil })
		return append(out, ']')
	}
	_ = object("", raw, func(name string, value []byte) error {
		switch name {
		case "Parameters", "Schema", "Citations", "Raw", "Foreign", "Value", "Logprobs":
		default:
			value = prune(value)
		}
		switch string(value) {
		case `""`, "0", "false":
			if name != "Text" || string(value) != `""` || !bytes.HasPrefix(raw, []byte(`{"Kind":"text"`)) {
				return nil
			}
		}
		add(name, value)
		return nil
	})
	return append(out, '}')
}

func indented(t *testing.T, raw []byte) []byte {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return b.Bytes()
}
