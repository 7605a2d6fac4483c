package actors

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollhouse/tollhouse/actors/health"
	"github.com/tollhouse/tollhouse/events"
)

// endpointGauge is where an endpoint publishes its state.
type endpointGauge struct {
	registry, endpoint string
	status             *atomic.Pointer[health.Status]
}

type metrics struct {
	requests *prometheus.CounterVec
	attempts *prometheus.CounterVec
	tokens   *prometheus.CounterVec
	overhead prometheus.Histogram
	first    prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, endpoints []endpointGauge) *metrics {
	seconds := []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .05, .25, 1}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollhouse_requests_total", Help: "Closed requests.",
		}, []string{"dialect", "outcome"}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollhouse_attempts_total", Help: "Settled attempts.",
		}, []string{"registry", "outcome"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollhouse_tokens_total", Help: "Tokens by kind; input and output are inclusive totals.",
		}, []string{"kind"}),
		overhead: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tollhouse_gateway_overhead_seconds", Help: "From a request's arrival to the first byte upstream.", Buckets: seconds,
		}),
		first: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tollhouse_time_to_first_token_seconds", Help: "From an attempt's start to the first byte of its stream.",
			Buckets: []float64{.05, .1, .2, .5, 1, 2, 5, 10, 30, 60},
		}),
	}
	if reg == nil {
		return m
	}
	reg.MustRegister(m.requests, m.attempts, m.tokens, m.overhead, m.first)
	for _, e := range endpoints {
		labels := prometheus.Labels{"registry": e.registry, "endpoint": e.endpoint}
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tollhouse_endpoint_in_flight", Help: "Permits given out.", ConstLabels: labels,
		}, func() float64 { return float64(e.status.Load().InFlight) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tollhouse_endpoint_available", Help: "1 where the endpoint takes requests.", ConstLabels: labels,
		}, func() float64 {
			if e.status.Load().Available(time.Now()) {
				return 1
			}
			return 0
		}))
	}
	return m
}

func (m *metrics) closed(c *events.RequestClosed) {
	m.requests.WithLabelValues(c.Dialect, string(c.Outcome)).Inc()
	if c.Attempts > 0 {
		m.overhead.Observe(float64(c.GatewayOverheadUS) / 1e6)
	}
}

func (m *metrics) settled(e *events.AttemptSettled) {
	m.attempts.WithLabelValues(e.Registry, string(e.Outcome)).Inc()
	if e.Usage.InputTokens > 0 {
		m.tokens.WithLabelValues("input").Add(float64(e.Usage.InputTokens))
	}
	if e.Usage.OutputTokens > 0 {
		m.tokens.WithLabelValues("output").Add(float64(e.Usage.OutputTokens))
	}
	if e.Usage.CacheReadTokens > 0 {
		m.tokens.WithLabelValues("cache_read").Add(float64(e.Usage.CacheReadTokens))
	}
	if e.Usage.ReasoningTokens > 0 {
		m.tokens.WithLabelValues("reasoning").Add(float64(e.Usage.ReasoningTokens))
	}
	if e.Stream && !e.FirstByteAt.IsZero() {
		m.first.Observe(e.FirstByteAt.Sub(e.StartedAt).Seconds())
	}
}
