package ingress

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// forward takes one request through: key, body, the forwarder, and the answer.
func (s *Server) forward(w http.ResponseWriter, r *http.Request, to route) {
	received := s.o.Now()
	key, err := s.authenticate(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	timeout, err := deadline(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	labels, err := s.labels(key.Consumer.Labels, r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	body, err := s.readBody(w, r, timeout)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	dialect := s.o.Set.Dialect(to.dialect)
	inspected, err := dialect.Inspect(to.operation, to.path, body.Bytes())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	if to.operation == adapters.OperationStored { // it has no body that could say so
		inspected.Stream = r.URL.Query().Get("stream") == "true"
	}
	req := &adapters.RequestContext{
		ID: events.NewRequestID(received), Dialect: dialect, Operation: to.operation, Method: r.Method, Path: to.path,
		RawQuery: queryWithoutKey(r.URL), Header: r.Header, Body: body.Bytes(), Lenient: key.Consumer.Lenient, Inspection: inspected,
		ReceivedAt: received,
	}
	ctx, cancel := s.clientContext(r.Context(), received, timeout)
	defer cancel()
	result, err := s.o.Forwarder.Forward(ctx, actors.ForwardInput{
		GatewayID: s.o.GatewayID, Snapshot: key.Snapshot, Consumer: key.Consumer, Data: actors.ConsumerData{KeyID: key.ID, Labels: labels}, Request: req,
	})
	w.Header()["X-Tollhouse-Request-Id"] = []string{req.ID}
	if err != nil {
		if result != nil {
			answerHeader(w.Header(), result.Headers, requestID(r))
		}
		if result == nil || adapters.AsError(err).Code == adapters.CodeAccountingUnavailable {
			s.refuse(w, r, err)
		} else {
			s.fail(w, r, err)
		}
		return
	}
	defer result.Release()
	answerHeader(w.Header(), result.Headers, requestID(r))
	if result.Stream != nil {
		s.stream(w, r, result, dialect)
	} else {
		s.write(w, result)
	}
}

// clientContext is the client's, which ends when it hangs up, with its own deadline where it gave one: that counts from when the
// request was received.
func (s *Server) clientContext(client context.Context, received time.Time, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		return client, func() {}
	}
	return context.WithTimeoutCause(client, max(timeout-s.o.Now().Sub(received), 0), adapters.ErrDeadline)
}

// write sends a whole answer: headers and body in one write.
func (s *Server) write(w http.ResponseWriter, result *actors.ForwardResult) {
	h := w.Header()
	if len(h["Content-Type"]) == 0 {
		h["Content-Type"] = jsonType
	}
	h["Content-Length"] = []string{strconv.Itoa(len(result.Body))}
	if result.StatusCode >= 400 && h.Get("X-Tollhouse-Error") == "" {
		h.Set("X-Tollhouse-Error", string(codeOf(result.StatusCode)))
	}
	s.deadline(w)
	w.WriteHeader(result.StatusCode)
	_, _ = w.Write(result.Body)
}

var jsonType = []string{"application/json"}

// codeOf is the stable code for a provider's own error.
func codeOf(status int) adapters.Code {
	switch {
	case status == http.StatusNotFound:
		return adapters.CodeModelNotFound
	case status == http.StatusTooManyRequests:
		return adapters.CodeRateLimited
	case status == http.StatusRequestEntityTooLarge:
		return adapters.CodeRequestTooLarge
	case status >= 500:
		return adapters.CodeUpstreamError
	}
	return adapters.CodeInvalidRequest
}

// deadline gives the next write its time.
func (s *Server) deadline(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(s.o.Now().Add(s.settings.Load().Write))
}

// stream writes frames as they come: one write and one flush each.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, result *actors.ForwardResult, dialect adapters.Dialect) {
	control := http.NewResponseController(w)
	started := false
	defer s.streamPanicked(w, dialect, &started)
	var deadline time.Time
	write := s.settings.Load().Write
	for frame, err := range result.Stream {
		if err != nil && !started {
			s.fail(w, r, err)
			return
		}
		if !started {
			started = true
			h := w.Header()
			if h.Get("Content-Type") == "" {
				h.Set("Content-Type", adapters.EventStream)
			}
			h.Set("Cache-Control", "no-cache")
			h.Set("X-Accel-Buffering", "no")
			w.WriteHeader(result.StatusCode)
		}
		if err != nil {
			e := adapters.AsError(err)
			s.metrics.broken.Inc()
			frame = adapters.ErrorFrame(dialect, w.Header().Get("Content-Type"), e)
		}
		// A deadline holds for a while: it is moved when a tenth of it has passed, not for every frame.
		if now := s.o.Now(); deadline.Sub(now) < write*9/10 {
			deadline = now.Add(write)
			_ = control.SetWriteDeadline(deadline)
		}
		if _, writeErr := w.Write(frame); writeErr != nil {
			return
		}
		if flushErr := control.Flush(); flushErr != nil || err != nil {
			return
		}
	}
}

// streamPanicked ends a stream that has begun as any other break does, with one frame; a panic before that has an answer of its own.
func (s *Server) streamPanicked(w http.ResponseWriter, dialect adapters.Dialect, started *bool) {
	p := recover()
	if p == nil {
		return
	}
	if !*started || p == http.ErrAbortHandler {
		panic(p)
	}
	s.o.Logger.Error("a stream panicked", "panic", p)
	s.metrics.broken.Inc()
	s.deadline(w)
	e := adapters.Errorf(adapters.CodeInternal, "the gateway could not handle the request")
	_, _ = w.Write(adapters.ErrorFrame(dialect, w.Header().Get("Content-Type"), e))
}
