package tracing

import (
	"context"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tollhouse/tollhouse/events"
)

// Handler follows every request that next answers, from its header to its last byte.
func (t *Tracing) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := t.names.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := t.tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
			attribute.String("http.request.method", r.Method),
			attribute.String("url.scheme", scheme(r)),
			attribute.String("url.path", r.URL.Path),
		))
		seen := &answer{ResponseWriter: w}
		defer func() {
			answered(span, r, seen)
			span.End()
		}()
		next.ServeHTTP(seen, r.WithContext(ctx))
	})
}

// Closed says on the request's span what became of it.
func (t *Tracing) Closed(ctx context.Context, c *events.RequestClosed) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(
		attribute.String("tollhouse.request_id", c.RequestID),
		attribute.String("tollhouse.consumer", c.Consumer),
		attribute.String("tollhouse.dialect", c.Dialect),
		attribute.String("tollhouse.outcome", string(c.Outcome)),
		attribute.Int("tollhouse.attempts", int(c.Attempts)),
		attribute.String("gen_ai.request.model", c.RequestedModel),
	)
	if c.ErrorCode != "" {
		failed(span, c.ErrorCode, c.Outcome == events.RequestFailed && c.Status >= http.StatusInternalServerError)
	}
}

// answered says on the request's span what its client got.
func answered(span trace.Span, r *http.Request, a *answer) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	span.SetAttributes(attribute.Int("http.response.status_code", a.status))
	code := a.Header().Get("X-Tollhouse-Error")
	if code != "" {
		failed(span, code, a.status >= http.StatusInternalServerError)
	}
	if code != "route_not_found" && code != "method_not_allowed" {
		route := routeOf(r)
		span.SetAttributes(attribute.String("http.route", route))
		span.SetName(r.Method + " " + route)
	}
}

// failed names an error on a span. A request that is wrong is the client's error, and not the server span's.
func failed(span trace.Span, class string, ours bool) {
	span.SetAttributes(attribute.String("error.type", class))
	if ours {
		span.SetStatus(codes.Error, "")
	}
}

// routeOf is the path without the model that stands in it.
func routeOf(r *http.Request) string {
	for _, base := range []string{"/models/", "/model/"} {
		before, model, ok := strings.Cut(r.URL.Path, base)
		if !ok {
			continue
		}
		method := ""
		if end := strings.LastIndexAny(model, ":/"); end >= 0 && r.Method == http.MethodPost {
			method = model[end:]
		}
		return before + base + "{model}" + method
	}
	return r.URL.Path
}

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// answer keeps the status that is sent through it.
type answer struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the first status that is final.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController, by which ingress flushes and sets deadlines.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
