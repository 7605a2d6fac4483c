package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Parse reads a configuration, expands ${NAME} and ${NAME:-default} in its scalars, and validates the whole. An empty text is the
// defaults. The error lists everything that is wrong, a line each, as `path: what is wrong`.
func Parse(text []byte, getenv func(string) (string, bool)) (*Config, error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, fmt.Errorf("not YAML: %s", yaml.FormatError(err, false, false))
	}
	c := Default()
	if len(file.Docs) > 1 {
		return nil, errors.New("the file holds several documents")
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return c, nil
	}
	body := file.Docs[0].Body
	if _, ok := body.(*ast.MappingNode); !ok {
		if _, ok := body.(*ast.MappingValueNode); !ok {
			return nil, errors.New("the file must hold a mapping of sections")
		}
	}
	w := &walk{getenv: getenv}
	w.node("", body, schemaOf(*c))
	wrong := w.wrong
	if len(wrong) == 0 {
		if err := decode(body, c); err != nil {
			return nil, err
		}
		w.options(c)
		c.fill()
		wrong = c.validate()
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return c, nil
}

func decode(body ast.Node, c *Config) error {
	err := yaml.NodeToValue(body, c, yaml.CustomUnmarshaler(func(p *PoolRef, b []byte) error {
		if err := yaml.Unmarshal(b, &p.Members); err == nil {
			return nil
		}
		return yaml.Unmarshal(b, &p.Name)
	}))
	if err != nil {
		return fmt.Errorf("%s", strings.TrimSpace(yaml.FormatError(err, false, false)))
	}
	return nil
}

// walk goes through the tree once: it expands scalars and finds unknown keys, with their paths.
type walk struct {
	getenv func(string) (string, bool)
	wrong  []error
	extra  map[string]map[string]string // path of a registry or endpoint → keys that are its provider's
}

func (w *walk) fail(path, format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

func (w *walk) node(path string, n ast.Node, s *schema) {
	switch n := n.(type) {
	case *ast.MappingNode:
		seen := map[string]bool{}
		for _, v := range n.Values {
			w.member(path, v, s, seen)
		}
	case *ast.MappingValueNode:
		w.member(path, n, s, map[string]bool{})
	case *ast.SequenceNode:
		var of *schema
		if s != nil {
			of = s.element
		}
		for i, v := range n.Values {
			w.node(fmt.Sprintf("%s[%d]", path, i), v, of)
		}
	case *ast.StringNode:
		w.expand(path, n)
	case *ast.AnchorNode:
		w.node(path, n.Value, s)
	}
}

func (w *walk) member(path string, v *ast.MappingValueNode, s *schema, seen map[string]bool) {
	key := strings.Trim(v.Key.String(), `"'`)
	at := strings.TrimPrefix(path+"."+key, ".")
	if seen[key] {
		w.fail(at, "given twice")
	}
	seen[key] = true
	var of *schema
	switch {
	case s == nil:
	case s.any != nil:
		of = s.any
	default:
		known, ok := s.members[key]
		switch {
		case ok:
			of = known
		case s.open: // a provider's own
			if w.extra == nil {
				w.extra = map[string]map[string]string{}
			}
			if w.extra[path] == nil {
				w.extra[path] = map[string]string{}
			}
			w.node(at, v.Value, nil)
			w.extra[path][key] = strings.Trim(v.Value.String(), `"'`)
			return
		default:
			hint := ""
			if near := nearest(key, s.members); near != "" {
				hint = "; did you mean " + near + "?"
			}
			w.fail(at, "unknown key%s", hint)
			return
		}
	}
	w.node(at, v.Value, of)
}

// expand replaces ${NAME} in one scalar.
func (w *walk) expand(path string, n *ast.StringNode) {
	if !strings.Contains(n.Value, "${") {
		return
	}
	var out bytes.Buffer
	for rest := n.Value; ; {
		before, after, ok := strings.Cut(rest, "${")
		out.WriteString(before)
		if !ok {
			break
		}
		if literal, yes := strings.CutSuffix(out.String(), "$"); yes { // $${ is ${
			out.Reset()
			_, _ = io.WriteString(&out, literal+"${")
			rest = after
			continue
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed {
			w.fail(path, "${ without }")
			return
		}
		name, fallback, hasFallback := strings.Cut(name, ":-")
		value, set := w.getenv(name)
		switch {
		case set && value != "":
			out.WriteString(value)
		case hasFallback:
			out.WriteString(fallback)
		default:
			w.fail(path, "the environment has no %s", name)
		}
		rest = tail
	}
	n.Value = out.String()
	n.Token.Value = n.Value
}

// options hands the providers' own keys to their registries and endpoints.
func (w *walk) options(c *Config) {
	for i := range c.Registries {
		r := &c.Registries[i]
		path := fmt.Sprintf("registries[%d]", i)
		r.Options = w.extra[path]
		for k := range r.Endpoints {
			r.Endpoints[k].Options = w.extra[fmt.Sprintf("%s.endpoints[%d]", path, k)]
		}
	}
}

// nearest finds the known key that a typing error is likely to have meant.
func nearest(key string, known map[string]*schema) string {
	best, at := "", 3
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if d := distance(key, name); d < at {
			best, at = name, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for i := range row {
		row[i] = i
	}
	for i := range len(a) {
		prev := row[0]
		row[0] = i + 1
		for k := range len(b) {
			cost := prev
			if a[i] != b[k] {
				cost = min(prev, row[k], row[k+1]) + 1
			}
			prev, row[k+1] = row[k+1], cost
		}
	}
	return row[len(b)]
}
