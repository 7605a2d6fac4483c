package sink

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	stored, failures, rejected prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, lag func() float64) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		stored:   counter("tollhouse_sink_stored_total", "Records stored."),
		failures: counter("tollhouse_sink_failures_total", "Steps that were tried again."),
		rejected: counter("tollhouse_sink_rejected_total", "Records that went to the dead-letter topic."),
	}
	if reg != nil {
		reg.MustRegister(m.stored, m.failures, m.rejected, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tollhouse_sink_lag", Help: "Records in Kafka that are not stored yet, over the assigned partitions.",
		}, lag))
	}
	return m
}
