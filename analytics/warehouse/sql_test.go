package warehouse

import (
	"bytes"
	"testing"
)

func TestShapeOf(t *testing.T) {
	cases := []struct {
		text string
		want shape
	}{
		{"SELECT 1", shape{head: "SELECT 1"}},
		{"SELECT 1 FORMAT JSON", shape{head: "SELECT 1 FORMAT JSON", format: "JSON"}},
		{"select 1 format JSON ; ", shape{head: "select 1 format JSON ", format: "JSON"}},
		{"SELECT 1 FORMAT JSON SETTINGS max_threads = 1", shape{head: "SELECT 1 FORMAT JSON SETTINGS max_threads = 1", format: "JSON"}},
		{"SELECT 1 AS format FROM t", shape{head: "SELECT 1 AS format FROM t"}},
		{"SELECT ' FORMAT JSON'", shape{head: "SELECT ' FORMAT JSON'"}},
		{"SELECT 1 -- FORMAT JSON", shape{head: "SELECT 1 -- FORMAT JSON"}},
		{"SELECT 1; SELECT 2", shape{head: "SELECT 1", many: true}},
		{"SELECT 1; -- the end", shape{head: "SELECT 1"}},
		{"SELECT ';', `;`, \";\", '\\';', (1;2)", shape{head: "SELECT ';', `;`, \";\", '\\';', (1;2)"}},
		{"-- first\n/* second */ INSERT INTO t VALUES (1); (2)", shape{insert: true, head: "-- first\n/* second */ INSERT INTO t ", format: "Values", data: []byte(" (1); (2)")}},
		{"INSERT INTO values (format, `values`) VALUES (1)", shape{insert: true, head: "INSERT INTO values (format, `values`) ", format: "Values", data: []byte(" (1)")}},
		{"INSERT INTO d.format FORMAT TSV \r\n\n1", shape{insert: true, head: "INSERT INTO d.format ", format: "TSV", data: []byte("\n1")}},
		{"INSERT INTO t SETTINGS a = 1 FORMAT Native\n\x01\x00;';", shape{insert: true, head: "INSERT INTO t SETTINGS a = 1 ", format: "Native", data: []byte("\x01\x00;';")}},
		{"INSERT INTO t FORMAT JSONEachRow {\"n\": 1}", shape{insert: true, head: "INSERT INTO t ", format: "JSONEachRow", data: []byte("{\"n\": 1}")}},
		{"INSERT INTO t SELECT 1 FORMAT Null", shape{head: "INSERT INTO t SELECT 1 FORMAT Null", format: "Null"}},
		{"INSERT INTO t FROM INFILE 'f' FORMAT CSV", shape{head: "INSERT INTO t FROM INFILE 'f' FORMAT CSV", format: "CSV"}},
		{"INSERT INTO t", shape{insert: true, head: "INSERT INTO t"}},
		{"", shape{}},
	}
	for _, c := range cases {
		got := shapeOf([]byte(c.text))
		if got.insert != c.want.insert || got.head != c.want.head || got.format != c.want.format || got.many != c.want.many || !bytes.Equal(got.data, c.want.data) {
			t.Errorf("%q:\n got %+v\nwant %+v", c.text, got, c.want)
		}
	}
}

func FuzzShapeOf(f *testing.F) {
	for _, seed := range []string{
		"SELECT 1 FORMAT JSON; x", "INSERT INTO t FORMAT Native\n\xff", "INSERT INTO t VALUES ('", "((([", "'\\", "/*", "--", "\"",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		sh := shapeOf(text)
		if !bytes.HasPrefix(text, []byte(sh.head)) || !bytes.HasSuffix(text, sh.data) || len(sh.head)+len(sh.data) > len(text) {
			t.Errorf("%q is cut into %q and %q", text, sh.head, sh.data)
		}
	})
}
