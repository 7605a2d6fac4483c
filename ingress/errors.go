package ingress

import (
	"math"
	"net/http"
	"strconv"

	"github.com/tollhouse/tollhouse/adapters"
)

// fail answers with an error in the client's dialect. What was refused before it was accepted is a metric; what was accepted
// is in the books.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := adapters.AsError(err)
	s.metrics.refused.WithLabelValues(string(e.Code)).Inc()
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
	body := s.dialectOf(r).RenderError(e)
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	s.deadline(w)
	w.WriteHeader(e.HTTPStatus())
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}
