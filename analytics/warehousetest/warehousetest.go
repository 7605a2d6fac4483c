// Package warehousetest gives tests the real engine: one process a test binary, one database a test.
package warehousetest

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tollhouse/tollhouse/analytics/warehouse"
)

// childDir, set in the environment, makes a test binary be the warehouse of that directory.
const childDir = "TOLLHOUSE_WAREHOUSETEST_DIR"

var (
	address   string
	databases atomic.Int64
)

// Main is a package's TestMain: it starts the engine in a process of its own, runs the tests and ends it. The engine is
// not loaded into the test binary itself, so the race detector does not meet its memory.
func Main(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		serveChild(dir)
		return
	}
	dir, err := os.MkdirTemp("", "tollhouse-warehousetest-")
	if err != nil {
		panic(err)
	}
	p, err := Start(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "warehousetest:", err)
		os.Exit(1)
	}
	address = p.Addr
	code := m.Run()
	p.Stop()
	os.RemoveAll(dir)
	os.Exit(code)
}

func serveChild(dir string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	err := warehouse.Run(ctx, warehouse.Options{
		Dir: dir, Listen: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)), Progress: os.Stderr,
		Ready: func(addr string) { fmt.Println("warehouse=" + addr) },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "warehouse:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Process is a warehouse in a process of its own.
type Process struct {
	Addr string
	cmd  *exec.Cmd
}

// Start runs a warehouse on dir. The calling test binary must use Main.
func Start(dir string) (*Process, error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if addr, ok := strings.CutPrefix(lines.Text(), "warehouse="); ok {
			return &Process{Addr: addr, cmd: cmd}, nil
		}
	}
	return nil, fmt.Errorf("the warehouse did not start: %w", cmd.Wait())
}

// Stop ends it cleanly, Kill as a crash does.
func (p *Process) Stop() { _ = p.cmd.Process.Signal(syscall.SIGTERM); _ = p.cmd.Wait() }

// Kill ends it as a crash does.
func (p *Process) Kill() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() }

// New returns a connection to a fresh database, and the DSN of it. The package's TestMain must be Main.
func New(t testing.TB) (conn driver.Conn, dsn string) {
	t.Helper()
	if address == "" {
		t.Fatal("TestMain must be warehousetest.Main")
	}
	name := fmt.Sprintf("test_%d", databases.Add(1))
	admin := Open(t, "http://"+address+"/default")
	ctx := context.Background()
	if err := admin.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Exec(ctx, "DROP DATABASE "+name) })
	dsn = "http://" + address + "/" + name
	return Open(t, dsn), dsn
}

// Open connects the unmodified clickhouse-go to a DSN.
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
