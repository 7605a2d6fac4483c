package actors

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollhouse/tollhouse/events"
)

type metrics struct {
	requests *prometheus.CounterVec
	attempts *prometheus.CounterVec
	tokens   *prometheus.CounterVec
	overhead prometheus.Histogram
	first    prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, f *Forwarder) *metrics {
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
	reg.MustRegister(m.requests, m.attempts, m.tokens, m.overhead, m.first, endpointMetrics{f})
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

// endpointMetrics are the gauges of the endpoints that there are: a reload adds some and takes others away.
type endpointMetrics struct{ f *Forwarder }

var (
	inFlightDesc  = prometheus.NewDesc("tollhouse_endpoint_in_flight", "Permits given out.", []string{"registry", "endpoint"}, nil)
	refusedDesc   = prometheus.NewDesc("tollhouse_endpoint_refused_models", "Models that the endpoint is not asked for now: limited, or failing.", []string{"registry", "endpoint"}, nil)
	waitingDesc   = prometheus.NewDesc("tollhouse_registry_waiting", "Requests that wait for a permit.", []string{"registry"}, nil)
	availableDesc = prometheus.NewDesc("tollhouse_endpoint_available", "1 where the endpoint takes requests.", []string{"registry", "endpoint"}, nil)
)

// Describe names the gauges.
func (endpointMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- inFlightDesc
	out <- availableDesc
	out <- refusedDesc
	out <- waitingDesc
}

// Collect reads what the endpoints publish. One that a reload changed runs twice under its name until the last request of before has
// ended: their permits are added up, and it is available where the new one is.
func (c endpointMetrics) Collect(out chan<- prometheus.Metric) {
	type name struct{ registry, endpoint string }
	inFlight, available, refused, waiting := map[name]int{}, map[name]float64{}, map[name]int{}, map[string]int64{}
	c.f.mu.Lock()
	for _, a := range c.f.endpoints {
		inFlight[name{a.registry, a.endpoint}] += a.status.Load().InFlight
	}
	if g := c.f.current.Load(); g != nil {
		for r, a := range g.registries {
			waiting[r.Name] = a.waiting.Load()
			for _, e := range r.Endpoints {
				now, status := c.f.o.Now(), c.f.endpoints[e].status.Load()
				free := 0.0
				if status.Serves(now) {
					free = 1
				}
				available[name{r.Name, e.Name}], refused[name{r.Name, e.Name}] = free, status.RefusedModels(now)
			}
		}
	}
	c.f.mu.Unlock()
	for n, v := range inFlight {
		out <- prometheus.MustNewConstMetric(inFlightDesc, prometheus.GaugeValue, float64(v), n.registry, n.endpoint)
	}
	for registry, v := range waiting {
		out <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(v), registry)
	}
	for n, v := range refused {
		out <- prometheus.MustNewConstMetric(refusedDesc, prometheus.GaugeValue, float64(v), n.registry, n.endpoint)
	}
	for n, v := range available {
		out <- prometheus.MustNewConstMetric(availableDesc, prometheus.GaugeValue, v, n.registry, n.endpoint)
	}
}
