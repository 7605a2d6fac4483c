package transport

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

type ticket struct{ used atomic.Bool }

var errUsed = errors.New("used")

func (t *ticket) Redeem() error {
	if t.used.Swap(true) {
		return errUsed
	}
	return nil
}

func TestNoCallWithoutAFreshTicket(t *testing.T) {
	var calls atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer srv.Close()
	tr := New()
	defer tr.CloseIdle()
	call := func(tk Ticket) error {
		req, _ := http.NewRequest(http.MethodPost, srv.URL, strings.NewReader("{}"))
		resp, err := tr.Call(req, tk, time.Second)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	tk := new(ticket)
	if err := call(tk); err != nil {
		t.Fatal(err)
	}
	if err := call(tk); !errors.Is(err, errUsed) || !errors.Is(err, ErrNoTicket) {
		t.Errorf("a used ticket: %v", err)
	}
	if err := call(nil); !errors.Is(err, ErrNoTicket) {
		t.Errorf("no ticket: %v", err)
	}
	if calls.Load() != 1 {
		t.Errorf("the upstream saw %d calls", calls.Load())
	}
}

// net/http sends a request again by itself when a reused connection dies under it and the request looks safe to repeat.
func TestOneCallIsOneRequestOnTheWire(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
		t.Run(method, func(t *testing.T) { oneCall(t, method) })
	}
}

func oneCall(t *testing.T, method string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var requests atomic.Int64
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for n := 0; ; n++ {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					if requests.Add(1); method == http.MethodGet && (len(req.TransferEncoding) > 0 || req.ContentLength != 0) {
						t.Errorf("a GET came with a body: %v, %d", req.TransferEncoding, req.ContentLength)
					}
					if n == 1 {
						return // the reused connection dies after the request was read
					}
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				}
			}()
		}
	}()
	tr := New()
	defer tr.CloseIdle()
	for i := range 2 {
		body := []byte("{}")
		if method != http.MethodPost {
			body = nil
		}
		req, _ := http.NewRequest(method, "http://"+ln.Addr().String(), bytes.NewReader(body))
		req.Header.Set("Idempotency-Key", "stainless-node-retry-1")
		resp, err := tr.Call(req, new(ticket), time.Second)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		if (err != nil) != (i == 1) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if requests.Load() != 2 {
		t.Errorf("2 calls became %d requests", requests.Load())
	}
}

func TestRedirectsAreAnswersNotOrders(t *testing.T) {
	srv := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:1/elsewhere", http.StatusTemporaryRedirect))
	defer srv.Close()
	tr := New()
	defer tr.CloseIdle()
	req, _ := http.NewRequest(http.MethodPost, srv.URL, nil)
	resp, err := tr.Call(req, new(ticket), 0)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusTemporaryRedirect {
		t.Errorf("status %d", resp.StatusCode)
	}
}
