package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
)

// What a caller may act on.
var (
	// ErrTooLarge: the message, or the batch it went in, is larger than the broker or the Publisher takes.
	ErrTooLarge = errors.New("message too large")
	// ErrNotSent: the message was held back since another one of its call could not be sent.
	ErrNotSent = errors.New("not sent")
	// ErrNoTopic: the cluster does not know the topic.
	ErrNoTopic = errors.New("no such topic")
	// ErrOffsetOutOfRange: the partition does not hold the offset, before its start or behind its end.
	ErrOffsetOutOfRange = errors.New("offset out of range")
	// ErrClosed: the Publisher or Subscriber is closed.
	ErrClosed = errors.New("closed")
)

// errOtherLog: where the record stood that was read last, there is another one.
var errOtherLog = errors.New("the topic was made anew")

// errNothing: the broker says that there are records, and answers with none.
var errNothing = errors.New("no records, although the log does not end there")

// PublishErrors tells for each message of a Publish, by its index, whether Kafka has acknowledged it: nil if so. A timeout
// counts as a failure, although the record may be, or may yet come, in the log.
type PublishErrors []error

// Error says how many failed and why the first did.
func (e PublishErrors) Error() string {
	failed, first := 0, error(nil)
	for _, err := range e {
		if err == nil {
			continue
		}
		failed++
		if first == nil || errors.Is(first, ErrNotSent) {
			first = err
		}
	}
	return fmt.Sprintf("publish: %d of %d messages are not acknowledged: %v", failed, len(e), first)
}

// Failed returns the errors, one a message.
func (e PublishErrors) Failed() []error { return e }

// Unwrap lets errors.Is look into each.
func (e PublishErrors) Unwrap() []error {
	var errs []error
	for _, err := range e {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// TooLarge says whether size is what is wrong, for callers that do not import this package.
func (e PublishErrors) TooLarge() bool { return errors.Is(e, ErrTooLarge) }

// all is the error of n messages that share a fate.
func all(n int, err error) PublishErrors {
	errs := make(PublishErrors, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// classify adds our words to kafka-go's error.
func classify(err error) error {
	var tooLarge kafka.MessageTooLargeError
	switch {
	case err == nil, errors.Is(err, ErrTooLarge), errors.Is(err, ErrNoTopic), errors.Is(err, ErrOffsetOutOfRange):
		return err
	case errors.Is(err, kafka.MessageSizeTooLarge), errors.Is(err, kafka.RecordListTooLarge), errors.As(err, &tooLarge):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case errors.Is(err, kafka.UnknownTopicOrPartition):
		return fmt.Errorf("%w: %w", ErrNoTopic, err)
	case errors.Is(err, kafka.OffsetOutOfRange):
		return fmt.Errorf("%w: %w", ErrOffsetOutOfRange, err)
	}
	return err
}

// isStale says whether more recent metadata, or new connections, may cure an error.
func isStale(err error) bool {
	var code kafka.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return false
	case !errors.As(err, &code): // of the network, or of kafka-go's own picture of the cluster
		return true
	}
	switch code {
	case kafka.UnknownTopicOrPartition, kafka.NotLeaderForPartition, kafka.LeaderNotAvailable, kafka.BrokerNotAvailable,
		kafka.ReplicaNotAvailable, kafka.NetworkException, kafka.KafkaStorageError, kafka.FencedLeaderEpoch:
		return true
	}
	return false
}
