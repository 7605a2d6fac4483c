// Package warehouse is the embedded ClickHouse engine behind ClickHouse's own HTTP interface, so that the unmodified
// clickhouse-go, curl and Grafana use it as they would a server. It runs as a process of its own: its memory and its
// crashes are not the gateway's.
package warehouse

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library is the part of libchdb's C interface that is used, bound without cgo.
type library struct {
	connect           func(argc int32, argv unsafe.Pointer) unsafe.Pointer // chdb_connection*
	closeConn         func(conn unsafe.Pointer)
	query             func(conn, sql unsafe.Pointer, n uintptr, format unsafe.Pointer, fn uintptr) unsafe.Pointer
	resultBuffer      func(result unsafe.Pointer) unsafe.Pointer
	resultLength      func(result unsafe.Pointer) uintptr
	resultError       func(result unsafe.Pointer) unsafe.Pointer
	destroyResult     func(result unsafe.Pointer)
	setSignalHandlers func(enabled int32)
}

func loadLibrary(path string) (*library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load the ClickHouse engine: %w", err)
	}
	l := &library{}
	for name, f := range map[string]any{
		"chdb_connect": &l.connect, "chdb_close_conn": &l.closeConn, "chdb_query_n": &l.query,
		"chdb_result_buffer": &l.resultBuffer, "chdb_result_length": &l.resultLength,
		"chdb_result_error": &l.resultError, "chdb_destroy_query_result": &l.destroyResult,
		"chdb_set_signal_handlers_enabled": &l.setSignalHandlers,
	} {
		purego.RegisterLibFunc(f, handle, name)
	}
	l.setSignalHandlers(0) // Go owns the signals
	return l, nil
}

// engine holds one data directory open by a few connections, each of which runs one query at a time.
type engine struct {
	lib    *library
	idle   chan *session
	all    []*session
	closed atomic.Bool
}

// session is one connection with the state that queries have left in it.
type session struct {
	lib      *library
	conn     unsafe.Pointer
	database string
}

// openEngine opens dir, and creates it where it is not there.
func openEngine(libPath, dir string, sessions int) (*engine, error) {
	lib, err := loadLibrary(libPath)
	if err != nil {
		return nil, err
	}
	e := &engine{lib: lib, idle: make(chan *session, sessions)}
	for range sessions {
		conn := connect(lib, dir)
		if conn == nil {
			e.close()
			return nil, fmt.Errorf("the ClickHouse engine cannot open %s", dir)
		}
		s := &session{lib: lib, conn: conn, database: "default"}
		e.all = append(e.all, s)
		e.idle <- s
	}
	return e, nil
}

func connect(lib *library, dir string) unsafe.Pointer {
	program, path := []byte("clickhouse\x00"), []byte("--path="+dir+"\x00")
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&program[0])
	pin.Pin(&path[0])
	argv := []unsafe.Pointer{unsafe.Pointer(&program[0]), unsafe.Pointer(&path[0])}
	pin.Pin(&argv[0])
	return lib.connect(2, unsafe.Pointer(&argv[0]))
}

// close waits for the running queries and closes every connection, after which the directory is consistent on disk.
func (e *engine) close() {
	if e.closed.Swap(true) {
		return
	}
	for range e.all {
		s := <-e.idle
		e.lib.closeConn(s.conn)
	}
}

// statement is one query with what the HTTP interface says beside it.
type statement struct {
	sql      string
	format   string // of the answer, where the SQL names none
	database string
	params   map[string]string // without the prefix param_
	settings map[string]string
}

// errBusy is returned where ctx ends while every connection is at work.
var errBusy = errors.New("every connection of the warehouse is busy")

// query runs a statement and returns a copy of its answer. A query that has begun runs to its end, or to its
// max_execution_time, also where ctx ends; the caller does not wait for it then.
func (e *engine) query(ctx context.Context, st statement) ([]byte, error) {
	var s *session
	select {
	case s = <-e.idle:
	case <-ctx.Done():
		return nil, errors.Join(errBusy, context.Cause(ctx))
	}
	type answer struct {
		body []byte
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		body, err := s.run(st)
		e.idle <- s
		done <- answer{body, err}
	}()
	select {
	case a := <-done:
		return a.body, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// run sets what the statement wants set, runs it, and takes that back.
func (s *session) run(st statement) ([]byte, error) {
	if st.database != "" && st.database != s.database {
		if _, err := s.exec("USE "+quoteIdentifier(st.database), "Null"); err != nil {
			return nil, err
		}
		s.database = st.database
	}
	for name, value := range st.params {
		if _, err := s.exec("SET param_"+name+" = "+quoteString(value), "Null"); err != nil {
			return nil, err
		}
	}
	for name, value := range st.settings {
		if _, err := s.exec("SET "+name+" = "+quoteString(value), "Null"); err != nil {
			return nil, err
		}
		defer s.exec("SET "+name+" = DEFAULT", "Null")
	}
	return s.exec(st.sql, st.format)
}

// exec runs one query on this connection.
func (s *session) exec(sql, format string) ([]byte, error) {
	q, f := []byte(sql), []byte(format)
	if len(q) == 0 {
		return nil, &Exception{Code: 62, Message: "Code: 62. DB::Exception: Empty query. (SYNTAX_ERROR)"}
	}
	// chdb_connect returns a pointer to the connection; queries take the connection itself.
	result := s.lib.query(*(*unsafe.Pointer)(s.conn), unsafe.Pointer(&q[0]), uintptr(len(q)), unsafe.Pointer(&f[0]), uintptr(len(f)))
	runtime.KeepAlive(q)
	runtime.KeepAlive(f)
	if result == nil {
		return nil, errors.New("the ClickHouse engine gave no answer")
	}
	defer s.lib.destroyResult(result)
	if message := cString(s.lib.resultError(result)); message != "" {
		return nil, newException(message)
	}
	n := s.lib.resultLength(result)
	if n == 0 {
		return nil, nil
	}
	return append([]byte(nil), unsafe.Slice((*byte)(s.lib.resultBuffer(result)), n)...), nil
}

func cString(p unsafe.Pointer) string {
	if p == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n))
}

// Exception is an error of ClickHouse's own, with its code.
type Exception struct {
	Code    int
	Message string
}

// Error returns ClickHouse's message.
func (e *Exception) Error() string { return e.Message }

var codePattern = regexp.MustCompile(`^Code: (\d+)\.`)

func newException(message string) *Exception {
	e := &Exception{Code: 1, Message: message}
	if m := codePattern.FindStringSubmatch(message); m != nil {
		e.Code, _ = strconv.Atoi(m[1])
	}
	return e
}

func quoteString(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

func quoteIdentifier(s string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(s) + "`"
}
