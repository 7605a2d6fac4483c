package all

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tollhouse/tollhouse/adapters"
)

var update = flag.Bool("update", false, "write the golden files anew; read every line of the difference")

// TestMatrix takes every scenario from every dialect to every other: what goes up and what comes back stand in golden/. Frames of a binary
// event stream stand there a line each.
func TestMatrix(t *testing.T) {
	set, err := Set()
	if err != nil {
		t.Fatal(err)
	}
	scenarios, _ := filepath.Glob("testdata/matrix/*.txtar")
	if len(scenarios) == 0 {
		t.Fatal("no scenarios")
	}
	for _, path := range scenarios {
		scenario := strings.TrimSuffix(filepath.Base(path), ".txtar")
		t.Run(scenario, func(t *testing.T) {
			in := sections(t, path)
			golden := &txtar.Archive{}
			for _, client := range of(in, "request") {
				for _, provider := range of(in, "answer", "error") {
					if client != provider {
						pair(t, in, set.Dialect(client), set.Dialect(provider), golden)
					}
				}
			}
			compare(t, "testdata/matrix/golden/"+scenario+".txtar", golden)
		})
	}
}

// pair adds to golden what becomes of a scenario between two dialects.
func pair(t *testing.T, in map[string]string, client, provider adapters.Dialect, golden *txtar.Archive) {
	add := func(what, text string) {
		name := client.Name() + " to " + provider.Name() + ", " + what
		golden.Files = append(golden.Files, txtar.File{Name: name, Data: []byte(strings.TrimRight(text, "\n") + "\n")})
	}
	body, model := in[client.Name()+".request"], modelOf(in, provider)
	ask := func(answer string, status int, stream bool) *exchange {
		return send(t, requestOf(t, client, adapters.OperationChat, "", body, stream), provider, model, answer, status)
	}
	if answer := in[provider.Name()+".answer"]; answer != "" {
		x := ask(answer, http.StatusOK, false)
		add("up", pretty(x.up))
		add("down", x.shown(t))
	}
	if answer := in[provider.Name()+".stream"]; answer != "" {
		add("stream", ask(answer, http.StatusOK, true).shown(t))
	}
	if answer := in[provider.Name()+".error"]; answer != "" {
		var status int
		_, _ = fmt.Sscan(answer, &status)
		add("error", ask(answer[4:], status, false).shown(t))
	}
	if answer := in[provider.Name()+".broken"]; answer != "" {
		x := ask(answer, http.StatusOK, true)
		if x.broken == nil {
			t.Errorf("%s to %s: a broken stream ended well", client.Name(), provider.Name())
		}
		add("broken", x.shown(t))
	}
}

// pretty indents JSON, so that a difference is a line.
func pretty(text string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(text), "", " ") != nil {
		return text
	}
	return b.String()
}

func sections(t testing.TB, path string) map[string]string {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]string{}
	for _, f := range archive.Files {
		in[f.Name] = string(f.Data)
	}
	return in
}

func compare(t *testing.T, path string, got *txtar.Archive) {
	t.Helper()
	text := txtar.Format(got)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("%s: −want +got\n%s", path, diff)
	}
}
