package ingress_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/ingress"
)

// http2 is a client that speaks HTTP/2 without having been told that the server does.
func http2(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: &http.Protocols{}}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

func ask(ctx context.Context, t *testing.T, addr string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/v1/chat/completions", strings.NewReader(goodBody))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	return req
}

// Without TLS, too, a client may speak HTTP/2; an answer may take longer than a body there as well.
func TestHTTP2WithoutTLS(t *testing.T) {
	f := &forwarder{answer: func(ctx context.Context, _ actors.ForwardInput) (*actors.ForwardResult, error) {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(300 * time.Millisecond):
			return &actors.ForwardResult{StatusCode: 200, Headers: http.Header{}, Body: []byte("{}"), Release: func() {}}, nil
		}
	}}
	addr := listen(t, newServer(t, f, func(o *ingress.Options) { o.Body = 100 * time.Millisecond }))
	resp, err := http2(t).Do(ask(t.Context(), t, addr))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.ProtoMajor != 2 || resp.StatusCode != http.StatusOK || string(text) != "{}" {
		t.Errorf("%s %s: %q, %v", resp.Proto, resp.Status, text, err)
	}
}

// Each frame of a stream arrives by itself over HTTP/2, and a client that gives up one stream cancels that request only.
func TestHTTP2StreamsAndHangUps(t *testing.T) {
	goOn, cancelled := make(chan struct{}), make(chan error, 1)
	f := &forwarder{answer: func(ctx context.Context, _ actors.ForwardInput) (*actors.ForwardResult, error) {
		return &actors.ForwardResult{StatusCode: 200, Headers: http.Header{}, Release: func() {}, Stream: func(yield func([]byte, error) bool) {
			if !yield([]byte("data: 1\n\n"), nil) {
				return
			}
			select {
			case <-goOn:
				yield([]byte("data: 2\n\n"), nil)
			case <-ctx.Done():
				cancelled <- ctx.Err()
			}
		}}, nil
	}}
	addr, client := listen(t, newServer(t, f, nil)), http2(t)
	ctx, hangUp := context.WithCancel(t.Context())
	given, err := client.Do(ask(ctx, t, addr))
	if err != nil {
		t.Fatal(err)
	}
	defer given.Body.Close()
	first := make([]byte, len("data: 1\n\n"))
	if _, err := io.ReadFull(given.Body, first); err != nil || string(first) != "data: 1\n\n" {
		t.Fatalf("%q, %v", first, err)
	}
	hangUp()
	if err := <-cancelled; err == nil {
		t.Error("a stream that was given up is not cancelled")
	}
	kept, err := client.Do(ask(t.Context(), t, addr))
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Body.Close()
	close(goOn)
	if text, err := io.ReadAll(kept.Body); err != nil || string(text) != "data: 1\n\ndata: 2\n\n" {
		t.Errorf("%q, %v", text, err)
	}
}
