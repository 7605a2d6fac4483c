package warehouse

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// handler speaks ClickHouse's HTTP interface, as far as clients use it.
type handler struct {
	engine    *engine
	maxInsert int64 // of an insert's data, inflated, in bytes
	log       *slog.Logger
}

// The time that a client has to send a request's body, and to take the answer.
const (
	receiveWithin = 2 * time.Minute
	answerWithin  = 5 * time.Minute
)

// ServeHTTP answers /ping and queries.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // the connection's last answer has left its own
	if !fromThisMachine(r) {
		http.Error(w, "this warehouse answers on loopback only", http.StatusForbidden)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	switch {
	case r.URL.Path == "/ping", r.URL.Path == "/" && r.Method == http.MethodGet && !r.URL.Query().Has("query"):
		_, _ = io.WriteString(w, "Ok.\n")
	case r.URL.Path == "/":
		h.query(w, r)
	default:
		http.NotFound(w, r)
	}
}

// fromThisMachine refuses what a page in somebody's browser may send: by a name of its own that it resolves to us, or
// across sites. The engine has no users and no passwords.
func fromThisMachine(r *http.Request) bool {
	if !isLoopback(r.Host) || r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && isLoopback(u.Host)
}

// isLoopback takes a host with or without a port.
func isLoopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	addr, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && addr.IsLoopback()
}

func (h *handler) query(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("query_id")
	if id == "" {
		id = rand.Text()
	}
	w.Header().Set("X-ClickHouse-Query-Id", strings.Map(printable, id))
	w.Header().Set("X-ClickHouse-Server-Display-Name", "tollhouse")
	w.Header().Set("X-ClickHouse-Timezone", "UTC")
	if err := h.answer(w, r); err != nil {
		h.fail(w, r, err)
	}
}

func printable(c rune) rune {
	if c < ' ' || c > '~' {
		return '_'
	}
	return c
}

// answer runs the request's statement and writes its result; it returns only errors from before the first byte.
func (h *handler) answer(w http.ResponseWriter, r *http.Request) error {
	if err := h.engine.acquire(r.Context()); err != nil { // before the body is read, so that few are in memory at once
		return err
	}
	defer h.engine.release()
	q, err := h.receive(w, r)
	if err != nil {
		return err
	}
	res, err := h.engine.run(r.Context(), q.statement)
	if err != nil {
		return err
	}
	defer res.free()

	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(answerWithin))
	out := compressed(w, r)
	begun := false
	begin := func() {
		begun = true
		w.Header().Set("X-ClickHouse-Format", q.answerFormat)
		w.Header().Set("X-ClickHouse-Summary", res.summary())
		w.Header().Set("Content-Type", contentType(q.answerFormat))
	}
	if q.revision > 0 && strings.EqualFold(q.answerFormat, "Native") {
		err = reviseNative(out, res.bytes(), q.revision, begin)
	} else {
		begin()
		_, err = out.Write(res.bytes())
	}
	if err == nil {
		err = out.Close()
	}
	if err != nil && begun {
		h.log.Debug("warehouse answer", "err", err)
		_ = control.SetWriteDeadline(time.Unix(1, 0)) // so that the answer has no end, and the client sees that it is cut
		return nil
	}
	return err
}

func contentType(format string) string {
	switch {
	case strings.EqualFold(format, "Native"), strings.HasPrefix(format, "RowBinary"), format == "Parquet", strings.HasPrefix(format, "Arrow"):
		return "application/octet-stream"
	case strings.HasSuffix(format, "EachRow"):
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(format, "JSON"):
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(format, "CSV"):
		return "text/csv; charset=UTF-8; header=" + map[bool]string{true: "present", false: "absent"}[strings.Contains(format, "WithNames")]
	}
	return "text/tab-separated-values; charset=UTF-8"
}

// httpError is an error of the request rather than of its statement.
type httpError struct {
	status int
	error
}

// fail answers with ClickHouse's code in its header and the message as the body.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	var e *Exception
	var he httpError
	status := http.StatusInternalServerError
	switch {
	case errors.As(err, &he):
		status = he.status
	case errors.As(err, &e):
	case errors.Is(err, errBusy):
		e = exception(codeTooManyQueries, "TOO_MANY_SIMULTANEOUS_QUERIES", err.Error())
	case errors.Is(err, context.Canceled):
		e = exception(codeCancelled, "QUERY_WAS_CANCELLED", "Query was cancelled.")
	default:
		h.log.Error("warehouse query", "err", err)
	}
	message := err.Error()
	if e != nil {
		status, message = e.status(), e.Message
		w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.Code))
	}
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(status)
	var out io.Writer = w
	if isSet(r, "compress") {
		out = inBlocks(w, r)
	}
	_, _ = io.WriteString(out, message+"\n")
}
