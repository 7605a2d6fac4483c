package upstream

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is one answer under way.
type answer struct {
	s       *Server
	w       http.ResponseWriter
	r       *http.Request
	e       *Entry
	script  map[string]string
	usage   Usage
	dialect dialect
	words   []string // of a text, as a stream has them
}

// text is what a whole answer says: what a stream does where the request asks for JSON, or the script says so.
func (a *answer) text() string {
	if a.e.Schema || a.script["same"] != "" {
		return whole(a.words)
	}
	return "answer to " + a.e.Mark
}

// wordsOf are the pieces of a text.
func wordsOf(e *Entry, script map[string]string) []string {
	if e.Schema {
		return arguments
	}
	chunks := 5
	if n, err := strconv.Atoi(script["chunks"]); err == nil {
		chunks = n
	}
	words := make([]string, chunks)
	for i := range words {
		words[i] = fmt.Sprintf("word %d ", i)
	}
	return words
}

func (a *answer) run() {
	a.w.Header().Set("X-Request-Id", RequestID(*a.e))
	switch {
	case a.script["hang"] == "1":
		<-a.r.Context().Done()
	case a.script["unknown"] != "":
		a.w.Header().Set("Content-Type", "application/json")
		a.status(http.StatusBadRequest)
		_, _ = io.WriteString(a.w, unknownResponse)
	case a.script["status"] != "":
		a.fail()
	case a.script["empty"] != "":
		a.status(http.StatusOK)
	case a.script["garbage"] != "":
		a.w.Header().Set("Content-Type", "application/json")
		a.status(http.StatusOK)
		_, _ = io.WriteString(a.w, `<html>{"id": this is not JSON`)
	case a.e.Stream:
		a.stream()
	default:
		a.whole()
	}
}

// RequestID is what an entry's answer is called in its header, whatever the dialect.
func RequestID(e Entry) string { return "up-" + e.ResponseID }

func (a *answer) status(code int) {
	a.s.note(func() { a.e.Status = code })
	a.w.WriteHeader(code)
}

func (a *answer) fail() {
	code, _ := strconv.Atoi(a.script["status"])
	if v := a.script["retry_after"]; v != "" {
		a.w.Header().Set("Retry-After", v)
	}
	a.w.Header().Set("Content-Type", "application/json")
	if d, ok := a.dialect.(errorTypes); ok {
		d.setErrorType(a.w.Header(), code)
	}
	a.status(code)
	_, _ = io.WriteString(a.w, a.dialect.failure(fmt.Sprintf("scripted %d", code)))
	a.s.note(func() { a.e.Completed = true })
}

func (a *answer) whole() {
	body := a.dialect.whole(a.e, a.text(), a.usage, a.script["nousage"] == "")
	if a.script["overload"] != "" {
		body = a.dialect.overload()
	}
	a.w.Header().Set("Content-Type", "application/json")
	a.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	a.status(http.StatusOK)
	if _, err := io.WriteString(a.w, body); err != nil {
		return
	}
	a.completed()
}

// completed notes that the answer was written to its end.
func (a *answer) completed() {
	a.s.note(func() {
		a.e.Completed = true
		if a.script["nousage"] == "" && a.script["overload"] == "" {
			a.e.Reported = a.usage
		}
	})
}

// write sends a piece; it reports false when the client is gone.
func (a *answer) write(piece string) bool {
	if _, err := io.WriteString(a.w, piece); err != nil {
		return false
	}
	return http.NewResponseController(a.w).Flush() == nil && a.r.Context().Err() == nil
}

// cut closes the connection under the answer.
func (a *answer) cut() {
	if conn, _, err := http.NewResponseController(a.w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

func (a *answer) stream() {
	pace, words := time.Millisecond, a.words
	if d, err := time.ParseDuration(a.script["pace"]); err == nil {
		pace = d
	}
	a.w.Header().Set("Content-Type", a.dialect.stream())
	a.status(http.StatusOK)
	if a.script["overload"] != "" {
		a.write(a.dialect.overloadEvent())
		return
	}
	if a.script["endless"] != "" {
		for a.write("data: " + strings.Repeat("x", 1<<20)) {
		}
		return
	}
	if !a.write(a.dialect.open(a.e, a.usage)) {
		return
	}
	for _, piece := range a.dialect.call(a.e) {
		if !a.write(piece) {
			return
		}
		words = nil
	}
	cutAt, _ := strconv.Atoi(a.script["cut"])
	for i, word := range words {
		if a.script["cut"] == "mid" && i == 1 {
			a.write(a.dialect.chunk(a.e, word)[:20])
			a.cut()
			return
		}
		if cutAt > 0 && i == cutAt {
			a.cut()
			return
		}
		if !a.write(a.dialect.chunk(a.e, word)) {
			return
		}
		a.s.note(func() { a.e.Chunks++ })
		if a.script["hang"] == "stream" {
			<-a.r.Context().Done()
			return
		}
		if a.script["ping"] != "" && !a.write(a.dialect.ping()) {
			return
		}
		time.Sleep(pace)
	}
	if a.write(a.dialect.end(a.e, a.usage, a.script["nousage"] == "")) {
		a.completed()
	}
}
