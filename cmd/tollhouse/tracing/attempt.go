package tracing

import (
	"context"
	"net"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// providerNames are the conventions' names of our providers; any other is its own.
var providerNames = map[string]string{
	"gemini": "gcp.gemini", "vertex": "gcp.vertex_ai", "bedrock": "aws.bedrock", "azure": "azure.ai.openai", "mistral": "mistral_ai", "xai": "x_ai",
}

func providerName(kind string) string {
	if name := providerNames[kind]; name != "" {
		return name
	}
	return kind
}

// Attempt begins an attempt's span under the request's, and names it for the upstream.
func (t *Tracing) Attempt(ctx context.Context, req *adapters.RequestContext, target *adapters.Target, s *events.Start) actors.AttemptTrace {
	operation := string(req.Operation)
	ctx, span := t.tracer.Start(ctx, operation+" "+s.SentModel, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(s.StartedAt),
		trace.WithAttributes(
			attribute.String("gen_ai.operation.name", operation),
			attribute.String("gen_ai.provider.name", providerName(s.Provider)),
			attribute.String("gen_ai.request.model", s.SentModel),
			attribute.String("tollhouse.request_id", s.RequestID),
			attribute.Int("tollhouse.attempt", int(s.Attempt)),
			attribute.String("tollhouse.registry", s.Registry),
			attribute.String("tollhouse.endpoint", s.Endpoint),
		))
	if s.OutputLimit > 0 {
		span.SetAttributes(attribute.Int64("gen_ai.request.max_tokens", int64(s.OutputLimit)))
	}
	carried := propagation.MapCarrier{}
	t.names.Inject(ctx, carried)
	target.Traceparent, target.Tracestate = carried["traceparent"], carried["tracestate"]
	return attempt{span}
}

// attempt is one attempt's span.
type attempt struct{ span trace.Span }

// Settled says what came of the attempt, and ends its span when the attempt ended.
func (a attempt) Settled(e *events.AttemptSettled, host string) {
	defer a.span.End(trace.WithTimestamp(e.FinishedAt))
	if !a.span.IsRecording() {
		return
	}
	a.span.SetAttributes(
		attribute.String("tollhouse.outcome", string(e.Outcome)),
		attribute.String("tollhouse.usage_evidence", string(e.UsageEvidence)),
	)
	a.server(host)
	a.response(e)
	if e.UsageEvidence != events.EvidenceNone {
		a.usage(&e.Usage)
	}
	switch {
	case e.Outcome == events.AttemptCancelled: // held against nobody
		a.span.SetAttributes(attribute.String("error.type", string(e.Outcome)))
	case e.ErrorClass != "":
		a.span.SetAttributes(attribute.String("error.type", string(e.ErrorClass)))
		a.span.SetStatus(codes.Error, "")
	}
}

func (a attempt) server(address string) {
	if address == "" {
		return
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	a.span.SetAttributes(attribute.String("server.address", host))
	if n, err := strconv.Atoi(port); err == nil {
		a.span.SetAttributes(attribute.Int("server.port", n))
	}
}

func (a attempt) response(e *events.AttemptSettled) {
	if e.Status != 0 {
		a.span.SetAttributes(attribute.Int("http.response.status_code", int(e.Status)))
	}
	for name, value := range map[string]string{"gen_ai.response.model": e.Model, "gen_ai.response.id": e.ResponseID} {
		if value != "" {
			a.span.SetAttributes(attribute.String(name, value))
		}
	}
	if e.FinishReason != "" {
		a.span.SetAttributes(attribute.StringSlice("gen_ai.response.finish_reasons", []string{string(e.FinishReason)}))
	}
	if e.Stream && !e.FirstByteAt.IsZero() {
		a.span.SetAttributes(attribute.Float64("gen_ai.response.time_to_first_chunk", e.FirstByteAt.Sub(e.StartedAt).Seconds()))
	}
}

// usage gives the totals, which include their parts as the conventions have it, and the parts that there are.
func (a attempt) usage(u *events.Usage) {
	a.span.SetAttributes(
		attribute.Int64("gen_ai.usage.input_tokens", int64(u.InputTokens)), attribute.Int64("gen_ai.usage.output_tokens", int64(u.OutputTokens)),
	)
	for name, n := range map[string]uint64{
		"gen_ai.usage.cache_read.input_tokens": u.CacheReadTokens, "gen_ai.usage.cache_creation.input_tokens": u.CacheWriteTokens,
		"gen_ai.usage.reasoning.output_tokens": u.ReasoningTokens,
	} {
		if n > 0 {
			a.span.SetAttributes(attribute.Int64(name, int64(n)))
		}
	}
}
