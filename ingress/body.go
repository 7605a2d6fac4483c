package ingress

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/tollhouse/tollhouse/adapters"
)

// maxAnnounced is what is set aside for a body because its length was announced; the rest has to arrive.
const maxAnnounced = 64 << 10

// limitBody bounds the time in which a body may arrive, whether we read it or net/http does, to find the next request behind one
// that was refused. net/http lifts the deadline once it has the whole body.
func (s *Server) limitBody(w http.ResponseWriter, r *http.Request) {
	if r.Body != http.NoBody {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.settings.Load().Body))
	}
}

// readBody reads a request's body once, inflated and within its limit. The whole of it is read before anything is done
// with it: an upstream that answers at once must not race with a client that still sends. It may take as long as any body may, or as
// the client's own timeout says; 0: it gave none.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request, timeout time.Duration) (*bytes.Buffer, error) {
	if err := checkType(r); err != nil {
		return nil, err
	}
	settings := s.settings.Load()
	limit, within := settings.MaxBody, settings.Body
	if timeout > 0 && timeout < within {
		within = timeout
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(within))
	}
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	in, err := inflate(io.LimitReader(r.Body, limit+1), r.Header.Get("Content-Encoding"), limit)
	if err != nil {
		return nil, err
	}
	// It is not pooled: an attempt's transport may go on sending from it when the attempt is over, and another client's prompt must
	// not be what it sends then.
	buf := new(bytes.Buffer)
	if n := r.ContentLength; n > 0 {
		buf.Grow(int(min(n, maxAnnounced)) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(in, limit+1))
	switch {
	case err == nil && n <= limit:
		return buf, nil
	case n > limit:
		err = tooLarge(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		err = adapters.Errorf(adapters.CodeRequestTimeout, "the request's body did not arrive within %s", within)
	default:
		err = adapters.InvalidRequest("", "the request's body could not be read")
	}
	return nil, err
}

func tooLarge(limit int64) error {
	return adapters.Errorf(adapters.CodeRequestTooLarge, "the request's body is larger than %d bytes", limit)
}

// checkType takes JSON, or no type at all.
func checkType(r *http.Request) error {
	value := r.Header.Get("Content-Type")
	if value == "" || value == "application/json" {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(value); err != nil || kind != "application/json" {
		return adapters.Errorf(adapters.CodeUnsupportedMediaType, "the Content-Type must be application/json")
	}
	return nil
}

// inflate undoes a client's Content-Encoding; the limit holds after it.
func inflate(in io.Reader, encoding string, limit int64) (io.Reader, error) {
	switch strings.ToLower(encoding) {
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
