package ingress

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/tollhouse/tollhouse/adapters"
)

// bodies are pooled; one that grew over maxPooled is left to the collector.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const maxPooled = 1 << 20

func giveBack(b *bytes.Buffer) {
	if b.Cap() <= maxPooled {
		b.Reset()
		bodies.Put(b)
	}
}

// readBody reads a request's body once, inflated and within its limit. The whole of it is read before anything is done
// with it: an upstream that answers at once must not race with a client that still sends.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) (*bytes.Buffer, error) {
	if err := checkType(r); err != nil {
		return nil, err
	}
	if r.ContentLength > s.o.MaxBody {
		return nil, s.tooLarge()
	}
	_ = http.NewResponseController(w).SetReadDeadline(s.o.Now().Add(s.o.Body))
	in, err := inflate(io.LimitReader(r.Body, s.o.MaxBody+1), r.Header.Get("Content-Encoding"), s.o.MaxBody)
	if err != nil {
		return nil, err
	}
	buf := bodies.Get().(*bytes.Buffer)
	if r.ContentLength > 0 {
		buf.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(in, s.o.MaxBody+1))
	switch {
	case err == nil && n <= s.o.MaxBody:
		return buf, nil
	case n > s.o.MaxBody:
		err = s.tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		err = adapters.Errorf(adapters.CodeRequestTimeout, "the request's body did not arrive within %s", s.o.Body)
	default:
		err = adapters.InvalidRequest("", "the request's body could not be read")
	}
	giveBack(buf)
	return nil, err
}

func (s *Server) tooLarge() error {
	return adapters.Errorf(adapters.CodeRequestTooLarge, "the request's body is larger than %d bytes", s.o.MaxBody)
}

// checkType takes JSON, or no type at all.
func checkType(r *http.Request) error {
	value := r.Header.Get("Content-Type")
	if value == "" || value == "application/json" {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(value); err != nil || kind != "application/json" && kind != "text/plain" {
		return adapters.Errorf(adapters.CodeUnsupportedMediaType, "the Content-Type must be application/json")
	}
	return nil
}

// inflate undoes a client's Content-Encoding; the limit holds after it.
func inflate(in io.Reader, encoding string, limit int64) (io.Reader, error) {
	switch encoding {
	case "", "identity":
		return in, nil
	case "gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, adapters.InvalidRequest("", "the request's body is not gzip")
		}
		return z, nil
	case "zstd":
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(max(limit, 1<<20))))
		if err != nil {
			return nil, adapters.InvalidRequest("", "the request's body is not zstd")
		}
		return z.IOReadCloser(), nil
	}
	return nil, adapters.Errorf(adapters.CodeUnsupportedMediaType, "the Content-Encoding must be gzip, zstd or absent")
}
