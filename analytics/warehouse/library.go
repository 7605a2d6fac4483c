package warehouse

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library is the part of libchdb's C interface that is used, bound without cgo.
type library struct {
	connect           func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	closeConn         func(conn unsafe.Pointer)
	query             func(conn, sql unsafe.Pointer, n uintptr, format unsafe.Pointer, fn uintptr) unsafe.Pointer
	destroyResult     func(result unsafe.Pointer)
	resultBuffer      func(result unsafe.Pointer) unsafe.Pointer
	resultLength      func(result unsafe.Pointer) uintptr
	resultError       func(result unsafe.Pointer) unsafe.Pointer
	rowsRead          func(result unsafe.Pointer) uint64
	bytesRead         func(result unsafe.Pointer) uint64
	rowsWritten       func(result unsafe.Pointer) uint64
	bytesWritten      func(result unsafe.Pointer) uint64
	insert            func(conn, sql unsafe.Pointer, n uintptr, format unsafe.Pointer, fn uintptr) unsafe.Pointer
	insertAppend      func(insert, data unsafe.Pointer, n uintptr) int32
	insertDone        func(insert unsafe.Pointer) unsafe.Pointer
	insertError       func(insert unsafe.Pointer) unsafe.Pointer
	destroyInsert     func(insert unsafe.Pointer)
	setSignalHandlers func(enabled int32)
}

func loadLibrary(path string) (*library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load the ClickHouse engine: %w", err)
	}
	l := &library{}
	for name, f := range map[string]any{
		"chdb_connect":                     &l.connect,
		"chdb_close_conn":                  &l.closeConn,
		"chdb_query_n":                     &l.query,
		"chdb_destroy_query_result":        &l.destroyResult,
		"chdb_result_buffer":               &l.resultBuffer,
		"chdb_result_length":               &l.resultLength,
		"chdb_result_error":                &l.resultError,
		"chdb_result_storage_rows_read":    &l.rowsRead,
		"chdb_result_storage_bytes_read":   &l.bytesRead,
		"chdb_result_rows_written":         &l.rowsWritten,
		"chdb_result_bytes_written":        &l.bytesWritten,
		"chdb_stream_insert_n":             &l.insert,
		"chdb_stream_append":               &l.insertAppend,
		"chdb_stream_done":                 &l.insertDone,
		"chdb_stream_insert_error":         &l.insertError,
		"chdb_destroy_insert_stream":       &l.destroyInsert,
		"chdb_set_signal_handlers_enabled": &l.setSignalHandlers,
	} {
		symbol, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, fmt.Errorf("load the ClickHouse engine: %w", err)
		}
		purego.RegisterFunc(f, symbol)
	}
	l.setSignalHandlers(0) // Go owns the signals
	return l, nil
}

// session is one connection to the engine: its database, settings, parameters and temporary tables are its own. It runs one
// statement at a time.
type session struct {
	lib  *library
	conn unsafe.Pointer // to the handle that the statements take
}

// open starts a session on dir. The first one of a process opens the directory and takes some 200 ms, each further one
// about half a millisecond; the last one that is closed closes the directory. A process has one directory.
func (l *library) open(dir string) (*session, error) {
	program, path := []byte("clickhouse\x00"), []byte("--path="+dir+"\x00")
	argv := []unsafe.Pointer{unsafe.Pointer(&program[0]), unsafe.Pointer(&path[0])}
	var pin runtime.Pinner
	defer pin.Unpin()
	for _, p := range []any{&program[0], &path[0], &argv[0]} {
		pin.Pin(p)
	}
	conn := l.connect(int32(len(argv)), unsafe.Pointer(&argv[0]))
	if conn == nil {
		return nil, fmt.Errorf("the ClickHouse engine cannot open %s", dir)
	}
	return &session{lib: l, conn: conn}, nil
}

func (s *session) close() { s.lib.closeConn(s.conn) }

func (s *session) handle() unsafe.Pointer { return *(*unsafe.Pointer)(s.conn) }

// query runs SQL text, which may be several statements, and answers in format where the text names none.
func (s *session) query(sql, format string) (*result, error) {
	q, f := []byte(sql+"\x00"), []byte(format+"\x00") // never empty, so that both have an address
	p := s.lib.query(s.handle(), unsafe.Pointer(&q[0]), uintptr(len(sql)), unsafe.Pointer(&f[0]), uintptr(len(format)))
	runtime.KeepAlive(q)
	runtime.KeepAlive(f)
	return s.lib.result(p)
}

// insertChunk is how much the engine is handed at a time; it copies what it is handed.
const insertChunk = 1 << 20

// insert runs INSERT INTO …, without FORMAT or VALUES, with data in the given format. Data behind the text of a query is
// cut short where a Native block does not fit the engine's read buffer; this way it is not.
func (s *session) insert(sql, format string, data []byte) (*result, error) {
	q, f := []byte(sql+"\x00"), []byte(format+"\x00")
	insert := s.lib.insert(s.handle(), unsafe.Pointer(&q[0]), uintptr(len(sql)), unsafe.Pointer(&f[0]), uintptr(len(format)))
	runtime.KeepAlive(q)
	runtime.KeepAlive(f)
	if insert == nil {
		return nil, errNoAnswer
	}
	defer s.lib.destroyInsert(insert) // which cancels it where it is not done
	if message := cString(s.lib.insertError(insert)); message != "" {
		return nil, newException(message)
	}
	for len(data) > 0 {
		n := min(len(data), insertChunk)
		if s.lib.insertAppend(insert, unsafe.Pointer(&data[0]), uintptr(n)) != 0 {
			break // done says why
		}
		data = data[n:]
	}
	runtime.KeepAlive(data)
	return s.lib.result(s.lib.insertDone(insert))
}

var errNoAnswer = errors.New("the ClickHouse engine gave no answer")

// result is an answer in the engine's memory, until it is freed.
type result struct {
	lib *library
	p   unsafe.Pointer
}

func (l *library) result(p unsafe.Pointer) (*result, error) {
	if p == nil {
		return nil, errNoAnswer
	}
	r := &result{lib: l, p: p}
	if message := cString(l.resultError(p)); message != "" {
		r.free()
		return nil, newException(message)
	}
	return r, nil
}

// bytes is the answer itself, not a copy: it ends with free.
func (r *result) bytes() []byte {
	n := r.lib.resultLength(r.p)
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(r.lib.resultBuffer(r.p)), n)
}

func (r *result) free() { r.lib.destroyResult(r.p) }

// summary is the JSON that ClickHouse puts into X-ClickHouse-Summary.
func (r *result) summary() string {
	return fmt.Sprintf(`{"read_rows":"%d","read_bytes":"%d","written_rows":"%d","written_bytes":"%d"}`,
		r.lib.rowsRead(r.p), r.lib.bytesRead(r.p), r.lib.rowsWritten(r.p), r.lib.bytesWritten(r.p))
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
