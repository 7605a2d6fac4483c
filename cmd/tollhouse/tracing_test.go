package main

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// A gateway that the environment tells of a collector sends what it has when it ends.
func TestTraces(t *testing.T) {
	var sent atomic.Int64
	collects := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/traces" && r.Header.Get("Content-Type") == "application/x-protobuf" && r.Header.Get("X-Tenant") == "a" {
			sent.Add(r.ContentLength)
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer collects.Close()
	s := newStack(t, "")
	s.start("broker", "broker")
	s.writeConfig("")
	for _, endpoint := range []string{"", collects.URL} {
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
		t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "X-Tenant=a")
		p := s.start("gateway", "gateway")
		if status, body, _, err := (call{mark: "traced", stream: true}).send(p.address("gateway")); err != nil || status != 200 {
			t.Errorf("%d %s %v", status, body, err)
		}
		s.stop("gateway")
		if n := sent.Load(); (n > 0) != (endpoint != "") {
			t.Errorf("%d bytes of spans were sent to %q\n%s", n, endpoint, p.log)
		}
	}
}
