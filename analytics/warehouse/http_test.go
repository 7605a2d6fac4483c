package warehouse_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/analytics/warehousetest"
)

// httpClient is a plain client of one test's database.
type httpClient struct {
	t    *testing.T
	base string
}

func newHTTPClient(t *testing.T) httpClient {
	_, dsn := warehousetest.New(t)
	u, err := url.Parse(dsn)
	must(t, err)
	return httpClient{t, "http://" + u.Host + "/?database=" + strings.TrimPrefix(u.Path, "/")}
}

// do sends a request: query is more of the URL's query, header is names and values.
func (c httpClient) do(method, query, body string, header ...string) (*http.Response, string) {
	c.t.Helper()
	req, err := http.NewRequest(method, c.base+query, strings.NewReader(body))
	must(c.t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := http.DefaultClient.Do(req)
	must(c.t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	must(c.t, err)
	return resp, string(raw)
}

func TestPlainHTTP(t *testing.T) {
	client := newHTTPClient(t)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte("5\tzipped\n"))
	_ = z.Close()
	cases := []struct {
		name, query, body string
		header            []string
		status            int
		want              string
	}{
		{"the SQL is the body", "", "SELECT 1", nil, 200, "1\n"},
		{"the SQL is in the URL", "&query=SELECT%202", "", nil, 200, "2\n"},
		{"a format in the SQL", "", "SELECT 3 AS n FORMAT JSONEachRow", nil, 200, `{"n":3}` + "\n"},
		{"a format in the URL", "&default_format=CSVWithNames", "SELECT 'a' AS s", nil, 200, "\"s\"\n\"a\"\n"},
		{"a parameter", "&param_x=a%27b", "SELECT {x:String}", nil, 200, "a\\'b\n"},
		{"a setting", "&max_threads=1", "SELECT getSetting('max_threads')", nil, 200, "1\n"},
		{"the setting is gone again", "", "SELECT getSetting('max_threads') != 77", nil, 200, "1\n"},
		{"a table", "", "CREATE TABLE t (n UInt64, s String) ENGINE = MergeTree ORDER BY n", nil, 200, ""},
		{"JSON rows in the body", "&query=INSERT%20INTO%20t%20FORMAT%20JSONEachRow", `{"n":1,"s":"one"}` + "\n" + `{"n":2,"s":"t'wo"}`, nil, 200, ""},
		{"values in the body", "&query=INSERT%20INTO%20t%20(n,s)%20VALUES", `(3,'three'),(4,'four')`, nil, 200, ""},
		{"gzip", "&query=INSERT%20INTO%20t%20FORMAT%20TSV", zipped.String(), []string{"Content-Encoding", "gzip"}, 200, ""},
		{"values behind the SQL", "", "INSERT INTO t VALUES (6, 'six'); ", nil, 200, ""},
		{"JSON rows behind the SQL", "", "/* x */ INSERT INTO t FORMAT JSONEachRow\n{\"n\":7,\"s\":\"seven\"}", nil, 200, ""},
		{"a parameter in the values", "&param_s=eight", "INSERT INTO t VALUES (8, {s:String})", nil, 200, ""},
		{"rows from a query", "", "INSERT INTO t SELECT 9, 'nine'", nil, 200, ""},
		{"a row that is none", "&query=INSERT%20INTO%20t%20FORMAT%20TSV", "x\ty\n", nil, 400, "Code: 27."},
		{"all of them", "", "SELECT groupArray(s) FROM (SELECT s FROM t ORDER BY n)", nil, 200, "['one','t\\'wo','three','four','zipped','six','seven','eight','nine']\n"},
		{"an unknown format", "&default_format=Nope", "SELECT 1", nil, 404, "Code: 73."},
		{"no format's name", "&default_format=a%20b", "SELECT 1", nil, 400, "not a name"},
		{"no setting's name", "&a.b=1", "SELECT 1", nil, 400, "not the name of a setting"},
		{"data without a format", "&query=INSERT%20INTO%20t", "x", nil, 400, "Code: 62."},
		{"nothing", "", "", nil, 400, "Code: 62."},
		{"an encoding", "", "x", []string{"Content-Encoding", "compress"}, 415, "not known"},
		{"two statements", "", "SELECT 1; DROP TABLE t", nil, 400, "Multi-statements"},
		{"an external table", "", "x", []string{"Content-Type", "multipart/form-data; boundary=x"}, 501, "external tables"},
		{"another site's page", "", "SELECT 1", []string{"Origin", "https://evil.example"}, 403, "loopback only"},
		{"another site's image", "", "SELECT 1", []string{"Sec-Fetch-Site", "cross-site"}, 403, "loopback only"},
		{"this machine's page", "", "SELECT 1", []string{"Origin", "http://localhost:3000"}, 200, "1\n"},
		{"another's name for us", "", "SELECT 1", []string{"Host", "evil.example"}, 403, "loopback only"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			resp, body := client.do(http.MethodPost, c.query, c.body, c.header...)
			if resp.StatusCode != c.status || !strings.Contains(body, c.want) || c.status == 200 && body != c.want {
				t.Errorf("%d %q, want %d %q", resp.StatusCode, body, c.status, c.want)
			}
		})
	}
}

