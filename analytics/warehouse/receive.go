package warehouse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Limits of one request.
const (
	maxSQL    = 1 << 20   // a statement's text
	maxInsert = 256 << 20 // the data of one insert, inflated
)

// received is a statement and how its answer is wanted.
type received struct {
	statement
	answerFormat string
	revision     uint64 // of the protocol, for Native; 0: as the engine writes it
}

// What of the URL is not a setting.
var reserved = map[string]bool{
	"query": true, "database": true, "default_format": true, "client_protocol_version": true, "query_id": true,
	"session_id": true, "session_timeout": true, "session_check": true, "user": true, "password": true, "quota_key": true,
	"compress": true, "decompress": true, "wait_end_of_query": true, "buffer_size": true, "role": true, "stacktrace": true,
	"enable_http_compression": true, "send_progress_in_http_headers": true, "network_compression_method": true,
	"network_zstd_compression_level": true, "http_zlib_compression_level": true, "close_session": true,
}

var namePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// receive reads a request. Its text is the URL's query and the body, one after the other; behind an INSERT stand its data.
func (h *handler) receive(w http.ResponseWriter, r *http.Request) (*received, error) {
	query := r.URL.Query()
	q := &received{answerFormat: "TabSeparated", statement: statement{
		database: query.Get("database"), readonly: r.Method == http.MethodGet,
		params: map[string]string{}, settings: map[string]string{},
	}}
	if q.database == "" {
		q.database = r.Header.Get("X-ClickHouse-Database")
	}
	if f := firstOf(query.Get("default_format"), r.Header.Get("X-ClickHouse-Format")); f != "" {
		if !namePattern.MatchString(f) {
			return nil, badRequest("format %q: not a name", f)
		}
		q.answerFormat = f
	}
	if v := query.Get("client_protocol_version"); v != "" {
		var err error
		if q.revision, err = strconv.ParseUint(v, 10, 32); err != nil {
			return nil, badRequest("client_protocol_version: not a number")
		}
	}
	if err := q.options(query); err != nil {
		return nil, err
	}
	text, err := h.readText(w, r)
	if err != nil {
		return nil, err
	}
	return q, q.take(text)
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func badRequest(format string, args ...any) error {
	return httpError{http.StatusBadRequest, fmt.Errorf(format, args...)}
}

var errTooLarge = httpError{http.StatusRequestEntityTooLarge, errors.New("the query's text or its data are too large")}

// options takes parameters and settings.
func (q *received) options(query url.Values) error {
	for name, values := range query {
		if reserved[name] {
			continue
		}
		if !namePattern.MatchString(name) {
			return badRequest("%q: not the name of a setting", name)
		}
		if param, ok := strings.CutPrefix(name, "param_"); ok {
			q.params[param] = values[0]
		} else {
			q.settings[name] = values[0]
		}
	}
	return nil
}

// readText reads the whole request, so that nothing of an insert is done for a client that fails halfway.
func (h *handler) readText(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		return nil, exception(codeNotImplemented, "NOT_IMPLEMENTED", "external tables are not supported by the embedded engine")
	}
	if r.ContentLength > h.maxInsert {
		return nil, errTooLarge
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(receiveWithin))
	r.Body = http.MaxBytesReader(w, r.Body, h.maxInsert)
	in, err := inflated(r, h.maxInsert)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var text bytes.Buffer
	if query := r.URL.Query().Get("query"); query != "" {
		text.WriteString(query + "\n")
	}
	if r.ContentLength > 0 {
		text.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	n, err := text.ReadFrom(io.LimitReader(in, h.maxInsert+1))
	var raw *http.MaxBytesError
	switch {
	case errors.As(err, &raw), err == nil && n > h.maxInsert:
		return nil, errTooLarge
	case err != nil:
		return nil, badRequest("read body: %w", err)
	}
	// The connection is read on for the client's going away, which no deadline is to look like.
	_ = control.SetReadDeadline(time.Time{})
	return text.Bytes(), nil
}

// take finds out what the text is.
func (q *received) take(text []byte) error {
	sh := shapeOf(text)
	switch {
	case len(sh.head) > maxSQL:
		return errTooLarge
	case strings.TrimSpace(sh.head) == "":
		return exception(codeSyntax, "SYNTAX_ERROR", "Empty query.")
	case sh.many:
		return exception(codeSyntax, "SYNTAX_ERROR", "Multi-statements are not allowed.")
	}
	q.sql = sh.head
	if sh.insert && sh.format != "" {
		q.insert, q.format, q.data = true, sh.format, sh.data
		return nil
	}
	if sh.format != "" {
		q.answerFormat = sh.format
	}
	q.format = q.answerFormat
	return nil
}
