package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// Client asks a cluster about topics and reads single partitions. Publisher and Subscriber are Clients too.
type Client struct {
	connection Connection
	transport  *kafka.Transport
	kafka      *kafka.Client

	mu        sync.Mutex
	refreshed time.Time
}

// NewClient makes a client; it connects when it is first used.
func NewClient(c Connection) (*Client, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	transport, err := c.transport()
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return &Client{
		connection: c,
		transport:  transport,
		kafka:      &kafka.Client{Addr: kafka.TCP(c.Brokers...), Transport: transport, Timeout: c.Timeout},
	}, nil
}

// Close closes the connections; one that waits for an answer closes when it comes.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// refresh drops what is known of the cluster and the connections to it, if that has not happened since.
func (c *Client) refresh(since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refreshed.After(since) {
		return
	}
	c.refreshed = time.Now()
	c.transport.CloseIdleConnections() // the next request asks for metadata first
}

// Refresh forgets what is known of the cluster: what is asked next is asked of it, not of what was known within MetadataTTL.
func (c *Client) Refresh() { c.refresh(time.Now()) }

// bounded gives a request its timeout.
func (c *Client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.connection.DialTimeout+c.connection.Timeout)
}

// try does a request, and once more with fresh metadata where that may help.
func (c *Client) try(ctx context.Context, request func(context.Context) error) error {
	for second := false; ; second = true {
		since := time.Now()
		err := c.attempt(ctx, request)
		if !isStale(err) {
			return err
		}
		c.refresh(since)
		if second || ctx.Err() != nil {
			return err
		}
	}
}

func (c *Client) attempt(ctx context.Context, request func(context.Context) error) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	return classify(request(ctx))
}

// Partitions lists a topic's partitions in order, as known within MetadataTTL; ErrNoTopic if there is none.
func (c *Client) Partitions(ctx context.Context, topic string) ([]int, error) {
	t, err := c.topic(ctx, topic)
	if err != nil {
		return nil, err
	}
	ids := make([]int, len(t.Partitions))
	for i, p := range t.Partitions {
		ids[i] = p.ID
	}
	return ids, nil
}

func (c *Client) topic(ctx context.Context, name string) (found kafka.Topic, err error) {
	err = c.try(ctx, func(ctx context.Context) error {
		response, err := c.kafka.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{name}})
		if err != nil {
			return err
		}
		for _, t := range response.Topics {
			if t.Name == name {
				found = t
				return t.Error
			}
		}
		return kafka.UnknownTopicOrPartition
	})
	if err != nil {
		return found, fmt.Errorf("kafka: partitions of %s: %w", name, err)
	}
	return found, nil
}

// Offsets returns the first offset that a partition holds, and the next that it will assign.
func (c *Client) Offsets(ctx context.Context, topic string, partition int) (first, next int64, err error) {
	err = c.try(ctx, func(ctx context.Context) error {
		response, err := c.kafka.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
			topic: {kafka.FirstOffsetOf(partition), kafka.LastOffsetOf(partition)},
		}})
		if err != nil {
			return err
		}
		for _, p := range response.Topics[topic] {
			if p.Partition != partition {
				continue
			}
			if p.Error == nil && (p.FirstOffset < 0 || p.LastOffset < 0) {
				return errors.New("the broker's answer is incomplete")
			}
			first, next = p.FirstOffset, p.LastOffset
			return p.Error
		}
		return kafka.UnknownTopicOrPartition
	})
	if err != nil {
		return 0, 0, fmt.Errorf("kafka: offsets of %s/%d: %w", topic, partition, err)
	}
	return first, next, nil
}
