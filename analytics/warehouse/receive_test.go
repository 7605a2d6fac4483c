package warehouse

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestReceiveIsBounded(t *testing.T) {
	h := &handler{maxInsert: 100_000}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 200_000))
	_ = z.Close()
	insert := "/?query=INSERT+INTO+t+FORMAT+TSV"
	cases := []struct {
		name, url, encoding string
		body                []byte
		chunked             bool
		status              int
	}{
		{"fits", insert, "", make([]byte, 90_000), false, 0},
		{"says that it does not", insert, "", make([]byte, 100_001), false, 413},
		{"does not", insert, "", make([]byte, 100_001), true, 413},
		{"does not when inflated", insert, "gzip", bomb.Bytes(), false, 413},
		{"not gzip", insert, "gzip", []byte("no"), false, 400},
		{"cut gzip", insert, "gzip", bomb.Bytes()[:bomb.Len()-9], false, 413},
		{"not zstd", insert, "zstd", []byte("no"), false, 400},
		{"not lz4", insert, "lz4", []byte("no"), false, 400},
		{"not deflate", insert, "deflate", []byte("no"), false, 400},
		{"not br", insert, "br", []byte("no"), false, 400},
		{"not blocks", insert + "&decompress=1", "", bytes.Repeat([]byte("no"), 100), false, 400},
		{"unknown", insert, "compress", []byte("no"), false, 415},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, c.url, bytes.NewReader(c.body))
			r.Header.Set("Content-Encoding", c.encoding)
			if c.chunked {
				r.ContentLength = -1
			}
			_, err := h.receive(httptest.NewRecorder(), r)
			var he httpError
			if errors.As(err, &he); he.status != c.status || c.status == 0 && err != nil {
				t.Errorf("%v, want status %d", err, c.status)
			}
		})
	}
}

func TestReceiveBoundsTheTextItself(t *testing.T) {
	h := &handler{maxInsert: maxInsert}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("SELECT 1 /*"+strings.Repeat("x", maxSQL)+"*/"))
	if _, err := h.receive(httptest.NewRecorder(), r); !errors.Is(err, errTooLarge) {
		t.Errorf("a text of more than %d bytes: %v", maxSQL, err)
	}
}
