package cohere

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/sse"
)

// seeds are the first sections of the translation's cases.
func seeds(f *testing.F, section string) [][]byte {
	f.Helper()
	files, _ := filepath.Glob("testdata/*.txtar")
	var all [][]byte
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if archive.Files[0].Name == section {
			all = append(all, archive.Files[0].Data)
		}
	}
	return all
}

// What a request says can be said again: what we send, a server of this dialect reads as the same number of messages or refuses
// by name. Whatever is refused names a field of ours and is the client's fault.
func FuzzDecodeRequest(f *testing.F) {
	for _, seed := range seeds(f, "request.json") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := decoded(t, body)
		if r == nil {
			return
		}
		out, _, err := Dialect{}.EncodeRequest(r)
		if err != nil || !json.Valid(out) {
			t.Fatalf("%v: %s", err, out)
		}
		if again := decoded(t, out); len(r.Messages) > 0 && again != nil && len(again.Messages) > len(r.Messages) {
			t.Errorf("%d messages became %d: %s", len(r.Messages), len(again.Messages), out)
		}
	})
}

func decoded(t *testing.T, body []byte) *canonical.Request {
	in, err := Dialect{}.Inspect(adapters.OperationChat, "/v2/chat", body)
	if err != nil {
		return nil
	}
	r, err := Dialect{}.DecodeRequest(&adapters.RequestContext{Body: body, Inspection: in})
	if err != nil {
		if e := adapters.AsError(err); e.Code != adapters.CodeInvalidRequest || e.Param == "" {
			t.Errorf("%v of %s", err, body)
		}
		return nil
	}
	return r
}

func FuzzDecodeAnswer(f *testing.F) {
	for _, seed := range seeds(f, "answer.json") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		facts := &adapters.ProviderResponse{}
		if err := (Dialect{}).ReadAnswer(adapters.OperationChat, body, facts); err != nil {
			return
		}
		r, err := Dialect{}.DecodeAnswer(body)
		if err != nil {
			return
		}
		if out := (Dialect{}).EncodeAnswer(r, &adapters.RequestContext{ID: "r"}, facts); !json.Valid(out) {
			t.Errorf("%s became %s", body, out)
		}
	})
}

// Whatever a stream does, its parts come one after the other, and what we make of it is a whole stream again.
func FuzzStreamCodec(f *testing.F) {
	for _, seed := range seeds(f, "stream.sse") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		facts := &adapters.ProviderResponse{}
		req := &adapters.RequestContext{ID: "r"}
		decoder, encoder := Dialect{}.NewStreamDecoder(), Dialect{}.NewStreamEncoder(req, facts)
		open, next := false, 0
		var out []byte
		emit := func(e *canonical.Event) {
			switch e.Kind {
			case canonical.PartBegin:
				if open || e.Index != next || e.Part == nil {
					t.Errorf("%+v begins out of turn", e)
				}
				open, next = true, next+1
			case canonical.PartDelta, canonical.PartEnd:
				if !open || e.Index != next-1 {
					t.Errorf("%+v of no open part", e)
				}
				open = e.Kind == canonical.PartDelta
			}
			out = encoder.Event(out, e)
		}
		each(text, func(name string, data []byte) {
			_ = decoder.Event(name, data, emit)
		})
		decoder.End(emit)
		if open {
			t.Error("a part was left open")
		}
		reader := Dialect{}.NewStreamReader(req, &adapters.ProviderResponse{})
		each(encoder.End(out), func(name string, data []byte) {
			if _, err := reader.Event(name, data); err != nil && facts.FinishReason == "" && !bytes.Contains(text, []byte("ERR")) && !bytes.Contains(text, []byte("TIMEOUT")) {
				t.Errorf("%v reading %s", err, data)
			}
		})
	})
}

func each(text []byte, visit func(name string, data []byte)) {
	scanner := sse.NewScanner(bytes.NewReader(text), nil, 1<<20)
	for {
		e, ok := scanner.Ready()
		if ok {
			visit(e.Name, e.Data)
		} else if scanner.Fill() != nil {
			return
		}
	}
}
