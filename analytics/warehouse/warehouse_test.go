package warehouse_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"github.com/tollhouse/tollhouse/analytics/warehouse"
	"github.com/tollhouse/tollhouse/analytics/warehousetest"
)

func TestMain(m *testing.M) { warehousetest.Main(m) }

func TestEveryTypeSurvivesClickhouseGo(t *testing.T) {
	conn, _ := warehousetest.New(t)
	ctx := context.Background()
	must(t, conn.Ping(ctx))
	v, err := conn.ServerVersion()
	must(t, err)
	if v.Version.Major < 26 {
		t.Errorf("server version %v", v)
	}
	must(t, conn.Exec(ctx, `CREATE TABLE every (s String, u8 UInt8, u16 UInt16, u64 UInt64, i Int64, at DateTime64(6, 'UTC'),
		maybe Nullable(DateTime64(6, 'UTC')), money Decimal(38, 12), labels Map(String, String), units Map(String, UInt64),
		parts Map(String, Decimal(38, 12)), yes Bool, lc LowCardinality(String), list Array(String), pair Tuple(String, UInt64))
		ENGINE = MergeTree ORDER BY s`))
	at := time.Date(2026, 11, 23, 10, 0, 0, 123456000, time.UTC)
	type row struct {
		S      string                     `ch:"s"`
		U8     uint8                      `ch:"u8"`
		U16    uint16                     `ch:"u16"`
		U64    uint64                     `ch:"u64"`
		I      int64                      `ch:"i"`
		At     time.Time                  `ch:"at"`
		Maybe  *time.Time                 `ch:"maybe"`
		Money  decimal.Decimal            `ch:"money"`
		Labels map[string]string          `ch:"labels"`
		Units  map[string]uint64          `ch:"units"`
		Parts  map[string]decimal.Decimal `ch:"parts"`
		Yes    bool                       `ch:"yes"`
		LC     string                     `ch:"lc"`
		List   []string                   `ch:"list"`
		Pair   []any                      `ch:"pair"`
	}
	want := []row{
		{
			"a\x00'\\\n", 255, 65535, 1<<64 - 1, -5, at, &at, decimal.RequireFromString("12345678901234567890.123456789012"),
			map[string]string{"team": "growth"}, map[string]uint64{"x": 1 << 60},
			map[string]decimal.Decimal{"input": decimal.RequireFromString("0.000000000001")}, true, "lc", []string{"1", "2"},
			[]any{"p", uint64(7)},
		},
		{S: "b", At: at, Labels: map[string]string{}, Units: map[string]uint64{}, Parts: map[string]decimal.Decimal{}, List: []string{}, Pair: []any{"", uint64(0)}},
	}
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO every")
	must(t, err)
	for i := range want {
		must(t, batch.AppendStruct(&want[i]))
	}
	must(t, batch.Send())
	var got []row
	must(t, conn.Select(ctx, &got, "SELECT * FROM every ORDER BY s"))
	if diff := cmp.Diff(want, got, cmp.Comparer(decimal.Decimal.Equal), cmp.Comparer(time.Time.Equal)); diff != "" {
		t.Error(diff)
	}
	var none []row
	must(t, conn.Select(ctx, &none, "SELECT * FROM every WHERE s = {want:String}", clickhouse.Named("want", `no'thing\`)))
	if len(none) != 0 {
		t.Errorf("%d rows for a value that is not there", len(none))
	}
	var n uint64
	must(t, conn.QueryRow(ctx, "SELECT count() FROM every WHERE s = {want:String}", clickhouse.Named("want", "b")).Scan(&n))
	if n != 1 {
		t.Errorf("a query parameter found %d rows, want 1", n)
	}
}

func TestErrorsKeepTheirCode(t *testing.T) {
	conn, _ := warehousetest.New(t)
	for sql, code := range map[string]int32{"SELEC 1": 62, "SELECT * FROM nowhere": 60, "SELECT throwIf(1)": 395} {
		err := conn.Exec(context.Background(), sql)
		var e *clickhouse.Exception
		if !errors.As(err, &e) || e.Code != code {
			t.Errorf("%s: %v, want code %d", sql, err, code)
		}
	}
}

func TestDatabasesOfSeveralClientsStayApart(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 4 {
		conn, _ := warehousetest.New(t)
		must(t, conn.Exec(context.Background(), "CREATE TABLE mine (n UInt64) ENGINE = MergeTree ORDER BY n"))
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 20 {
				if err := conn.Exec(context.Background(), fmt.Sprintf("INSERT INTO mine VALUES (%d)", i)); err != nil {
					t.Error(err)
				}
				var lo, hi uint64
				if err := conn.QueryRow(context.Background(), "SELECT min(n), max(n) FROM mine").Scan(&lo, &hi); err != nil || lo != uint64(i) || hi != lo {
					t.Errorf("client %d sees %d to %d: %v", i, lo, hi, err)
				}
			}
		}()
	}
	wg.Wait()
}

func TestLargeInsertAndLargeResult(t *testing.T) {
	conn, _ := warehousetest.New(t)
	ctx := context.Background()
	must(t, conn.Exec(ctx, "CREATE TABLE big (n UInt64, s String) ENGINE = MergeTree ORDER BY n"))
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO big (n, s)")
	must(t, err)
	for i := range 100_000 {
		must(t, batch.Append(uint64(i), strings.Repeat("x", 100)))
	}
	must(t, batch.Send())
	var n, sum uint64
	must(t, conn.QueryRow(ctx, "SELECT count(), sum(n) FROM big").Scan(&n, &sum))
	if n != 100_000 || sum != 4_999_950_000 {
		t.Errorf("%d rows, sum %d", n, sum)
	}
	rows, err := conn.Query(ctx, "SELECT n, repeat('y', 640) FROM big")
	must(t, err)
	defer rows.Close()
	read := 0
	for rows.Next() {
		read++
	}
	must(t, rows.Err())
	if read != 100_000 {
		t.Errorf("read %d rows of 64 MB", read)
	}
}

func TestPlainHTTP(t *testing.T) {
	_, dsn := warehousetest.New(t)
	u, _ := url.Parse(dsn)
	database := strings.TrimPrefix(u.Path, "/")
	u.Path = "/"
	post := func(query, body string, header ...string) (int, string) {
		t.Helper()
		req, _ := http.NewRequest(http.MethodPost, u.String()+"?database="+database+query, strings.NewReader(body))
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		if host := req.Header.Get("Host"); host != "" {
			req.Host = host
		}
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		must(t, err)
		return resp.StatusCode, string(raw)
	}
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
		{"all of them", "", "SELECT groupArray(s) FROM (SELECT s FROM t ORDER BY n)", nil, 200, "['one','t\\'wo','three','four','zipped']\n"},
		{"an unknown format", "&default_format=Nope", "SELECT 1", nil, 500, "Code: 73."},
		{"no format's name", "&default_format=a%20b", "SELECT 1", nil, 400, "not a name"},
		{"no setting's name", "&a.b=1", "SELECT 1", nil, 400, "not the name of a setting"},
		{"data without a format", "&query=INSERT%20INTO%20t", "x", nil, 400, "needs a FORMAT"},
		{"nothing", "", "", nil, 500, "Code: 62."},
		{"an encoding", "", "x", []string{"Content-Encoding", "br"}, 415, "not known"},
		{"another's name for us", "", "SELECT 1", []string{"Host", "evil.example"}, 403, "loopback only"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			status, body := post(c.query, c.body, c.header...)
			if status != c.status || !strings.Contains(body, c.want) || c.status == 200 && body != c.want {
				t.Errorf("%d %q, want %d %q", status, body, c.status, c.want)
			}
		})
	}
}

func TestAClientThatGivesUpDoesNotHoldTheNext(t *testing.T) {
	conn, _ := warehousetest.New(t)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if err := conn.Exec(ctx, "SELECT sleepEachRow(1) FROM numbers(2) SETTINGS max_block_size=1"); err == nil {
		t.Error("a cancelled query succeeded")
	}
	var one uint8
	must(t, conn.QueryRow(context.Background(), "SELECT 1").Scan(&one))
	if d := time.Since(begin); d > 1500*time.Millisecond {
		t.Errorf("the next query waited %v", d)
	}
}

func TestAcknowledgedInsertsSurviveKill(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	p, err := warehousetest.Start(dir)
	must(t, err)
	conn := warehousetest.Open(t, "http://"+p.Addr+"/default")
	must(t, conn.Exec(ctx, "CREATE TABLE kept (n UInt64) ENGINE = MergeTree ORDER BY n"))
	var mu sync.Mutex
	acked := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			if err := conn.Exec(ctx, fmt.Sprintf("INSERT INTO kept VALUES (%d)", i)); err != nil {
				return
			}
			mu.Lock()
			acked = i + 1
			mu.Unlock()
		}
	}()
	for enough := false; !enough; time.Sleep(time.Millisecond) {
		mu.Lock()
		enough = acked >= 50
		mu.Unlock()
	}
	p.Kill()
	<-done
	again, err := warehousetest.Start(dir)
	must(t, err)
	defer again.Stop()
	var n uint64
	must(t, warehousetest.Open(t, "http://"+again.Addr+"/default").QueryRow(ctx, "SELECT count() FROM kept").Scan(&n))
	if n != uint64(acked) && n != uint64(acked)+1 {
		t.Errorf("%d rows after kill, %d were acknowledged", n, acked)
	}

	err = warehouse.Run(ctx, warehouse.Options{Dir: dir, Listen: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, warehouse.ErrLocked) {
		t.Errorf("a second process on the directory: %v", err)
	}
}

func TestOnlyLoopback(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", "192.0.2.1:8123", ":8123", "example.org:1", "nonsense"} {
		if err := warehouse.Run(context.Background(), warehouse.Options{Dir: t.TempDir(), Listen: listen}); err == nil {
			t.Errorf("listening on %s was not refused", listen)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
