package warehouse

import (
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
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// sessions is how many queries run at once; more wait for a place as long as their clients do.
const sessions = 8

// drainWithin is how long running queries may take when the warehouse is asked to end.
const drainWithin = 15 * time.Second

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
// survives the death of the process.
func Run(ctx context.Context, o Options) error {
	if err := checkLoopback(o.Listen); err != nil {
		return err
	}
	unlock, err := lockDir(o.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	libPath, err := Library(ctx, o.CacheDir, o.Progress)
	if err != nil {
		return err
	}
	tmp := filepath.Join(o.Dir, "inserts")
	if err := os.RemoveAll(tmp); err != nil { // what a killed process was about to insert, and never acknowledged
		return err
	}
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return err
	}
	e, err := openEngine(libPath, filepath.Join(o.Dir, "data"), sessions)
	if err != nil {
		return err
	}
	defer e.close()
	ln, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("warehouse: %w", err)
	}
	return serve(ctx, o, ln, &handler{engine: e, tmp: tmp, log: o.Logger})
}

func serve(ctx context.Context, o Options, ln net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	if o.Ready != nil {
		o.Ready(ln.Addr().String())
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
	defer cancel()
	if err := srv.Shutdown(within); err != nil {
		_ = srv.Close()
		return fmt.Errorf("queries did not end: %w", err)
	}
	return nil
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
		return nil, fmt.Errorf("%w: %s is held by process %s", ErrLocked, dir, strings.TrimSpace(string(holder)))
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		_ = lock.Unlock()
		return nil, err
	}
	return func() { _ = lock.Unlock() }, nil
}

// ErrLocked is returned where another process holds the directory.
var ErrLocked = errors.New("the warehouse is in use")
