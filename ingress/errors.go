package ingress

import (
	"math"
	"net/http"
	"strconv"

	"github.com/tollhouse/tollhouse/adapters"
)

// refuse fails a request that the books do not know, and counts it: what has been accepted is in the books.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	s.metrics.refused.WithLabelValues(string(adapters.AsError(err).Code)).Inc()
	s.fail(w, r, err)
}

// fail answers with an error in the client's dialect.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := adapters.AsError(err)
	if e.Code == adapters.CodeInternal {
		s.o.Logger.Error("a request failed inside the gateway", "path", r.URL.Path, "err", e.Cause)
	}
	h := w.Header()
	h["Content-Type"] = jsonType
	h.Set("X-Tollhouse-Error", string(e.Code))
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	if id := requestID(r); id != "" {
		h.Set("X-Request-Id", id)
	}
	dialect := s.dialectOf(r)
	if d, ok := dialect.(adapters.ErrorHeaders); ok {
		d.SetErrorHeader(h, e)
	}
	body := dialect.RenderError(e)
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	s.deadline(w)
	w.WriteHeader(e.HTTPStatus())
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}
