package warehousetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/tollhouse/tollhouse/analytics/warehouse"
)

// In the environment of a test binary: childDir makes it be the warehouse of that directory, childOwns has it remove the
// directory at its end.
const (
	childDir  = "TOLLHOUSE_WAREHOUSETEST_DIR"
	childOwns = "TOLLHOUSE_WAREHOUSETEST_OWNS"
)

const addressLine = "warehouse="

// serve is the warehouse's process. It ends with its parent, also where that was killed, since its stdin ends then.
func serve(dir string) (code int) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	if os.Getenv(childOwns) != "" {
		defer os.RemoveAll(dir)
	}
	err := warehouse.Run(ctx, warehouse.Options{
		Dir: dir, Listen: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Ready: func(addr string) { fmt.Println(addressLine + addr) },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "warehouse:", err)
		return 1
	}
	return 0
}

// Process is a warehouse in a process of its own.
type Process struct {
	Addr     string // host:port
	cmd      *exec.Cmd
	lifeline io.Closer // its stdin, which ends with us
}

// startShared fetches the engine here, where what goes wrong is an error of the tests and not a line of a child.
func startShared() (*Process, error) {
	if _, err := warehouse.Library(context.Background(), "", os.Stderr); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "tollhouse-warehousetest-")
	if err != nil {
		return nil, err
	}
	return run(dir, childOwns+"=1")
}

// Start runs a warehouse of its own on dir, for tests that stop, kill and restart one. TestMain must be Main.
func Start(dir string) (*Process, error) { return run(dir, childOwns+"=") }

func run(dir string, environment ...string) (*Process, error) {
	if !mainRuns.Load() {
		return nil, errors.New("TestMain must be warehousetest.Main")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(append(os.Environ(), childDir+"="+dir), environment...)
	cmd.Stderr = os.Stderr
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if addr, ok := strings.CutPrefix(lines.Text(), addressLine); ok {
			return &Process{Addr: addr, cmd: cmd, lifeline: lifeline}, nil
		}
	}
	return nil, fmt.Errorf("the warehouse did not start: %w", errors.Join(lines.Err(), cmd.Wait()))
}

// PID is its process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop ends it cleanly and returns what it ended with.
func (p *Process) Stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	return p.cmd.Wait()
}

// Kill ends it as a crash does.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}
