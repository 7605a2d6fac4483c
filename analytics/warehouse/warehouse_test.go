package warehouse_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

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
			map[string]string{"team": "growth"},
			map[string]uint64{"x": 1 << 60},
			map[string]decimal.Decimal{"input": decimal.RequireFromString("0.000000000001")},
			true, "lc",
			[]string{"1", "2"},
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
	conn, dsn := warehousetest.New(t)
	for sql, code := range map[string]int32{
		"SELEC 1": 62, "SELECT * FROM nowhere": 60, "SELECT throwIf(1)": 395, "SELECT 1 FORMAT Nope": 73,
		"SELECT throwIf(number = 3000000) FROM numbers(5000000)":                                          395, // after many blocks
		"SELECT sleepEachRow(0.1) FROM numbers(30) SETTINGS max_execution_time = 0.2, max_block_size = 1": 159,
		"SELECT number FROM numbers(1000000) SETTINGS max_result_bytes = 1000":                            396,
	} {
		err := conn.Exec(context.Background(), sql)
		var e *clickhouse.Exception
		if !errors.As(err, &e) || e.Code != code {
			t.Errorf("%s: %v, want code %d", sql, err, code)
		}
	}
	err := warehousetest.Open(t, dsn+"_nowhere").Ping(context.Background())
	var e *clickhouse.Exception
	if !errors.As(err, &e) || e.Code != 81 {
		t.Errorf("a database that is not there: %v, want code 81", err)
	}
}

func TestParametersAndSettingsArriveAsTheyAre(t *testing.T) {
	conn, _ := warehousetest.New(t)
	ctx := context.Background()
	for _, want := range []string{"", "plain", `a'b"c\d`, "tab\tline\nend\\n", "\x00\x01", "grün 🚃", "{x:String}; DROP", `\N`} {
		var got string
		must(t, conn.QueryRow(ctx, "SELECT {want:String}", clickhouse.Named("want", want)).Scan(&got))
		if got != want {
			t.Errorf("a parameter %q came as %q", want, got)
		}
	}
	var list []string
	var at time.Time
	var n uint64
	want := time.Date(2026, 11, 23, 10, 0, 0, 123456000, time.UTC)
	must(t, conn.QueryRow(ctx, "SELECT {list:Array(String)}, {at:DateTime64(6, 'UTC')}, {n:UInt64}",
		clickhouse.Named("list", "['a','b, c']"), clickhouse.Named("at", want.Format("2006-01-02 15:04:05.000000")),
		clickhouse.Named("n", "18446744073709551615")).Scan(&list, &at, &n))
	if diff := cmp.Diff([]string{"a", "b, c"}, list); diff != "" || !at.Equal(want) || n != 1<<64-1 {
		t.Errorf("%s %v %d", diff, at, n)
	}
	var threads string
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_threads": 1, "log_comment": "it's"}))
	must(t, conn.QueryRow(ctx, "SELECT toString(getSetting('max_threads'))").Scan(&threads))
	if threads != "1" {
		t.Errorf("a setting came as %s", threads)
	}
	ctx = clickhouse.Context(context.Background(), clickhouse.WithSettings(clickhouse.Settings{"no_such_setting": 1}))
	var e *clickhouse.Exception
	if err := conn.Exec(ctx, "SELECT 1"); !errors.As(err, &e) || e.Code != 115 {
		t.Errorf("an unknown setting: %v", err)
	}
}

func TestAnInsertSentTwiceIsTakenOnce(t *testing.T) {
	conn, _ := warehousetest.New(t)
	ctx := context.Background()
	must(t, conn.Exec(ctx, `CREATE TABLE once (n UInt64) ENGINE = MergeTree ORDER BY n
		SETTINGS non_replicated_deduplication_window = 100, fsync_after_insert = 1, fsync_part_directory = 1`))
	for _, token := range []string{"a", "a", "b"} {
		ctx := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": token}))
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO once")
		must(t, err)
		must(t, batch.Append(uint64(1)))
		must(t, batch.Send())
	}
	var n uint64
	must(t, conn.QueryRow(ctx, "SELECT count() FROM once").Scan(&n))
	if n != 2 {
		t.Errorf("%d rows of two tokens", n)
	}
}

func TestEveryCompression(t *testing.T) {
	_, dsn := warehousetest.New(t)
	ctx := context.Background()
	for name, method := range map[string]clickhouse.CompressionMethod{
		"none": clickhouse.CompressionNone, "lz4": clickhouse.CompressionLZ4, "zstd": clickhouse.CompressionZSTD,
		"gzip": clickhouse.CompressionGZIP, "deflate": clickhouse.CompressionDeflate, "br": clickhouse.CompressionBrotli,
	} {
		t.Run(name, func(t *testing.T) {
			options, err := clickhouse.ParseDSN(dsn)
			must(t, err)
			options.Compression = &clickhouse.Compression{Method: method, Level: 3}
			conn, err := clickhouse.Open(options)
			must(t, err)
			defer conn.Close()
			must(t, conn.Exec(ctx, "CREATE TABLE c_"+name+" (n UInt64, s String) ENGINE = MergeTree ORDER BY n"))
			batch, err := conn.PrepareBatch(ctx, "INSERT INTO c_"+name)
			must(t, err)
			for i := range 30_000 {
				must(t, batch.Append(uint64(i), fmt.Sprint("row ", i)))
			}
			must(t, batch.Send())
			rows, err := conn.Query(ctx, "SELECT n, s FROM c_"+name+" ORDER BY n")
			must(t, err)
			defer rows.Close()
			i := uint64(0)
			for ; rows.Next(); i++ {
				var n uint64
				var s string
				must(t, rows.Scan(&n, &s))
				if n != i || s != fmt.Sprint("row ", i) {
					t.Fatalf("row %d is %d %q", i, n, s)
				}
			}
			must(t, rows.Err())
			if i != 30_000 {
				t.Errorf("%d rows", i)
			}
			_, err = conn.Query(ctx, "SELECT * FROM nowhere")
			var e *clickhouse.Exception
			if !errors.As(err, &e) || e.Code != 60 || !strings.Contains(e.Message, "nowhere") {
				t.Errorf("an error came as %v", err)
			}
		})
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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
