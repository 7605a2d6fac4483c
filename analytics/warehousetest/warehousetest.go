// Package warehousetest gives tests the real engine: one process a test binary, one database a test.
package warehousetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tollhouse/tollhouse/analytics/warehouse"
)

var (
	start     sync.Once
	shared    *Process
	startErr  error
	databases atomic.Int64
)

// Main is the TestMain of a package that uses New or Start: the engine is this same binary run again, as a process of its
// own, which is begun with the first test that wants it. It is not loaded into the tests' process, whose race detector,
// memory and crashes it has no part in.
func Main(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(serve(dir))
	}
	mainRuns.Store(true)
	code := m.Run()
	if shared != nil {
		_ = shared.Stop()
	}
	os.Exit(code)
}

// mainRuns says that the binary, run again, becomes a warehouse and not another run of the tests.
var mainRuns atomic.Bool

// New returns a connection to a fresh database, and its DSN: http://127.0.0.1:PORT/NAME. The test is skipped where the
// engine does not come for the platform.
func New(t testing.TB) (conn driver.Conn, dsn string) {
	t.Helper()
	start.Do(func() { shared, startErr = startShared() })
	if errors.Is(startErr, warehouse.ErrNoEngine) {
		t.Skip(startErr)
	}
	if startErr != nil {
		t.Fatal(startErr)
	}
	name := fmt.Sprintf("test_%d", databases.Add(1))
	ctx := context.Background()
	admin := Open(t, "http://"+shared.Addr+"/default")
	if err := admin.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Exec(ctx, "DROP DATABASE "+name) })
	dsn = "http://" + shared.Addr + "/" + name
	return Open(t, dsn), dsn
}

// Open connects the unmodified clickhouse-go to a DSN, and closes the connection with the test.
func Open(t testing.TB, dsn string) driver.Conn {
	t.Helper()
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	options.DialTimeout = 30 * time.Second
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
