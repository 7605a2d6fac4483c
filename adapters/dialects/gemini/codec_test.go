package gemini

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
)

var update = flag.Bool("update", false, "write what the codec says into testdata")

// TestCodec reads testdata: what goes in stands first in each file, what must come of it behind. Where a case begins with
// client.json, a client's request is decoded and encoded again; with canonical.json, another dialect's is encoded; with answer.json
// and stream.sse, an answer of Gemini's is decoded, and encoded for a client of Gemini's.
func TestCodec(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			c, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			in := c.Files[0]
			var got []txtar.File
			switch in.Name {
			case "client.json":
				got = request(t, modelOf(c), in.Data)
			case "canonical.json":
				r := &canonical.Request{}
				if err := json.Unmarshal(in.Data, r); err != nil {
					t.Fatal(err)
				}
				got = upstream(t, r)
			case "answer.json":
				got = answered(t, in.Data)
			case "stream.sse", "stream.json":
				got = streamed(t, in)
			default:
				t.Fatalf("what is %s?", in.Name)
			}
			if *update {
				c.Files = append([]txtar.File{in}, got...)
				if err := os.WriteFile(path, txtar.Format(c), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(show(c.Files[1:]), show(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func show(files []txtar.File) string {
	return string(txtar.Format(&txtar.Archive{Files: files}))
}

// modelOf is the model that a case's comment names.
func modelOf(c *txtar.Archive) string {
	_, rest, ok := strings.Cut(string(c.Comment), "model: ")
	if !ok {
		return "gemini-2.5-flash"
	}
	name, _, _ := strings.Cut(rest, "\n")
	return name
}

func decode(t *testing.T, model string, body []byte) *canonical.Request {
	t.Helper()
	in, err := Dialect{}.Inspect(adapters.OperationChat, "/v1beta/models/"+model+":generateContent", body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Dialect{}.DecodeRequest(&adapters.RequestContext{Body: body, Inspection: in})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func request(t *testing.T, model string, body []byte) []txtar.File {
	r := decode(t, model, body)
	files := append([]txtar.File{{Name: "canonical.json", Data: dump(r)}}, upstream(t, r)...)
	again := decode(t, model, files[1].Data)
	if diff := cmp.Diff(withoutFields(r), withoutFields(again), sameJSON); diff != "" && len(files) == 2 {
		t.Errorf("another round changes it:\n%s", diff)
	}
	return files
}

func upstream(t *testing.T, r *canonical.Request) []txtar.File {
	t.Helper()
	body, lost, err := Dialect{}.EncodeRequest(r)
	if err != nil {
		return []txtar.File{{Name: "error", Data: []byte(err.Error() + "\n")}}
	}
	files := []txtar.File{{Name: "upstream.json", Data: indent(body)}}
	if len(lost) > 0 {
		var b bytes.Buffer
		for _, l := range lost {
			fmt.Fprintf(&b, "%s%s\n", l.Field, map[bool]string{true: " (a hint)"}[l.Hint])
		}
		files = append(files, txtar.File{Name: "lost", Data: b.Bytes()})
	}
	return files
}

func answered(t *testing.T, body []byte) []txtar.File {
	var facts adapters.ProviderResponse
	if err := (Dialect{}).ReadAnswer(adapters.OperationChat, body, &facts); err != nil {
		t.Fatal(err)
	}
	r, err := Dialect{}.DecodeAnswer(body)
	if err != nil {
		t.Fatal(err)
	}
	client := Dialect{}.EncodeAnswer(r, &adapters.RequestContext{}, &facts)
	again, err := Dialect{}.DecodeAnswer(client)
	if err != nil {
		t.Fatal(err)
	}
	again.Created = r.Created // a Gemini client is not told
	if diff := cmp.Diff(r, again, sameJSON); diff != "" {
		t.Errorf("another round changes it:\n%s", diff)
	}
	return []txtar.File{{Name: "canonical.json", Data: dump(r)}, {Name: "client.json", Data: indent(client)}}
}

func streamed(t *testing.T, in txtar.File) []txtar.File {
	kind, query := "text/event-stream", "alt=sse"
	if in.Name == "stream.json" {
		kind, query = "application/json", ""
	}
	var facts adapters.ProviderResponse
	req := &adapters.RequestContext{RawQuery: query}
	encoder := Dialect{}.NewStreamEncoder(req, &facts)
	var said, client []byte
	transcode(t, kind, in.Data, &facts, func(e *canonical.Event) {
		said = append(append(said, encode(strip(reflect.ValueOf(e)))...), '\n')
		client = encoder.Event(client, e)
	})
	client = encoder.End(client)
	// What a client of Gemini's gets is a stream of Gemini's, and says the same.
	var again []byte
	transcode(t, kind, client, &adapters.ProviderResponse{}, func(e *canonical.Event) {
		again = append(append(again, encode(strip(reflect.ValueOf(e)))...), '\n')
	})
	if diff := cmp.Diff(string(said), string(again)); diff != "" {
		t.Errorf("another round changes it:\n%s", diff)
	}
	client = bytes.ReplaceAll(client, []byte("\r\n"), []byte("\n"))
	return []txtar.File{{Name: "events", Data: said}, {Name: "client" + strings.TrimPrefix(in.Name, "stream"), Data: client}}
}

// transcode plays a stream as the gateway does: facts first, then meaning.
func transcode(t *testing.T, kind string, stream []byte, facts *adapters.ProviderResponse, emit func(*canonical.Event)) {
	t.Helper()
	d := Dialect{}
	s := d.NewScanner(kind, bytes.NewReader(stream), nil, 1<<20)
	reader, decoder := d.NewStreamReader(&adapters.RequestContext{}, facts), d.NewStreamDecoder()
	for {
		for e, ok := s.Ready(); ok; e, ok = s.Ready() {
			if _, err := reader.Event(e.Name, e.Data); err != nil {
				t.Fatal(err)
			}
			if err := decoder.Event(e.Name, e.Data, emit); err != nil {
				t.Fatal(err)
			}
		}
		if s.Fill() != nil {
			break
		}
	}
	if err := reader.End(); err != nil {
		t.Fatal(err)
	}
	decoder.End(emit)
}

// sameJSON is for what stands as it came, but for white space.
var sameJSON = cmp.Comparer(func(a, b json.RawMessage) bool { return compact(a) == compact(b) })

// dump writes a value of the model readably: without what is not set.
func dump(v any) []byte { return indent(encode(strip(reflect.ValueOf(v)))) }

func indent(text []byte) []byte {
	var b bytes.Buffer
	if json.Indent(&b, text, "", "  ") != nil {
		return text
	}
	b.WriteByte('\n')
	return b.Bytes()
}

func strip(v reflect.Value) any {
	switch raw, ok := v.Interface().(json.RawMessage); {
	case ok:
		return raw
	case v.Type() == reflect.TypeFor[canonical.EventKind]():
		return [...]string{1: "start", "begin", "delta", "end", "finish", "ping"}[v.Uint()]
	case v.Kind() == reflect.Pointer:
		return strip(v.Elem())
	case v.Kind() == reflect.Struct:
		o := &object{}
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() {
				o.set(v.Type().Field(i).Name, strip(f))
			}
		}
		return o
	case v.Kind() == reflect.Slice:
		all := []any{}
		for i := range v.Len() {
			all = append(all, strip(v.Index(i)))
		}
		return all
	}
	return v.Interface()
}

// withoutFields takes away where things stood in the client's body: turns that are merged stand elsewhere afterwards.
func withoutFields(r *canonical.Request) *canonical.Request {
	c := *r
	c.Messages = nil
	for _, m := range r.Messages {
		m.Parts = partsWithoutFields(m.Parts)
		c.Messages = append(c.Messages, m)
	}
	c.Tools = nil
	for _, t := range r.Tools {
		t.Field = ""
		c.Tools = append(c.Tools, t)
	}
	return &c
}

func partsWithoutFields(parts []canonical.Part) (all []canonical.Part) {
	for _, p := range parts {
		p.Field = ""
		if p.Result != nil {
			result := *p.Result
			result.Parts = partsWithoutFields(result.Parts)
			p.Result = &result
		}
		all = append(all, p)
	}
	return all
}
