package relay

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	published prometheus.Counter
	failures  prometheus.Counter
	stalled   prometheus.Gauge
	sealed    prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		published: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tollhouse_relay_published_total", Help: "Records that Kafka has acknowledged.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tollhouse_relay_failures_total", Help: "Attempts to publish that Kafka did not take.",
		}),
		stalled: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tollhouse_relay_stalled", Help: "1 while a record is too large for the broker; its name is in the log.",
		}),
	}
	m.sealed = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tollhouse_relay_epochs_total", Help: "Epochs that Kafka has to their end.",
	})
	if reg != nil {
		reg.MustRegister(m.published, m.failures, m.stalled, m.sealed)
	}
	return m
}
