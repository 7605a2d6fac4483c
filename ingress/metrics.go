package ingress

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	refused *prometheus.CounterVec
	broken  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollhouse_refused_total", Help: "Requests answered with an error of the gateway's own, by its stable code.",
		}, []string{"code"}),
		broken: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tollhouse_broken_streams_total", Help: "Streams that ended with an error frame.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.refused, m.broken)
	}
	return m
}
