// Package upstream stands in for the internet: it speaks OpenAI Chat and Responses, Anthropic Messages, Gemini, Cohere and Bedrock Converse, misbehaves as
// it is told, and keeps books of its own of what it served and would have billed, so that the gateway's books can be held against them.
// Offered a tool, it calls the first until a result is there; asked for JSON by a schema, it answers {"city":"Oslo"}.
//
// A prompt says what is to happen, so that another process can script it: `mark:XYZ` names the request, and a line
// `upstream: key=value …` holds directives:
//
//	status=429          answer with that status and the dialect's error
//	retry_after=2       with this header
//	delay=50ms          wait before answering
//	chunks=20 pace=5ms  of a stream
//	same=1              the whole answer says what a stream does
//	cut=7               close the connection after that many chunks; cut=mid: in the middle of one
//	hang=1              read the request and never answer; hang=stream: stop after the first chunk
//	garbage=1           answer what is no JSON, or no event stream
//	endless=1           a line without an end
//	empty=1             a 200 without a body
//	overload=1          an overload error inside a 200, or as a stream's first event
//	nousage=1           report no usage
//	ping=1              comments or pings between chunks
//	first=K             do all this only to the first K requests of this mark; serve the rest well
package upstream

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Entry is one request as the upstream saw it.
type Entry struct {
	Mark      string `json:"mark"`
	Dialect   string `json:"dialect"` // openai_chat, openai_responses, anthropic_messages, mistral, gemini, cohere or bedrock_converse
	Model     string `json:"model"`
	Stream    bool   `json:"stream"`
	KeyHash   string `json:"key_hash"` // SHA-256, hex
	Status    int    `json:"status"`   // 0: it was never answered
	Completed bool   `json:"completed"`
	Chunks    int    `json:"chunks"` // written of a stream
	// Reported is the usage that was written to its end, so that whoever read it knows it; zero where none was.
	Reported   Usage  `json:"reported"`
	ResponseID string `json:"response_id"`
	Tool       string `json:"tool,omitempty"`   // that the answer calls: the first that was offered, until its result is there
	Schema     bool   `json:"schema,omitempty"` // the answer must be JSON
	forced     bool   // to call a tool
}

// Usage is what a request would be billed: a function of its mark.
type Usage struct {
	Input  uint64 `json:"input"`
	Cached uint64 `json:"cached"`
	Output uint64 `json:"output"`
}

// UsageOf is the usage that a mark is answered with.
func UsageOf(mark string) Usage {
	h := fnv.New32a()
	_, _ = io.WriteString(h, mark)
	n := uint64(h.Sum32())
	return Usage{Input: 20 + n%1000, Cached: n % 20, Output: 10 + n/1000%500}
}

// Server is a running upstream.
type Server struct {
	ln   net.Listener
	http *http.Server

	mu      sync.Mutex
	entries []*Entry
	seen    map[string]int    // requests by mark
	stored  map[string]*Entry // responses that may be built upon, by their ids
	asked   []string          // what was asked of stored responses: GET and the id
	ids     atomic.Int64
	weather map[string]string // of the requests that have no script
}

// Start runs an upstream for a test.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Listen runs an upstream until Close.
func Listen(addr string) (*Server, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &Server{ln: ln, seen: map[string]int{}, stored: map[string]*Entry{}}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.http.Serve(ln) }()
	return s, nil
}

// URL is its address, without a version.
func (s *Server) URL() string { return "http://" + s.ln.Addr().String() }

// Close ends it, with whatever hangs.
func (s *Server) Close() { _ = s.http.Close() }

// Books returns what it has served so far.
func (s *Server) Books() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Entry, len(s.entries))
	for i, e := range s.entries {
		all[i] = *e
	}
	return all
}

// Requests counts the requests of a mark.
func (s *Server) Requests(mark string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[mark]
}

// note changes an entry under the lock.
func (s *Server) note(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

var (
	markPattern   = regexp.MustCompile(`mark:([A-Za-z0-9_.-]+)`)
	scriptPattern = regexp.MustCompile(`upstream:((?: [a-z_]+=[A-Za-z0-9.]+)+)`)
)

// maxBody bounds what it reads.
const maxBody = 64 << 20

// ServeHTTP answers by the prompt's script.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/_books" {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.Books())
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return
	}
	if id, ok := strings.CutPrefix(r.URL.Path, "/v1/responses/"); ok {
		s.answerStored(w, r, id)
		return
	}
	e, script := s.enter(r, body)
	if d, err := time.ParseDuration(script["delay"]); err == nil {
		select {
		case <-time.After(d):
		case <-r.Context().Done():
			return
		}
	}
	a := answer{s: s, w: w, r: r, e: e, script: script, usage: UsageOf(e.Mark), dialect: dialects[e.Dialect], words: wordsOf(e, script)}
	if e.Dialect == "cohere" {
		a.usage.Cached = 0 // it bills no such part
	}
	a.run()
}

func hashOf(r *http.Request) string {
	hash := sha256.Sum256([]byte(keyOf(r)))
	return hex.EncodeToString(hash[:])
}

// enter makes the book's entry: the request was received, whatever comes of it.
func (s *Server) enter(r *http.Request, body []byte) (*Entry, map[string]string) {
	asked := read(r, body)
	e := &Entry{
		Dialect: asked.dialect, Model: asked.model, Stream: asked.stream, KeyHash: hashOf(r),
		ResponseID: fmt.Sprintf("resp-%d", s.ids.Add(1)), Tool: asked.tool, Schema: asked.schema, forced: asked.forced,
	}
	if m := markPattern.FindSubmatch(body); m != nil {
		e.Mark = string(m[1])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	script := maps.Clone(s.weather)
	if m := scriptPattern.FindSubmatch(body); m != nil {
		script = directives(string(m[1]))
	}
	if script == nil {
		script = map[string]string{}
	}
	s.entries = append(s.entries, e)
	s.seen[e.Mark]++
	if e.Dialect == "openai_responses" && !s.store(e, body) {
		script["unknown"] = "1"
	}
	var first int
	if _, err := fmt.Sscan(script["first"], &first); err == nil && s.seen[e.Mark] > first {
		script = map[string]string{}
	}
	return e, script
}
