package all

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/adaptertest"
)

// tablePath is the page that this test writes with -update, and that it holds against what happens.
const tablePath = "../MATRIX.md"

// The features of the page, and the scenarios that show them.
var tabled = []struct{ feature, scenario string }{
	{"text", "text"},
	{"tools", "tools"},
	{"one call at a time", "tool"},
	{"stop sequences", "stop"},
	{"images", "image"},
	{"images by URL", "image_url"},
	{"documents", "document"},
	{"structured output", "schema"},
	{"thinking", "thinking"},
}

// cell is what is between a client's dialect and a provider's.
type cell struct {
	passes  []string
	refused []string
	notes   []string // what is dropped or refused, by name
}

func (c *cell) pass(feature string) {
	if !slices.Contains(c.passes, feature) {
		c.passes = append(c.passes, feature)
	}
}

func (c *cell) mark(feature string) string {
	switch {
	case slices.Contains(c.passes, feature):
		return "✓"
	case slices.Contains(c.refused, feature):
		return "✗"
	}
	return "–"
}

func (c *cell) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(c.notes, n) {
		c.notes = append(c.notes, n)
	}
}

// TestTable writes the matrix as a page: what passes between two dialects, by what the client asked arriving and what the provider said
// coming back, whole and streamed. What does not pass is refused or dropped by name: nothing is lost in silence.
func TestTable(t *testing.T) {
	set, err := Set()
	if err != nil {
		t.Fatal(err)
	}
	names := of(sections(t, "testdata/matrix/text.txtar"), "request")
	table := map[[2]string]*cell{}
	for _, client := range names {
		for _, provider := range names {
			table[[2]string{client, provider}] = fill(t, set.Dialect(client), set.Dialect(provider))
		}
	}
	page := render(names, table)
	if *update {
		if err := os.WriteFile(tablePath, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(tablePath)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), page); diff != "" {
		t.Errorf("%s is not what happens; go test ./adapters/all -run TestTable -update writes it anew: −page +happens\n%s", tablePath, diff)
	}
}

// fill makes a cell: each scenario is sent, whole and streamed.
func fill(t *testing.T, client, provider adapters.Dialect) *cell {
	c, streams := &cell{}, true
	for _, row := range tabled {
		in := sections(t, "testdata/matrix/"+row.scenario+".txtar")
		request, answer, stream := in[client.Name()+".request"], in[provider.Name()+".answer"], in[provider.Name()+".stream"]
		if request == "" || answer == "" {
			continue // the client has no word for it
		}
		ask := func(answer string, stream bool) *exchange {
			return send(t, requestOf(t, client, adapters.OperationChat, "", request, stream), provider, modelOf(in, provider), answer, http.StatusOK)
		}
		whole := ask(answer, false)
		if whole.refused != nil {
			if whole.refused.Param == "" {
				t.Errorf("%s to %s: %s is refused, and not by name", client.Name(), provider.Name(), row.feature)
			}
			c.refused = append(c.refused, row.feature)
			c.note("%s: refused for `%s`", row.feature, whole.refused.Param)
			continue
		}
		for _, field := range whole.dropped {
			c.note("%s: `%s` is dropped", row.feature, field)
		}
		if err := whole.faithful(t, answer); err != nil {
			t.Errorf("%s to %s, %s: %v", client.Name(), provider.Name(), row.scenario, err)
			continue
		}
		c.pass(row.feature)
		if err := ask(stream, true).faithful(t, answer); err != nil {
			t.Errorf("%s to %s, %s streamed: %v", client.Name(), provider.Name(), row.scenario, err)
			streams = false
		}
	}
	if streams {
		c.pass("streams")
	}
	if errorsPass(t, client, provider) {
		c.pass("errors")
	}
	return c
}

