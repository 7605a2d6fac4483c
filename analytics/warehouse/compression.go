package warehouse

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// inflated undoes the body's Content-Encoding, and ClickHouse's own block compression where decompress=1 says that it has it.
func inflated(r *http.Request, limit int64) (io.ReadCloser, error) {
	body, err := decoded(r.Body, r.Header.Get("Content-Encoding"), limit)
	if err != nil {
		return nil, err
	}
	if isSet(r, "decompress") {
		return blockReader{compress.NewReader(body), body}, nil
	}
	return body, nil
}

// blockReader reads ClickHouse's block compression to its end. That the body itself is whole is for HTTP to see.
type blockReader struct {
	blocks *compress.Reader
	io.Closer
}

// Read reads what is in the blocks.
func (b blockReader) Read(p []byte) (int, error) {
	n, err := b.blocks.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.EOF
	}
	return n, err
}

func decoded(body io.ReadCloser, encoding string, limit int64) (io.ReadCloser, error) {
	var in io.Reader
	var err error
	switch encoding {
	case "", "identity":
		return body, nil
	case "gzip":
		in, err = gzip.NewReader(body)
	case "deflate":
		in, err = zlib.NewReader(body)
	case "br":
		in = brotli.NewReader(body)
	case "lz4":
		in = lz4.NewReader(body)
	case "zstd":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(body, zstd.WithDecoderMaxMemory(uint64(limit)), zstd.WithDecoderConcurrency(1)); err == nil {
			return z.IOReadCloser(), nil
		}
	default:
		return nil, httpError{http.StatusUnsupportedMediaType, fmt.Errorf("Content-Encoding %q is not known", encoding)}
	}
	if err != nil {
		return nil, badRequest("%s: %w", encoding, err)
	}
	return io.NopCloser(in), nil
}

func isSet(r *http.Request, name string) bool {
	v := r.URL.Query().Get(name)
	return v == "1" || v == "true"
}

// compressed is w, or w behind the compression that the request asks for: ClickHouse's own blocks for compress=1, else gzip
// or zstd by Accept-Encoding. It sets the header, and writes nothing where nothing is written to it.
func compressed(w http.ResponseWriter, r *http.Request) io.WriteCloser {
	if isSet(r, "compress") {
		return inBlocks(w, r)
	}
	if r.URL.Query().Get("enable_http_compression") == "0" {
		return &encoding{w: w}
	}
	for offer := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		switch strings.TrimSpace(offer) {
		case "gzip":
			return &encoding{w: w, name: "gzip", make: func() (io.WriteCloser, error) { return gzip.NewWriterLevel(w, gzip.BestSpeed) }}
		case "zstd":
			return &encoding{w: w, name: "zstd", make: func() (io.WriteCloser, error) {
				return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
			}}
		}
	}
	return &encoding{w: w}
}

func inBlocks(w io.Writer, r *http.Request) *blocks {
	method := compress.LZ4
	if strings.EqualFold(r.URL.Query().Get("network_compression_method"), "zstd") {
		method = compress.ZSTD
	}
	return &blocks{w: w, c: compress.NewWriter(0, method)}
}

// blocks is ClickHouse's block compression.
type blocks struct {
	w io.Writer
	c *compress.Writer
}

// maxBlock is what goes into one compressed block.
const maxBlock = 1 << 20

// Write writes p as one block or more.
func (b *blocks) Write(p []byte) (int, error) {
	for n := 0; n < len(p); n += maxBlock {
		if err := b.c.Compress(p[n:min(n+maxBlock, len(p))]); err != nil {
			return n, err
		}
		if _, err := b.w.Write(b.c.Data); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

// Close does nothing: every block is whole.
func (b *blocks) Close() error { return nil }

// encoding is a Content-Encoding that begins with the first byte; without a name it is none.
type encoding struct {
	w    http.ResponseWriter
	name string
	make func() (io.WriteCloser, error)
	enc  io.WriteCloser
}

// Write begins the encoding where p is the first.
func (e *encoding) Write(p []byte) (int, error) {
	if len(p) == 0 || e.name == "" {
		return e.w.Write(p)
	}
	if e.enc == nil {
		enc, err := e.make()
		if err != nil {
			return 0, errors.Join(errors.New(e.name), err)
		}
		e.enc = enc
		e.w.Header().Set("Content-Encoding", e.name)
	}
	return e.enc.Write(p)
}

// Close writes the encoding's end.
func (e *encoding) Close() error {
	if e.enc == nil {
		return nil
	}
	return e.enc.Close()
}
