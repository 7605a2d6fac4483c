package warehouse_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tollhouse/tollhouse/analytics/warehouse"
	"github.com/tollhouse/tollhouse/analytics/warehousetest"
)

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
	defer func() { must(t, again.Stop()) }()
	var n uint64
	must(t, warehousetest.Open(t, "http://"+again.Addr+"/default").QueryRow(ctx, "SELECT count() FROM kept").Scan(&n))
	if n != uint64(acked) && n != uint64(acked)+1 {
		t.Errorf("%d rows after kill, %d were acknowledged", n, acked)
	}

	err = warehouse.Run(ctx, warehouse.Options{Dir: dir, Listen: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)})
	if want := fmt.Sprintf("held by process %d", again.PID()); !errors.Is(err, warehouse.ErrLocked) || !strings.Contains(err.Error(), want) {
		t.Errorf("a second process on the directory: %v, want %s", err, want)
	}
}

func TestOnlyLoopback(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", "192.0.2.1:8123", ":8123", "example.org:1", "nonsense"} {
		if err := warehouse.Run(context.Background(), warehouse.Options{Dir: t.TempDir(), Listen: listen}); err == nil {
			t.Errorf("listening on %s was not refused", listen)
		}
	}
}

func TestAClientThatGivesUpEndsItsQuery(t *testing.T) {
	conn, _ := warehousetest.New(t)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	endless := "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number)) SETTINGS max_threads = 1"
	if err := conn.Exec(ctx, endless); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a cancelled query: %v", err)
	}
	eventually(t, "the query runs on", func() bool { return running(t, conn, "SELECT count() FROM numbers(1000000000000)%") == 0 })
}

func TestMoreClientsThanPlaces(t *testing.T) {
	client := newHTTPClient(t)
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			if _, body := client.do(http.MethodPost, "", "SELECT sleep(0.05)"); body != "0\n" {
				t.Errorf("%q", body)
			}
		})
	}
	wg.Wait()
}

func TestARunningQueryFinishesWhenTheWarehouseEnds(t *testing.T) {
	p, err := warehousetest.Start(t.TempDir())
	must(t, err)
	dsn := "http://" + p.Addr + "/default"
	conn, other := warehousetest.Open(t, dsn), warehousetest.Open(t, dsn)
	answered := make(chan error, 1)
	go func() {
		answered <- conn.QueryRow(context.Background(), "SELECT sum(sleepEachRow(0.5)) FROM numbers(2)").Scan(new(uint64))
	}()
	eventually(t, "the query does not start", func() bool { return running(t, other, "SELECT sum(sleepEachRow(0.5))%") == 1 })
	must(t, p.Stop())
	must(t, <-answered)
}

func TestTimesAreUTCWhereverTheMachineIs(t *testing.T) {
	t.Setenv("TZ", "Asia/Tokyo")
	p, err := warehousetest.Start(t.TempDir())
	must(t, err)
	defer func() { must(t, p.Stop()) }()
	var zone, epoch string
	conn := warehousetest.Open(t, "http://"+p.Addr+"/default")
	must(t, conn.QueryRow(context.Background(), "SELECT timezone(), toString(toDateTime(0))").Scan(&zone, &epoch))
	if zone != "UTC" || epoch != "1970-01-01 00:00:00" {
		t.Errorf("%s in %s", epoch, zone)
	}
}

// running counts the queries whose text is like a pattern.
func running(t *testing.T, conn driver.Conn, like string) (n uint64) {
	t.Helper()
	must(t, conn.QueryRow(context.Background(), "SELECT count() FROM system.processes WHERE query LIKE {like:String}", clickhouse.Named("like", like)).Scan(&n))
	return n
}

func eventually(t *testing.T, otherwise string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(otherwise)
		}
	}
}
