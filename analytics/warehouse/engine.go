// Package warehouse is the embedded ClickHouse engine behind ClickHouse's own HTTP interface, so that the unmodified
// clickhouse-go, curl and Grafana use it as they would a server. It runs as a process of its own: its memory and its
// crashes are not the gateway's.
package warehouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// engine holds one data directory open. Each statement has a session of its own, as it has over ClickHouse's HTTP
// interface, so that nothing a client sets is left for the next one; a bounded number runs at once.
type engine struct {
	lib    *library
	dir    string
	keeper *session // keeps the directory open while nothing runs
	places chan struct{}
	marks  atomic.Uint64
}

// openEngine opens dir, and creates it where it is not there.
func openEngine(libPath, dir string, places int) (*engine, error) {
	lib, err := loadLibrary(libPath)
	if err != nil {
		return nil, err
	}
	keeper, err := lib.open(dir)
	if err != nil {
		return nil, err
	}
	return &engine{lib: lib, dir: dir, keeper: keeper, places: make(chan struct{}, places)}, nil
}

// close waits for the running statements and closes the directory, which is whole on disk then. Where they do not end
// within ctx it leaves it open: the end of the process is what a kill is, and loses nothing that was acknowledged.
func (e *engine) close(ctx context.Context) error {
	for range cap(e.places) {
		if err := e.acquire(ctx); err != nil {
			return fmt.Errorf("queries did not end: %w", err)
		}
	}
	e.keeper.close()
	return nil
}

// acquire waits for a place among the running statements; release gives it back.
func (e *engine) acquire(ctx context.Context) error {
	select {
	case e.places <- struct{}{}:
		return nil
	default:
	}
	select {
	case e.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return errors.Join(errBusy, context.Cause(ctx))
	}
}

func (e *engine) release() { <-e.places }

// errBusy is returned where ctx ends while every place is taken.
var errBusy = errors.New("too many simultaneous queries")

// statement is one query with what the HTTP interface says beside it.
type statement struct {
	sql      string
	format   string // of the answer where the SQL names none, or of an insert's data
	insert   bool   // data are to be inserted by sql, which ends before FORMAT
	data     []byte
	database string            // where names without one are looked up; empty: default
	params   map[string]string // without the prefix param_, escaped as ClickHouse's HTTP interface wants them
	settings map[string]string
	readonly bool
}

// run runs one statement in a session of its own; the caller holds a place, and frees the result. Where ctx ends the
// statement is killed, and ctx's cause returned once it has ended.
func (e *engine) run(ctx context.Context, st statement) (*result, error) {
	s, err := e.lib.open(e.dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	mark := fmt.Sprintf("tollhouse-%d", e.marks.Add(1))
	defer e.killAfter(ctx, mark)()
	res, err := s.run(st, mark)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return res, err
}

func (s *session) run(st statement, mark string) (*result, error) {
	prepared, err := s.query(st.preparation(mark), "Null")
	if err != nil {
		return nil, err
	}
	prepared.free()
	if st.insert {
		return s.insert(st.sql, st.format, st.data)
	}
	return s.query(st.sql, st.format)
}

// preparation is what is run before the statement. Its mark is a setting that changes nothing, and by which a running
// statement can be found.
func (st statement) preparation(mark string) string {
	var b strings.Builder
	if st.database != "" {
		b.WriteString("USE " + quoteIdentifier(st.database) + "; ")
	}
	b.WriteString("SET " + defaults)
	for _, name := range sortedKeys(st.settings) {
		b.WriteString(", " + name + " = " + quoteString(st.settings[name]))
	}
	for _, name := range sortedKeys(st.params) {
		b.WriteString(", param_" + name + " = " + quoteString(st.params[name]))
	}
	b.WriteString(", log_comment = " + quoteString(mark))
	if st.readonly {
		b.WriteString("; SET readonly = 2")
	}
	return b.String()
}

// defaults are settings that a client may set otherwise. An answer is bounded, since it is whole in memory before its first
// byte goes out; times without a zone are UTC, wherever the machine is.
const defaults = "max_result_bytes = 1073741824, result_overflow_mode = 'throw', session_timezone = 'UTC'"

// killAgain is the time between two attempts to kill.
const killAgain = 50 * time.Millisecond

// killAfter kills the statement of that mark when ctx ends before stop is called. One that is not known to the engine yet
// is not there to be killed, so it is asked again.
func (e *engine) killAfter(ctx context.Context, mark string) (stop func()) {
	finished, killer := make(chan struct{}), make(chan struct{})
	unset := context.AfterFunc(ctx, func() {
		defer close(killer)
		for {
			e.kill(mark)
			select {
			case <-finished:
				return
			case <-time.After(killAgain):
			}
		}
	})
	return func() {
		close(finished)
		if !unset() {
			<-killer
		}
	}
}

func (e *engine) kill(mark string) {
	s, err := e.lib.open(e.dir)
	if err != nil {
		return
	}
	defer s.close()
	if res, err := s.query("KILL QUERY WHERE Settings['log_comment'] = "+quoteString(mark)+" ASYNC", "Null"); err == nil {
		res.free()
	}
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func quoteString(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

func quoteIdentifier(s string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(s) + "`"
}
