package journal

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	ignored     prometheus.Counter
	torn        prometheus.Counter
	unaccounted prometheus.Counter
}

func newMetrics() metrics {
	return metrics{
		ignored: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tollhouse_journal_ignored_total", Help: "Settlements and closings of what was settled or closed before.",
		}),
		torn: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tollhouse_journal_torn_bytes_total", Help: "Bytes of torn records found when the journal was opened.",
		}),
		unaccounted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tollhouse_unaccounted", Help: "Requests served without records since the start, by journal.when_full: serve.",
		}),
	}
}

func (m *metrics) register(reg prometheus.Registerer, j *Journal) {
	gauge := func(name, help string, value func(Stats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(j.Stats()) })
	}
	reg.MustRegister(m.ignored, m.torn, m.unaccounted,
		gauge("tollhouse_journal_open_attempts", "Attempts started and not settled.", func(s Stats) float64 { return float64(s.OpenAttempts) }),
		gauge("tollhouse_journal_bytes", "Bytes of the journal, used and reserved.", func(s Stats) float64 { return float64(s.Bytes) }),
		gauge("tollhouse_events_unpublished", "Events that Kafka has not acknowledged yet.", func(s Stats) float64 { return float64(s.Unpublished) }),
	)
}
