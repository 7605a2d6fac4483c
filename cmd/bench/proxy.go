package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// runProxy is the yardstick: a plain ReverseProxy that flushes at once and has no buffer pool.
func runProxy(upstream string) error {
	target, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 2048
	transport.MaxIdleConns = 0
	transport.DisableCompression = true
	transport.IdleConnTimeout = idle / 2
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1,
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("proxy=http://%s\n", ln.Addr())
	// Without full duplex, net/http closes a request's body when the answer begins, which now and then breaks the transport that has
	// not yet seen that body's end: a failure of the yardstick under load, not of what is measured.
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		proxy.ServeHTTP(w, r)
	})
	return (&http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: idle}).Serve(ln)
}
