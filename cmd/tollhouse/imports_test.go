package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/tollhouse/tollhouse/"

// ours says what each package may import of ours, apart from tests; a star stands for what is below. cmd may import everything.
var ours = map[string][]string{
	"events":                        {},
	"events/journal":                {"events"},
	"events/journal/journaltest":    {},
	"events/kafka":                  {"events"},
	"events/relay":                  {"events", "events/journal", "events/kafka"},
	"events/broker":                 {},
	"events/eventstest":             {"events", "events/broker", "events/kafka"},
	"adapters/wire":                 {},
	"adapters/wire/*":               {"adapters/wire"},
	"adapters/canonical":            {"events"},
	"adapters":                      {"events", "adapters/canonical", "adapters/tokens", "adapters/wire", "adapters/wire/*"},
	"adapters/dialects/*":           {"events", "adapters", "adapters/canonical", "adapters/tokens", "adapters/wire", "adapters/wire/*"},
	"adapters/providers/*":          {"events", "adapters", "adapters/canonical", "adapters/wire", "adapters/wire/*", "adapters/dialects/*"},
	"adapters/all":                  {"adapters", "adapters/dialects/*", "adapters/providers/*"},
	"adapters/adaptertest":          {"events", "adapters", "adapters/canonical", "adapters/wire/*"},
	"adapters/adaptertest/*":        {"adapters"},
	"adapters/adaptertest/upstream": {"adapters/wire/eventstream"},
	"adapters/tokens":               {},
	"actors/retry":                  {},
	"actors/queue":                  {},
	"actors/sessions":               {},
	"actors/health":                 {"events", "adapters"},
	"actors/affinity":               {"adapters", "adapters/wire/jsonscan"},
	"actors/routing":                {"events", "adapters", "actors/affinity"},
	"actors/balance":                {"adapters", "actors/health", "actors/routing", "actors/affinity", "analytics/prices"},
	"actors/actortest":              {"events", "adapters"},
	"actors":                        {"events", "adapters", "actors/routing", "actors/balance", "actors/affinity", "actors/health", "actors/retry", "actors/queue", "actors/sessions"},
	"actors/sim":                    {"events", "actors", "actors/routing", "adapters", "adapters/dialects/openaichat", "adapters/providers/compatible"},
	"ingress":                       {"events", "actors", "actors/routing", "adapters"},
	"ingress/admin":                 {},
	"analytics/prices":              {},
	"analytics/rating":              {"events", "analytics/prices"},
	"analytics/schema":              {},
	"analytics/ledger":              {"events", "analytics/prices", "analytics/rating"},
	"analytics/sink":                {"events", "analytics/prices", "analytics/ledger"},
	"analytics/query":               {"events"},
	"analytics/warehouse":           {},
	"analytics/warehousetest":       {"analytics/warehouse"},
	"cmd/tollhouse/config":          {},
	"cmd/tollhouse/tracing":         {"events", "adapters", "actors"},
	"cmd/tollhouse":                 {"*"},
	"cmd/bench":                     {"*"},
}

// libraries that only some packages may know.
var libraries = map[string][]string{
	"github.com/asynkron/protoactor-go":      {"actors"},
	"github.com/labstack/echo":               {"ingress"},
	"github.com/ThreeDotsLabs/watermill":     {"events/kafka", "events/relay", "analytics/sink", "cmd/tollhouse"},
	"github.com/segmentio/kafka-go":          {"events/kafka"},
	"github.com/twmb/franz-go":               {"events/broker", "events/kafka"}, // its SCRAM serves kafka-go too
	"github.com/ClickHouse/":                 {"analytics/*", "cmd/tollhouse"},
	"github.com/goccy/go-yaml":               {"cmd/tollhouse/config", "analytics/prices"},
	"github.com/ebitengine/purego":           {"analytics/warehouse"},
	"github.com/alecthomas/kong":             {"cmd/tollhouse"},
	"github.com/tiktoken-go/tokenizer":       {"adapters/tokens"}, // some 10 MB of vocabulary
	"go.opentelemetry.io/":                   {"cmd/tollhouse/tracing"},
	"golang.org/x/oauth2":                    {"adapters/providers/vertex"},
	"github.com/aws/":                        {"adapters/providers/bedrock"},
	"github.com/openai/openai-go":            {},
	"github.com/anthropics/anthropic-sdk-go": {},
}

func TestImports(t *testing.T) {
	root := "../.."
	seen := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "bin" || d.Name() == "node_modules" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		seen++
		pkg, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		checkFile(t, filepath.ToSlash(pkg), path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 50 {
		t.Errorf("only %d files were looked at", seen)
	}
}

func checkFile(t *testing.T, pkg, path string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	allowed, listed := lookUp(ours, pkg)
	if !listed {
		t.Errorf("%s is not in the table of imports", pkg)
	}
	for _, spec := range file.Imports {
		name, _ := strconv.Unquote(spec.Path.Value)
		if of, ok := strings.CutPrefix(name, module); ok && !matches(allowed, of) {
			t.Errorf("%s imports %s", path, of)
		}
		for library, users := range libraries {
			if strings.HasPrefix(name, library) && !matches(users, pkg) {
				t.Errorf("%s imports %s", path, name)
			}
		}
	}
}

func lookUp(table map[string][]string, pkg string) ([]string, bool) {
	if allowed, ok := table[pkg]; ok {
		return allowed, true
	}
	for pattern, allowed := range table {
		if strings.HasSuffix(pattern, "/*") && matches([]string{pattern}, pkg) {
			return allowed, true
		}
	}
	return nil, false
}

func matches(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		below, star := strings.CutSuffix(p, "*")
		return p == pkg || star && strings.HasPrefix(pkg, below)
	})
}
