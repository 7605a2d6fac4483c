package bedrock

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/eventstream"
	"github.com/tollhouse/tollhouse/events"
)

var update = flag.Bool("update", false, "write what is got into testdata")

// A case is a file that reads from top to bottom: what comes in, what it is in the canonical model, what goes out. It begins with
//
//   - request.json, a client's, or canonical.json where it came from another dialect; then upstream.json and lost. The file's first
//     line may be the path that a client asked;
//   - answer.json, Bedrock's, or response.json; then client.json;
//   - stream, Bedrock's, a frame a line: its event type, a colon and its payload; then events and client, written as stream is;
//   - events.json, canonical events of another dialect's stream; then client.
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
			case "stream":
				c.stream()
			case "events.json":
				c.encodeStream()
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
		in, err := Dialect{}.Inspect(adapters.OperationChat, c.path(), body)
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
		steps = append(append(steps, eventLine(c.T, e)...), '\n')
		out = encoder.Event(out, e)
	}
	text, _ := c.part("stream")
	for line := range strings.Lines(string(text)) {
		name, payload, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if _, err := reader.Event(name, []byte(payload)); err != nil {
			c.Fatal(err)
		}
		if err := decoder.Event(name, []byte(payload), emit); err != nil {
			c.Fatal(err)
		}
	}
	decoder.End(emit)
	if err := reader.End(); err != nil {
		c.Fatal(err)
	}
	c.same("events", steps)
	c.same("client", lines(c.T, encoder.End(out)))
}

// encodeStream writes what another dialect's stream says.
func (c *testCase) encodeStream() {
	facts := &adapters.ProviderResponse{
		FinishReason: events.FinishToolCalls, Usage: &adapters.CanonicalUsage{InputTokens: 12, OutputTokens: 7, CacheReadTokens: 4},
	}
	encoder := Dialect{}.NewStreamEncoder(&adapters.RequestContext{}, facts)
	text, _ := c.part("events.json")
	var out []byte
	for line := range strings.Lines(string(text)) {
		var e canonical.Event
		c.unmarshal([]byte(line), &e)
		out = encoder.Event(out, &e)
	}
	c.same("client", lines(c.T, encoder.End(out)))
}

// path is the one that a case begins with, or that of a Claude.
func (c *testCase) path() string {
	if line, _, _ := strings.Cut(string(c.archive.Comment), "\n"); strings.HasPrefix(line, "/model/") {
		return line
	}
	return "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
}

// lines is a stream of frames, a line each.
func lines(t *testing.T, stream []byte) (out []byte) {
	scanner := eventstream.NewScanner(bytes.NewReader(stream), nil, 1<<20)
	for {
		if e, ok := scanner.Ready(); ok {
			out = fmt.Appendf(out, "%s: %s\n", e.Name, e.Data)
		} else if err := scanner.Fill(); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
	}
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

// eventLine is an event as one line.
func eventLine(t *testing.T, e *canonical.Event) string {
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
