package warehouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gofrs/flock"
)

// places is how many queries run at once; more wait for a place as long as their clients do.
const places = 8

// The time that running queries have when the warehouse is asked to end, before they are killed, and after that.
const (
	drainWithin = 15 * time.Second
	killWithin  = 5 * time.Second
)

// Options of a warehouse.
type Options struct {
	Dir      string // where the tables are; locked while it runs
	Listen   string // a loopback address; port 0: any free one
	CacheDir string // where the engine is kept; empty: see Library
	Logger   *slog.Logger
	Progress io.Writer         // what a fetch says; nil: nothing
	Ready    func(addr string) // called once it answers
}

// Run serves the tables in Dir until ctx ends, then lets the running queries finish. What an INSERT was acknowledged for
// survives the death of the process; that of the machine too where the table has fsync_after_insert and
// fsync_part_directory set. One process can run one warehouse.
func Run(ctx context.Context, o Options) error {
	if err := checkLoopback(o.Listen); err != nil {
		return err
	}
	unlock, err := lockDir(o.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	ln, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("warehouse: %w", err)
	}
	defer ln.Close()
	libPath, err := Library(ctx, o.CacheDir, o.Progress)
	if err != nil {
		return err
	}
	e, err := openEngine(libPath, filepath.Join(o.Dir, "data"), places)
	if err != nil {
		return err
	}
	return serve(ctx, o, ln, e)
}

// serve answers until ctx ends. Then the running queries have their time, are killed, and the engine is closed.
func serve(ctx context.Context, o Options, ln net.Listener, e *engine) error {
	requests, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	srv := &http.Server{
		Handler:           &handler{engine: e, maxInsert: maxInsert, log: o.Logger},
		BaseContext:       func(net.Listener) context.Context { return requests },
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	if o.Ready != nil {
		o.Ready(ln.Addr().String())
	}
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		if err = within(drainWithin, srv.Shutdown); err != nil {
			err = fmt.Errorf("running queries were killed: %w", err)
		}
	}
	kill()
	closed := within(killWithin, func(ctx context.Context) error {
		_ = srv.Shutdown(ctx) // the killed ones say so to their clients
		return e.close(ctx)
	})
	_ = srv.Close()
	return errors.Join(err, closed)
}

func within(d time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return f(ctx)
}

func checkLoopback(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("warehouse: listen: %w", err)
	}
	if addr, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !addr.IsLoopback()) {
		return fmt.Errorf("warehouse: listen: %s is not a loopback address; the embedded engine has no users and no passwords", host)
	}
	return nil
}

// lockDir takes the directory for this process and writes its pid into the lock, for who is refused.
func lockDir(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "LOCK")
	lock := flock.New(path)
	ok, err := lock.TryLock()
	if err != nil {
		return nil, err
	}
	if !ok {
		holder, _ := os.ReadFile(path)
		return nil, fmt.Errorf("%w: %s is held by process %s", ErrLocked, dir, bytes.TrimSpace(holder))
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		_ = lock.Unlock()
		return nil, err
	}
	return func() { _ = lock.Unlock() }, nil
}

// ErrLocked is returned where another process holds the directory.
var ErrLocked = errors.New("the warehouse is in use")
