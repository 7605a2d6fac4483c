package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Back-off between two starts of a part that ends by itself, and how long one may take to end when asked.
const (
	firstRestart = 200 * time.Millisecond
	lastRestart  = 10 * time.Second
	calmAfter    = 30 * time.Second // a part that ran this long starts again without delay
	stopWithin   = 20 * time.Second
)

// supervisedEnv tells a child that its standard input is its parent's life: at its end the child drains.
// That holds also where the parent is killed, so no part is left behind.
const supervisedEnv = "TOLLHOUSE_SUPERVISED"

// child is one part of `up` in a process of its own, started again whenever it ends unasked.
type child struct {
	name   string
	args   []string
	log    *slog.Logger
	stderr io.Writer
	url    string // as it announced itself first; it keeps the address over restarts
	done   chan struct{}
	cancel context.CancelFunc
}

// startChild starts `tollhouse ARGS…`, waits until it has announced `name=URL`, and watches it from then on.
func startChild(ctx context.Context, name string, log *slog.Logger, stderr io.Writer, args ...string) (*child, error) {
	// The child ends by stop, after those that use it, and not with ctx.
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c := &child{name: name, args: args, log: log, stderr: stderr, done: make(chan struct{}), cancel: cancel}
	ready := make(chan string, 1)
	failed := make(chan error, 1)
	go c.watch(life, ready, failed)
	select {
	case c.url = <-ready:
		return c, nil
	case err := <-failed:
		cancel()
		return nil, err
	case <-ctx.Done():
		c.stop()
		return nil, context.Cause(ctx)
	}
}

// watch runs the child over and over. Only a first start that never announced itself is given up.
func (c *child) watch(life context.Context, ready chan<- string, failed chan<- error) {
	defer close(c.done)
	backoff := firstRestart
	announced := ""
	for {
		begin := time.Now()
		err := c.once(life, announced, func(url string) {
			if announced == "" {
				announced = url
				ready <- url
			}
		})
		if life.Err() != nil {
			return
		}
		if announced == "" {
			failed <- fmt.Errorf("%s: %w", c.name, err)
			return
		}
		if time.Since(begin) > calmAfter {
			backoff = firstRestart
		}
		c.log.Error("a part ended by itself; starting it again", "part", c.name, "err", err, "in", backoff)
		select {
		case <-life.Done():
			return
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, lastRestart)
	}
}

// once runs the child to its end.
func (c *child) once(life context.Context, address string, announced func(url string)) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := c.args
	if address != "" {
		_, host, _ := strings.Cut(address, "://")
		args = append(args[:len(args):len(args)], "--listen", host)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), supervisedEnv+"=1")
	cmd.Stderr = c.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C in a terminal is for the parent, which ends its parts in order
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := context.AfterFunc(life, func() {
		_ = lifeline.Close()
		time.AfterFunc(stopWithin, func() { _ = cmd.Process.Kill() })
	})
	defer ended()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if url, ok := strings.CutPrefix(lines.Text(), c.name+"="); ok {
			announced(url)
		}
	}
	err = cmd.Wait()
	if err == nil {
		err = errors.New("it ended without an error")
	}
	return err
}

// stop asks the child to end and waits for it.
func (c *child) stop() {
	c.cancel()
	<-c.done
}

// withLifeline ends ctx also when the parent is gone, for a part that runs supervised.
func withLifeline(ctx context.Context, getenv func(string) (string, bool)) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if v, _ := getenv(supervisedEnv); v == "1" {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel(errSignal)
		}()
	}
	return ctx, func() { cancel(nil) }
}
