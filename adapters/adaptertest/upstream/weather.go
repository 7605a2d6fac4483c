package upstream

import (
	"net"
	"net/http"
	"strings"
	"time"
)

// Weather has every request without a script of its own follow this one from now on; empty: they are served well.
func (s *Server) Weather(script string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.weather = directives(script)
}

// directives are the words of a script.
func directives(script string) map[string]string {
	all := map[string]string{}
	for pair := range strings.FieldsSeq(script) {
		name, value, _ := strings.Cut(pair, "=")
		all[name] = value
	}
	return all
}

// Kill ends it as a crash does: connections break, and new ones are refused.
func (s *Server) Kill() { _ = s.http.Close() }

// Revive serves again where it was, with the books that it had.
func (s *Server) Revive() error {
	ln, err := net.Listen("tcp", s.ln.Addr().String())
	if err != nil {
		return err
	}
	s.ln = ln
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func(srv *http.Server) { _ = srv.Serve(ln) }(s.http)
	return nil
}

// NumberFrom makes the ids of its answers begin there, so that several upstreams can share their books.
func (s *Server) NumberFrom(n int64) { s.ids.Store(n) }
