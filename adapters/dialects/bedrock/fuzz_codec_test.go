package bedrock

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/eventstream"
)

// seeds are the sections of that name in the cases of testdata.
func seeds(f *testing.F, name string) (all [][]byte) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range archive.Files {
			if part.Name == name {
				all = append(all, part.Data)
			}
		}
	}
	return all
}

// FuzzDecodeRequest: whatever is taken for a request is written as JSON that is taken for one again.
func FuzzDecodeRequest(f *testing.F) {
	for _, body := range seeds(f, "request.json") {
		f.Add("anthropic.claude-sonnet-4-20250514-v1:0", body)
		f.Add("amazon.nova-2-lite-v1:0", body)
	}
	f.Fuzz(func(t *testing.T, model string, body []byte) {
		decode := func(body []byte) (*canonical.Request, error) {
			in, err := Dialect{}.Inspect(adapters.OperationChat, "/model/m/converse", body)
			if err != nil {
				return nil, err
			}
			in.Model = model
			return Dialect{}.DecodeRequest(&adapters.RequestContext{Body: body, Inspection: in})
		}
		r, err := decode(body)
		if err != nil {
			return
		}
		out, _, err := Dialect{}.EncodeRequest(r)
		if err != nil || !json.Valid(out) {
			t.Fatalf("%s: %v", out, err)
		}
		if _, err := decode(out); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
	})
}

// FuzzDecodeAnswer: whatever is taken for an answer is written as one.
func FuzzDecodeAnswer(f *testing.F) {
	for _, body := range seeds(f, "answer.json") {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Dialect{}.DecodeAnswer(body)
		if err != nil {
			return
		}
		out := Dialect{}.EncodeAnswer(r, nil, &adapters.ProviderResponse{})
		if _, err := (Dialect{}).DecodeAnswer(out); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
	})
}

// FuzzStreamDecoder: the events of any stream are in the order that the model demands, and are written as frames.
func FuzzStreamDecoder(f *testing.F) {
	for _, text := range seeds(f, "stream") {
		f.Add(text)
	}
	f.Add([]byte("messageStop: {}\ncontentBlockDelta: {\"delta\":{\"text\":\"behind the end\"}}"))
	f.Add([]byte("contentBlockDelta: {\"delta\":{\"toolUse\":{\"input\":\"of no call\"}}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		decoder := Dialect{}.NewStreamDecoder()
		encoder := Dialect{}.NewStreamEncoder(nil, &adapters.ProviderResponse{})
		open, begun, started, finished := false, 0, false, false
		var out []byte
		emit := func(e *canonical.Event) {
			ok := started && !finished
			switch e.Kind {
			case canonical.Start:
				ok, started = !started, true
			case canonical.PartBegin:
				ok = ok && !open && e.Index == begun
				open = true
				begun++
			case canonical.PartDelta:
				ok = ok && open && e.Index == begun-1
			case canonical.PartEnd:
				ok = ok && open && e.Index == begun-1
				open = false
			case canonical.Finish:
				ok = ok && !open
				finished = true
			}
			if !ok {
				t.Fatalf("%+v is out of turn", e)
			}
			out = encoder.Event(out, e)
		}
		for line := range strings.Lines(string(text)) {
			name, payload, _ := strings.Cut(strings.TrimSpace(line), ": ")
			if decoder.Event(name, []byte(payload), emit) != nil {
				break
			}
		}
		decoder.End(emit)
		if !finished {
			t.Fatal("it did not finish")
		}
		scanner := eventstream.NewScanner(bytes.NewReader(encoder.End(out)), nil, 1<<24)
		for scanner.Fill() == nil {
			for e, ok := scanner.Ready(); ok; e, ok = scanner.Ready() {
				if !json.Valid(e.Data) {
					t.Fatalf("%s: %s", e.Name, e.Data)
				}
			}
		}
	})
}
