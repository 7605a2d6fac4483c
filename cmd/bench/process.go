package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is one part under measurement, alone on its core.
type process struct {
	cmd   *exec.Cmd
	url   string
	admin string // of a gateway
}

// pin keeps this process, or another, on one core.
func pin(pid, core int) error {
	var set unix.CPUSet
	set.Set(core)
	return unix.SchedSetaffinity(pid, &set)
}

// start runs a program and waits for its line NAME=URL.
func start(ctx context.Context, core int, name string, argv ...string) (*process, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	admin := ""
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "admin="); ok {
			admin = url
		}
		if url, ok := strings.CutPrefix(lines.Text(), name+"="); ok {
			go func() {
				for lines.Scan() {
				}
			}()
			p := &process{cmd: cmd, url: url, admin: admin}
			return p, p.pinAll(core)
		}
	}
	_ = cmd.Wait()
	return nil, fmt.Errorf("%s ended before it said %s=", argv[0], name)
}

// pinAll pins every thread there is; later ones inherit it.
func (p *process) pinAll(core int) error {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.cmd.Process.Pid))
	if err != nil {
		return err
	}
	for _, t := range tasks {
		tid, _ := strconv.Atoi(t.Name())
		if err := pin(tid, core); err != nil {
			return err
		}
	}
	return nil
}

// published waits until a gateway has published what it wrote down: that is a part of what its requests cost.
func (p *process) published() error {
	if p.admin == "" {
		return nil
	}
	for range 150 { // seldom: asking costs, too
		time.Sleep(200 * time.Millisecond)
		resp, err := http.Get(p.admin + "/metrics")
		if err != nil {
			return err
		}
		raw, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return err
		}
		if strings.Contains(string(raw), "\ntollhouse_events_unpublished 0\n") {
			return nil
		}
	}
	return errors.New("the gateway does not catch up with publishing")
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}

// cpu returns the time all the process's threads have run, from the scheduler's own count, which is exact where the
// ticks of /proc/PID/stat are 10 ms.
func (p *process) cpu() (time.Duration, error) {
	dir := fmt.Sprintf("/proc/%d/task", p.cmd.Process.Pid)
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, t := range tasks {
		raw, err := os.ReadFile(dir + "/" + t.Name() + "/schedstat")
		if err != nil {
			continue // a thread that ended between the two reads
		}
		ns, _, _ := strings.Cut(string(raw), " ")
		n, err := strconv.ParseInt(ns, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n)
	}
	return sum, nil
}

// rss returns the resident memory in bytes.
func (p *process) rss() (int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	pages, err := strconv.ParseInt(strings.Fields(string(raw))[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
