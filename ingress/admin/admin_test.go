package admin_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollhouse/tollhouse/ingress/admin"
)

// Who is answered what.
func TestAdmin(t *testing.T) {
	const here, there = "127.0.0.1:8081", "gateway.example:8081"
	cases := []struct {
		name, key, method, host, path, authorization string
		status                                       int
		contains                                     string
	}{
		{"livez", "", "GET", here, "/livez", "", 200, "ok"},
		{"readyz", "", "GET", here, "/readyz", "", 200, "ok"},
		{"version", "", "GET", here, "/version", "", 200, "v1"},
		{"metrics", "", "GET", here, "/metrics", "", 200, "tollhouse_a_total 0"},
		{"configuration", "", "GET", here, "/config/status", "", 200, `{"file":"f"}`},
		{"profiles", "", "GET", here, "/debug/pprof/", "", 200, "goroutine"},
		{"one profile", "", "GET", here, "/debug/pprof/goroutine?debug=1", "", 200, "goroutine profile"},
		{"nothing", "", "GET", here, "/nothing", "", 404, ""},
		{"another method", "", "POST", here, "/metrics", "", 405, ""},
		{"localhost", "", "GET", "localhost:8081", "/metrics", "", 200, ""},
		{"IPv6", "", "GET", "[::1]:8081", "/metrics", "", 200, ""},
		{"no port", "", "GET", "127.0.0.1", "/metrics", "", 200, ""},
		{"another name", "", "GET", there, "/metrics", "", 403, "loopback"},
		{"another name that looks like it", "", "GET", "127.0.0.1.evil.example", "/metrics", "", 403, "loopback"},
		{"another name, the probes too", "", "GET", there, "/livez", "", 403, "loopback"},
		{"a key, not given", "k", "GET", there, "/metrics", "", 401, ""},
		{"a key, not given from here", "k", "GET", here, "/debug/pprof/", "", 401, ""},
		{"a key, not given for the configuration", "k", "GET", here, "/config/status", "", 401, ""},
		{"a key, given wrong", "k", "GET", there, "/metrics", "Bearer kk", 401, ""},
		{"a key", "k", "GET", there, "/metrics", "Bearer k", 200, "tollhouse_a_total"},
		{"a key, and a probe without", "k", "GET", there, "/readyz", "", 200, "ok"},
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "tollhouse_a_total", Help: "a"}))
	ready := error(nil)
	ask := func(key, method, host, path, authorization string) *httptest.ResponseRecorder {
		h := admin.Handler(admin.Options{Version: "v1", Ready: func() error { return ready }, Gather: reg, Key: key, Config: func() any { return map[string]string{"file": "f"} }})
		r := httptest.NewRequest(method, "http://"+host+path, nil)
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for _, c := range cases {
		w := ask(c.key, c.method, c.host, c.path, c.authorization)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.contains) {
			t.Errorf("%s: %d %s\nwant %d with %q", c.name, w.Code, w.Body, c.status, c.contains)
		}
	}
	ready = errors.New("the journal is full")
	if w := ask("", "GET", here, "/readyz", ""); w.Code != 503 || !strings.Contains(w.Body.String(), "journal is full") {
		t.Errorf("not ready: %d %s", w.Code, w.Body)
	}
}
