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
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Limits of one request.
const (
	maxSQL    = 1 << 20   // a query's text
	maxInsert = 256 << 20 // an insert's data, inflated
)

// handler speaks ClickHouse's HTTP interface, as far as clients use it.
type handler struct {
	engine *engine
	tmp    string // where insert data waits for the engine
	log    *slog.Logger
}

// ServeHTTP answers /ping and queries.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !loopbackHost(r.Host) { // a page in somebody's browser that resolves its own name to us
		http.Error(w, "this warehouse answers on loopback only", http.StatusForbidden)
		return
	}
	switch {
	case r.URL.Path == "/ping", r.URL.Path == "/" && r.Method == http.MethodGet && r.URL.Query().Get("query") == "":
		_, _ = io.WriteString(w, "Ok.\n")
	case r.URL.Path != "/":
		http.NotFound(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	default:
		h.query(w, r)
	}
}

func loopbackHost(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	if name == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil && addr.IsLoopback()
}

func (h *handler) query(w http.ResponseWriter, r *http.Request) {
	st, revision, err := h.statement(w, r)
	if err != nil {
		h.fail(w, err)
		return
	}
	defer st.done()
	w.Header().Set("X-ClickHouse-Format", st.format)
	w.Header().Set("X-ClickHouse-Timezone", "UTC")
	body, err := h.engine.query(r.Context(), st.statement)
	if err == nil && revision > 0 && st.format == "Native" {
		body, err = reviseNative(body, revision)
	}
	if err != nil {
		h.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", contentType(st.format))
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

func contentType(format string) string {
	switch {
	case format == "Native" || format == "RowBinary":
		return "application/octet-stream"
	case strings.HasPrefix(format, "JSON"):
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(format, "CSV"):
		return "text/csv; charset=UTF-8; header=absent"
	}
	return "text/tab-separated-values; charset=UTF-8"
}

// httpError is an error with a status of its own.
type httpError struct {
	status int
	error
}

// fail answers with ClickHouse's code in its header; the message is the body.
func (h *handler) fail(w http.ResponseWriter, err error) {
	var e *Exception
	var he httpError
	switch {
	case errors.As(err, &e):
		w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.Code))
		http.Error(w, e.Message, http.StatusInternalServerError)
	case errors.As(err, &he):
		http.Error(w, he.Error(), he.status)
	case errors.Is(err, errBusy):
		w.Header().Set("X-ClickHouse-Exception-Code", "202") // TOO_MANY_SIMULTANEOUS_QUERIES
		http.Error(w, "Code: 202. "+err.Error(), http.StatusServiceUnavailable)
	case errors.Is(err, context.Canceled):
	default:
		h.log.Error("warehouse query", "err", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// request is a statement and the file that its data waits in.
type request struct {
	statement
	data string
}

func (q *request) done() {
	if q.data != "" {
		_ = os.Remove(q.data)
	}
}

// What of the URL is not a setting.
var reserved = map[string]bool{
	"query": true, "database": true, "default_format": true, "client_protocol_version": true, "query_id": true,
	"session_id": true, "session_timeout": true, "session_check": true, "user": true, "password": true, "quota_key": true,
	"compress": true, "decompress": true, "wait_end_of_query": true, "buffer_size": true, "role": true, "stacktrace": true,
	"enable_http_compression": true, "send_progress_in_http_headers": true,
}

var (
	wordPattern   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	insertPattern = regexp.MustCompile(`(?is)^\s*INSERT\s`)
	// An insert's end, before which FROM INFILE goes: settings, then the format.
	tailPattern   = regexp.MustCompile(`(?is)(\s+SETTINGS\s+[^()]*?)?\s+(?:FORMAT\s+(\w+)|(VALUES))\s*;?\s*$`)
	formatPattern = regexp.MustCompile(`(?is)\sFORMAT\s+(\w+)\s*;?\s*$`)
)

// statement reads a request: the query in the URL, in the body, or in both, one after the other; for an insert whose query
// is in the URL the body is the data.
func (h *handler) statement(w http.ResponseWriter, r *http.Request) (q *request, revision uint64, err error) {
	url := r.URL.Query()
	q = &request{statement: statement{
		sql: url.Get("query"), database: url.Get("database"), format: "TabSeparated",
		params: map[string]string{}, settings: map[string]string{},
	}}
	if q.database == "" {
		q.database = r.Header.Get("X-ClickHouse-Database")
	}
	if f := url.Get("default_format"); f != "" {
		q.format = f
	}
	if v := url.Get("client_protocol_version"); v != "" {
		if revision, err = strconv.ParseUint(v, 10, 32); err != nil {
			return nil, 0, httpError{http.StatusBadRequest, errors.New("client_protocol_version: not a number")}
		}
	}
	if err := q.options(url); err != nil {
		return nil, 0, err
	}
	if err := h.body(w, r, q); err != nil {
		return nil, 0, err
	}
	if !wordPattern.MatchString(q.format) {
		return nil, 0, httpError{http.StatusBadRequest, fmt.Errorf("format %q: not a name", q.format)}
	}
	if m := formatPattern.FindStringSubmatch(q.sql); m != nil && !insertPattern.MatchString(q.sql) {
		q.format = m[1]
	}
	return q, revision, nil
}

// options takes parameters and settings.
func (q *request) options(url url.Values) error {
	for name, values := range url {
		if reserved[name] {
			continue
		}
		if !wordPattern.MatchString(name) {
			return httpError{http.StatusBadRequest, fmt.Errorf("%q: not the name of a setting", name)}
		}
		if param, ok := strings.CutPrefix(name, "param_"); ok {
			q.params[param] = values[0]
		} else {
			q.settings[name] = values[0]
		}
	}
	return nil
}

func (h *handler) body(w http.ResponseWriter, r *http.Request, q *request) error {
	in, err := inflate(r)
	if err != nil {
		return err
	}
	defer in.Close()
	if insertPattern.MatchString(q.sql) {
		return h.insert(in, q)
	}
	text, err := io.ReadAll(io.LimitReader(in, maxInsert+1))
	if err != nil {
		return httpError{http.StatusBadRequest, fmt.Errorf("read body: %w", err)}
	}
	if len(text) > maxSQL && !insertPattern.Match(text) || len(text) > maxInsert {
		return httpError{http.StatusRequestEntityTooLarge, errors.New("the query is too large")}
	}
	switch {
	case q.sql == "":
		q.sql = string(text)
	case len(text) > 0:
		q.sql += "\n" + string(text)
	}
	return nil
}

// inflate undoes the body's Content-Encoding.
func inflate(r *http.Request) (io.ReadCloser, error) {
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		return r.Body, nil
	case "gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, httpError{http.StatusBadRequest, fmt.Errorf("gzip: %w", err)}
		}
		return z, nil
	case "zstd":
		z, err := zstd.NewReader(r.Body, zstd.WithDecoderMaxMemory(maxInsert), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, httpError{http.StatusBadRequest, fmt.Errorf("zstd: %w", err)}
		}
		return z.IOReadCloser(), nil
	default:
		return nil, httpError{http.StatusUnsupportedMediaType, fmt.Errorf("Content-Encoding %q is not known", encoding)}
	}
}

// insert puts an insert's data into a file and has the engine read it from there: data behind a query's text is cut short
// at some size.
func (h *handler) insert(in io.Reader, q *request) error {
	f, err := os.CreateTemp(h.tmp, "insert-*.bin")
	if err != nil {
		return err
	}
	q.data = f.Name()
	n, err := io.Copy(f, io.LimitReader(in, maxInsert+1))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	switch {
	case err != nil:
		err = httpError{http.StatusBadRequest, fmt.Errorf("read body: %w", err)}
	case n > maxInsert:
		err = httpError{http.StatusRequestEntityTooLarge, fmt.Errorf("an insert takes at most %d bytes", maxInsert)}
	case n > 0:
		q.sql, err = fromInfile(q.sql, q.data)
	}
	if err != nil {
		q.done()
	}
	return err
}

// fromInfile makes INSERT INTO t … FORMAT F read the file.
func fromInfile(sql, file string) (string, error) {
	m := tailPattern.FindStringSubmatchIndex(sql)
	if m == nil {
		return "", httpError{http.StatusBadRequest, errors.New("an INSERT with data in the body needs a FORMAT")}
	}
	settings, format := "", "Values"
	if m[2] >= 0 {
		settings = sql[m[2]:m[3]]
	}
	if m[4] >= 0 {
		format = sql[m[4]:m[5]]
	}
	return sql[:m[0]] + " FROM INFILE " + quoteString(file) + settings + " FORMAT " + format, nil
}
