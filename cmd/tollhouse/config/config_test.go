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
	c, err := Parse(nil, getenv)
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

// Whatever differs is either in use at once or named: no key of the sections that a process is made of is forgotten.
func TestWhatNeedsARestart(t *testing.T) {
	parse := func(text string) *Config {
		c, err := Parse([]byte(text), getenv)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	started := `{gateway: {id: a}, kafka: {brokers: ["k:1"]}}`
	for text, want := range map[string]string{
		started: "",
		`{gateway: {id: b, grace: 1s, tls: {cert: c, key: k}, timeouts: {header: 1s, body: 1s}}, kafka: {brokers: ["k:1"]}}`:                "gateway.id gateway.timeouts.header gateway.tls",
		`{gateway: {id: a, listen: "127.0.0.1:1", admin: "127.0.0.1:2", admin_key: "${WEB_APP_KEY}"}, limits: {labels: 3}, data_dir: else}`: "gateway.listen gateway.admin gateway.admin_key data_dir kafka",
		`{gateway: {id: a}, kafka: {brokers: ["k:1", "k:2"]}, journal: {sync: none, max_bytes: 1GiB, when_full: serve}, log: {level: debug, format: json}}`: "log.format journal.sync journal.max_bytes " +
			"journal.when_full kafka",
		`{gateway: {id: a}, kafka: {brokers: ["k:1"]}, clickhouse: {dsn: "http://c:1/t"}, prices: {file: p}, embedded: {broker: "127.0.0.1:1"}}`: "embedded.broker clickhouse prices.file",
	} {
		c, was := parse(text), parse(started)
		if got := strings.Join(c.KeepFixed(was), " "); got != want {
			t.Errorf("%s\nneeds %q, want %q", text, got, want)
		}
		if c.Gateway.ID != "a" || c.Gateway.TLS.Cert != "" || c.Journal != was.Journal || len(c.Kafka.Brokers) != 1 || c.DataDir != was.DataDir {
			t.Errorf("%s\nis used as %+v", text, c)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("gateway: {listen: ':0'}"))
	f.Add([]byte("registries: [{name: a, x: ${OPENAI_API_KEY}}]"))
	f.Add([]byte("a: &x 1\nb: *x"))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = Parse(text, getenv) })
}

func TestAnAmountIsExact(t *testing.T) {
	for text, want := range map[string]Amount{"0.02": 20_000_000_000, `"1"`: 1_000_000_000_000, "0.000000000001": 1, ".5": 500_000_000_000} {
		var a Amount
		if err := a.UnmarshalYAML([]byte(text)); err != nil || a != want {
			t.Errorf("%s: %d, %v", text, a, err)
		}
	}
	for _, text := range []string{"", ".", "-1", "1e3", "0.0000000000001", "99999999"} {
		var a Amount
		if err := a.UnmarshalYAML([]byte(text)); err == nil {
			t.Errorf("%s is %d", text, a)
		}
	}
}
