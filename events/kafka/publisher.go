package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
)

const (
	batchMessages = 1000
	batchTimeout  = time.Millisecond
	// DefaultBatchBytes stays below the 1 MiB that a broker takes by default.
	DefaultBatchBytes = 1_000_000
)

// PublisherOptions of a Publisher.
type PublisherOptions struct {
	Connection
	// BatchBytes bounds a batch and so a message, uncompressed.
	BatchBytes int
	// NoCompression sends without compression. Tests in a testing/synctest bubble may need it: kafka-go pools coders, which
	// must not leave the bubble they were made in.
	NoCompression bool
	Registerer    prometheus.Registerer
}

// Publisher sends to Kafka, and returns when all in-sync replicas have the messages or it is known that they may not. It
// does not try again: a caller does, with what is left. It is Watermill's message.Publisher and safe for concurrent use.
type Publisher struct {
	*Client
	writer     *kafka.Writer
	batchBytes int
	timeout    time.Duration
	metrics    publisherMetrics
}

var _ message.Publisher = (*Publisher)(nil)

// NewPublisher makes a publisher; it connects when it is first used.
func NewPublisher(o PublisherOptions) (*Publisher, error) {
	client, err := NewClient(o.Connection)
	if err != nil {
		return nil, err
	}
	if o.BatchBytes == 0 {
		o.BatchBytes = DefaultBatchBytes
	}
	compression := kafka.Snappy // zstd's coders hold megabytes a partition, in the process that serves requests
	if o.NoCompression {
		compression = 0
	}
	c := &client.connection
	return &Publisher{
		Client: client,
		writer: &kafka.Writer{
			Addr:         kafka.TCP(c.Brokers...),
			Transport:    client.transport,
			Balancer:     balancer{},
			RequiredAcks: kafka.RequireAll,
			MaxAttempts:  1,
			BatchSize:    batchMessages,
			BatchBytes:   int64(o.BatchBytes),
			BatchTimeout: batchTimeout,
			ReadTimeout:  c.Timeout,
			WriteTimeout: c.Timeout,
			Compression:  compression,
		},
		batchBytes: o.BatchBytes,
		timeout:    c.DialTimeout + 2*c.Timeout,
		metrics:    newPublisherMetrics(o.Registerer),
	}, nil
}

// Publish is PublishContext without a context of its own: it ends within about 25 s.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	return p.PublishContext(context.Background(), topic, messages...)
}

// PublishContext sends all messages at once. A nil error: Kafka has them all. A PublishErrors tells of each. A message
// that is too large keeps the others of its call from being sent. The order of messages with one key is theirs in the
// call, where all are acknowledged.
func (p *Publisher) PublishContext(ctx context.Context, topic string, messages ...*message.Message) error {
	if len(messages) == 0 {
		return nil
	}
	records, err := p.records(topic, messages)
	if err == nil {
		err = p.write(ctx, records)
	}
	p.metrics.count(len(messages), err)
	return err
}

// records are the messages for the wire; the error is a PublishErrors.
func (p *Publisher) records(topic string, messages []*message.Message) ([]kafka.Message, error) {
	records := make([]kafka.Message, len(messages))
	var errs PublishErrors
	fail := func(i int, err error) {
		if errs == nil {
			errs = all(len(messages), ErrNotSent)
		}
		errs[i] = err
	}
	for i, m := range messages {
		r, err := routeOf(m)
		if err != nil {
			fail(i, fmt.Errorf("message %s: %w", m.UUID, err))
			continue
		}
		records[i] = kafka.Message{Topic: topic, Value: m.Payload, Headers: headers(m), WriterData: r}
		if key, ok := m.Metadata[MetadataKey]; ok {
			records[i].Key = []byte(key)
		}
		if size := sizeOf(&records[i]); size > p.batchBytes {
			fail(i, fmt.Errorf("message %s: %w: %d bytes, of %d", m.UUID, ErrTooLarge, size, p.batchBytes))
		}
	}
	if errs != nil {
		return nil, errs
	}
	return records, nil
}

// sizeOf is at least what kafka-go counts a record as.
func sizeOf(m *kafka.Message) int {
	n := len(m.Key) + len(m.Value) + 64
	for _, h := range m.Headers {
		n += len(h.Key) + len(h.Value) + 16
	}
	return n
}

// write sends the records once. A topic that is new to us is looked for with fresh metadata; nothing is sent before it is
// found, so that looking twice sends nothing twice.
func (p *Publisher) write(ctx context.Context, records []kafka.Message) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	since := time.Now()
	err := p.writer.WriteMessages(ctx, records...)
	if errors.Is(err, kafka.UnknownTopicOrPartition) && !isWriteErrors(err) {
		p.refresh(since)
		since = time.Now()
		err = p.writer.WriteMessages(ctx, records...)
	}
	if err == nil {
		return nil
	}
	errs := publishErrors(len(records), err)
	for _, err := range errs {
		if isStale(err) {
			p.refresh(since)
			break
		}
	}
	return errs
}

func isWriteErrors(err error) bool {
	var each kafka.WriteErrors
	return errors.As(err, &each)
}

func publishErrors(n int, err error) PublishErrors {
	if errors.Is(err, io.ErrClosedPipe) {
		return all(n, ErrClosed)
	}
	var each kafka.WriteErrors
	if !errors.As(err, &each) || len(each) != n {
		return all(n, classify(err))
	}
	errs := make(PublishErrors, n)
	for i := range each {
		errs[i] = classify(each[i])
	}
	return errs
}

// Close waits for what is being sent, and closes the connections. It may be called again.
func (p *Publisher) Close() error {
	if err := p.writer.Close(); err != nil {
		return fmt.Errorf("kafka: close publisher: %w", err)
	}
	return p.Client.Close()
}
