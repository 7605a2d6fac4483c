// Package tracing follows requests as OpenTelemetry spans, sent by OTLP over HTTP, where the standard environment variables ask for it:
// a server span a request, which continues the client's trace, and under it a client span an attempt, by the GenAI semantic
// conventions. No span holds a prompt, an answer, a key or a label.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/tollhouse/tollhouse/actors"
)

// Options of Start.
type Options struct {
	Version    string // of this build
	InstanceID string // this gateway's id
	Logger     *slog.Logger
	Getenv     func(string) (string, bool)
}

// Tracing is what follows. It wraps ingress's handler, and is the actors' Tracer.
type Tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	names    propagation.TraceContext
}

var _ actors.Tracer = (*Tracing)(nil)

// scope is the name under which the spans are made.
const scope = "github.com/tollhouse/tollhouse"

// Start returns nil where the environment asks for no tracing: then nothing runs. The exporter, the sampler and the batches are set by
// the standard variables (OTEL_EXPORTER_OTLP_*, OTEL_TRACES_SAMPLER, OTEL_BSP_*, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES), which
// the SDK reads itself.
func Start(ctx context.Context, o Options) (*Tracing, error) {
	if asked, err := asked(o.Getenv); err != nil || !asked {
		return nil, err
	}
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(
			attribute.String("service.name", "tollhouse"),
			attribute.String("service.version", o.Version),
			attribute.String("service.instance.id", o.InstanceID),
		),
		resource.WithFromEnv(), // the last word is the operator's
	)
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_*: %w", err)
	}
	otel.SetErrorHandler(&complaints{log: o.Logger})
	t := &Tracing{provider: sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))}
	t.tracer = t.provider.Tracer(scope, trace.WithInstrumentationVersion(o.Version))
	return t, nil
}

// asked reads whether spans are wanted, and whether we can send them as they are wanted.
func asked(getenv func(string) (string, bool)) (bool, error) {
	value := func(name string) string { v, _ := getenv(name); return v }
	first := func(names ...string) string {
		for _, name := range names {
			if v := value(name); v != "" {
				return v
			}
		}
		return ""
	}
	if value("OTEL_SDK_DISABLED") == "true" || first("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT") == "" {
		return false, nil
	}
	switch exporter := value("OTEL_TRACES_EXPORTER"); exporter {
	case "", "otlp":
	case "none":
		return false, nil
	default:
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER: %q is not otlp or none", exporter)
	}
	switch protocol := first("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); protocol {
	case "", "http/protobuf":
		return true, nil
	default:
		return false, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL: %q is not http/protobuf", protocol)
	}
}

// Shutdown sends what is left, and ends.
func (t *Tracing) Shutdown(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// complaints of the SDK go to the log, one a minute: a collector that is away is no reason for a line every few seconds.
type complaints struct {
	log  *slog.Logger
	next atomic.Int64
}

// Handle logs an error.
func (c *complaints) Handle(err error) {
	now, next := time.Now().UnixNano(), c.next.Load()
	if now < next || !c.next.CompareAndSwap(next, now+int64(time.Minute)) || errors.Is(err, context.Canceled) {
		return
	}
	c.log.Warn("spans could not be sent", "err", err)
}
