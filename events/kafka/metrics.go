package kafka

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type publisherMetrics struct {
	acknowledged, failed prometheus.Counter
}

func newPublisherMetrics(reg prometheus.Registerer) publisherMetrics {
	return publisherMetrics{
		acknowledged: counter(reg, "tollhouse_kafka_acknowledged_total", "Messages that Kafka has acknowledged."),
		failed:       counter(reg, "tollhouse_kafka_unacknowledged_total", "Messages sent without an acknowledgement; they are sent again."),
	}
}

func (m *publisherMetrics) count(messages int, err error) {
	var each PublishErrors
	failed := 0
	if errors.As(err, &each) {
		failed = len(each.Unwrap())
	}
	m.failed.Add(float64(failed))
	m.acknowledged.Add(float64(messages - failed))
}

type subscriberMetrics struct {
	received, nacked, errors, resets, generations prometheus.Counter
}

func newSubscriberMetrics(reg prometheus.Registerer) subscriberMetrics {
	return subscriberMetrics{
		received:    counter(reg, "tollhouse_kafka_received_total", "Messages handed out, repeated ones among them."),
		nacked:      counter(reg, "tollhouse_kafka_nacked_total", "Messages refused by their handler and handed out again."),
		errors:      counter(reg, "tollhouse_kafka_read_errors_total", "Requests of subscriptions that failed; they are made again."),
		resets:      counter(reg, "tollhouse_kafka_offset_resets_total", "Partitions whose log did not hold the offset that was to be read."),
		generations: counter(reg, "tollhouse_kafka_generations_total", "Consumer group generations taken part in."),
	}
}

// counter registers a counter, or finds the one that another Publisher or Subscriber of the process has registered.
func counter(reg prometheus.Registerer, name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	if reg == nil {
		return c
	}
	var there prometheus.AlreadyRegisteredError
	if err := reg.Register(c); errors.As(err, &there) {
		if existing, ok := there.ExistingCollector.(prometheus.Counter); ok {
			return existing
		}
	}
	return c
}