// faithful: the provider was asked what the client asked, and the client is told what the provider said in answer.
func (x *exchange) faithful(t *testing.T, answer string) error {
	asked, err := x.client.DecodeRequest(x.req)
	if err != nil {
		return err
	}
	up := requestOf(t, x.provider, adapters.OperationChat, "", x.up, false)
	if strings.Contains(x.up, `"stream":true`) {
		up.Stream = true
	}
	sent, err := x.provider.DecodeRequest(up)
	if err != nil {
		return err
	}
	if a, b := adaptertest.Question(asked), adaptertest.Question(sent); a != b {
		return fmt.Errorf("asked %s, sent %s", a, b)
	}
	kept := adaptertest.Marks(sent)
	for _, mark := range adaptertest.Marks(asked) {
		field := mark.Field
		if namer, ok := x.client.(adapters.FieldNamer); ok {
			field = namer.FieldName(field)
		}
		named := slices.ContainsFunc(x.dropped, func(dropped string) bool { return strings.HasPrefix(dropped, field) })
		if !named && !slices.ContainsFunc(kept, func(k adaptertest.Mark) bool { return k.Text == mark.Text }) {
			return fmt.Errorf("%s of %s went lost in silence; dropped were %q", mark.Text, field, x.dropped)
		}
	}
	said, err := adaptertest.ReadAnswer(x.provider, []byte(answer))
	if err != nil {
		return err
	}
	var told adaptertest.Answer
	if x.req.Stream {
		told, err = adaptertest.ReadStreamed(x.client, x.req, x.kind, []byte(x.down))
	} else {
		told, err = adaptertest.ReadAnswer(x.client, []byte(x.down))
	}
	if err == nil && !told.Same(said) {
		err = fmt.Errorf("said %+v, told %+v", said, told)
	}
	return err
}

// errorsPass: a refusal keeps its status and words, and a stream that breaks off ends as the client's dialect has that.
func errorsPass(t *testing.T, client, provider adapters.Dialect) bool {
	in := sections(t, "testdata/matrix/error.txtar")
	var status int
	_, _ = fmt.Sscan(in[provider.Name()+".error"], &status)
	ask := func(answer string, status int, stream bool) *exchange {
		return send(t, requestOf(t, client, adapters.OperationChat, "", in[client.Name()+".request"], stream), provider, "sent", answer, status)
	}
	refusal := ask(in[provider.Name()+".error"][4:], status, false)
	words := adaptertest.Words([]byte(in[provider.Name()+".error"][4:]))
	if refusal.status != status || words == "" || adaptertest.Words([]byte(refusal.down)) != words {
		t.Errorf("%s to %s: %q became %d %q", client.Name(), provider.Name(), words, refusal.status, refusal.down)
		return false
	}
	broken := ask(in[provider.Name()+".broken"], http.StatusOK, true)
	if _, err := adaptertest.ReadStreamed(broken.client, broken.req, broken.kind, []byte(broken.down)); broken.broken == nil || err == nil {
		t.Errorf("%s to %s: a stream that broke off looks whole: %s", client.Name(), provider.Name(), broken.down)
		return false
	}
	return true
}

func modelOf(in map[string]string, provider adapters.Dialect) string {
	if model := strings.TrimSpace(in[provider.Name()+".model"]); model != "" {
		return model
	}
	return "sent"
}

func render(names []string, table map[[2]string]*cell) string {
	var b strings.Builder
	b.WriteString(`# What passes between dialects

Written by ` + "`go test ./adapters/all -run TestTable -update`" + `; the same test fails when this page is not what happens.

A feature passes where its scenario (` + "[`all/testdata/matrix`](all/testdata/matrix)" + `) does: the provider is asked what the client asked for,
and the client reads what the provider said. *Streams* are those of every feature that passes, each saying what the whole answer says;
*errors* are a refusal with its status and words, and a stream that breaks off. What was sent and received, to the letter, is in
` + "[`all/testdata/matrix/golden`](all/testdata/matrix/golden)" + `.

✓ passes · ✗ is refused, by the name below · – the client's format has no word for it
`)
	var features []string
	for _, row := range tabled {
		features = append(features, row.feature)
	}
	features = append(features, "streams", "errors")
	for _, client := range names {
		fmt.Fprintf(&b, "\n## A client of %s\n\n| its provider speaks | %s |\n|---|%s\n", client, strings.Join(features, " | "), strings.Repeat(":-:|", len(features)))
		for _, provider := range names {
			b.WriteString("| " + provider + " |")
			for _, feature := range features {
				b.WriteString(" " + table[[2]string{client, provider}].mark(feature) + " |")
			}
			b.WriteString("\n")
		}
	}
	b.WriteString(`
## What does not pass, by name

What the provider's format has no place for is refused with 400 and the field's name as the client wrote it, before anything is sent; where
the consumer is ` + "`lenient`" + `, it is dropped instead and named in ` + "`X-Tollhouse-Dropped`" + ` and in the event. Hints, which change nothing in
the answer, are dropped and named in either case.
`)
	for _, client := range names {
		for _, provider := range names {
			if notes := table[[2]string{client, provider}].notes; len(notes) > 0 {
				fmt.Fprintf(&b, "\n**%s → %s**\n\n- %s\n", client, provider, strings.Join(notes, "\n- "))
			}
		}
	}
	return b.String()
}
