package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

var environment = map[string]string{"OPENAI_API_KEY": "sk-openai", "WEB_APP_KEY": "sk-web-app-0123456789", "EMPTY": ""}

func getenv(name string) (string, bool) { v, ok := environment[name]; return v, ok }

// Each file of testdata has a configuration and the errors it must give, a line each; none: it must be accepted.
func TestErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var in []byte
			var want string
			for _, f := range archive.Files {
				switch f.Name {
				case "config":
					in = f.Data
				case "errors":
					want = strings.TrimSpace(string(f.Data))
				}
			}
			got := ""
			if _, err := Parse(in, getenv); err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestTheExampleIsValidAndMeansWhatItSays(t *testing.T) {
	text, err := os.ReadFile("../../../deployments/tollhouse.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	environment := map[string]string{"OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "sk-2", "WEB_APP_KEY": "sk-web-app-0123456789"}
	c, err := Parse(text, func(name string) (string, bool) { v, ok := environment[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	r := c.Registries[0]
	if r.Endpoints[0].APIKey.Reveal() != "sk-1" || r.Timeouts.Total.Duration() != 10*time.Minute || c.Consumers[0].Pool.Name != "main" {
		t.Errorf("%+v", c)
	}
	if printed := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(printed, "sk-1") || strings.Contains(printed, "sk-web-app") {
		t.Error("printing the configuration shows a secret")
	}
}

func TestNoFileIsTheDefaults(t *testing.T) {
	c, err := Load("", getenv)
	if err != nil || c.Gateway.Listen != "127.0.0.1:8080" || c.Journal.Sync != "batch" || c.Limits.RequestBody != 32<<20 {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := Parse([]byte("# nothing but a comment\n"), getenv); err != nil || c.DataDir != "./.tollhouse" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestJSONIsYAML(t *testing.T) {
	c, err := Parse([]byte(`{"gateway": {"listen": "127.0.0.1:0", "grace": "5s"}, "limits": {"request_body": "1MiB", "labels": 4}}`), getenv)
	if err != nil || c.Gateway.Grace.Duration() != 5*time.Second || c.Limits.RequestBody != 1<<20 || c.Limits.Labels != 4 {
		t.Errorf("%+v, %v", c, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("gateway: {listen: ':0'}"))
	f.Add([]byte("registries: [{name: a, x: ${OPENAI_API_KEY}}]"))
	f.Add([]byte("a: &x 1\nb: *x"))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = Parse(text, getenv) })
}