func TestPlainGetOnlyReads(t *testing.T) {
	client := newHTTPClient(t)
	if resp, body := client.do(http.MethodGet, "&query=SELECT%201&max_threads=1", ""); resp.StatusCode != 200 || body != "1\n" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	resp, body := client.do(http.MethodGet, "&query=CREATE%20TABLE%20t%20(n%20Int8)%20ENGINE=Memory", "")
	if resp.StatusCode != 403 || resp.Header.Get("X-ClickHouse-Exception-Code") != "164" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}

func TestAnswerHeaders(t *testing.T) {
	client := newHTTPClient(t)
	resp, _ := client.do(http.MethodPost, "&query_id=mine%0A", "SELECT * FROM numbers(3) FORMAT JSONEachRow")
	for name, want := range map[string]string{
		"X-ClickHouse-Query-Id": "mine_", "X-ClickHouse-Format": "JSONEachRow", "X-ClickHouse-Timezone": "UTC",
		"Content-Type": "application/x-ndjson; charset=UTF-8", "X-ClickHouse-Server-Display-Name": "tollhouse",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := resp.Header.Get("X-ClickHouse-Summary"); !strings.Contains(got, `"read_rows":"3"`) {
		t.Errorf("summary %s", got)
	}
	resp, body := client.do(http.MethodPost, "", "SELECT 1", "Accept-Encoding", "br, gzip")
	z, err := gzip.NewReader(strings.NewReader(body))
	must(t, err)
	raw, err := io.ReadAll(z)
	must(t, err)
	if resp.Header.Get("Content-Encoding") != "gzip" || string(raw) != "1\n" {
		t.Errorf("%q in %q", raw, resp.Header.Get("Content-Encoding"))
	}
}

func TestNothingIsLeftForTheNextClient(t *testing.T) {
	client := newHTTPClient(t)
	for _, sql := range []string{"SET max_block_size = 77", "USE system", "CREATE TEMPORARY TABLE mine (n UInt8)"} {
		if resp, body := client.do(http.MethodPost, "", sql); resp.StatusCode != 200 {
			t.Fatalf("%s: %s", sql, body)
		}
	}
	for range 20 { // more than there are places
		_, body := client.do(http.MethodPost, "", "SELECT getSetting('max_block_size') = 77, currentDatabase() = 'system', (SELECT count() FROM system.tables WHERE is_temporary)")
		if body != "0\t0\t0\n" && body != "false\tfalse\t0\n" {
			t.Fatalf("left: %s", body)
		}
	}
}

func TestALargeNativeInsertBehindItsSQL(t *testing.T) {
	client := newHTTPClient(t)
	client.do(http.MethodPost, "", "CREATE TABLE big (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
	_, native := client.do(http.MethodPost, "", "SELECT number AS n, repeat('x', 100) AS s FROM numbers(100000) FORMAT Native")
	if resp, body := client.do(http.MethodPost, "", "INSERT INTO big FORMAT Native\n"+native); resp.StatusCode != 200 {
		t.Fatal(body)
	}
	if resp, _ := client.do(http.MethodPost, "&query="+url.QueryEscape("INSERT INTO big FORMAT Native"), native[:len(native)-7]); resp.StatusCode == 200 {
		t.Error("a block that is cut was taken")
	}
	if _, body := client.do(http.MethodPost, "", "SELECT count(), sum(n) FROM big"); body != fmt.Sprintf("100000\t%d\n", 99999*100000/2) {
		t.Errorf("%q", body)
	}
}
