package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/tollhouse/tollhouse/analytics/prices"
	"github.com/tollhouse/tollhouse/analytics/schema"
	"github.com/tollhouse/tollhouse/analytics/sink"
	"github.com/tollhouse/tollhouse/events/kafka"
)

// sinkCmd runs the sink alone.
type sinkCmd struct{}

func (*sinkCmd) Run(ctx context.Context, c *cli, env environment) error {
	p, err := c.newPart(env)
	if err != nil {
		return err
	}
	switch {
	case p.cfg.Kafka == nil:
		return useError{errors.New("kafka.brokers: must be given; `tollhouse up` brings a broker of its own")}
	case p.cfg.ClickHouse == nil:
		return useError{errors.New("clickhouse.dsn: must be given; `tollhouse up` brings an engine of its own")}
	}
	return ended(ctx, p.runSink(ctx))
}

// sinkGroup is the consumer group that all sinks of one installation share.
const sinkGroup = "tollhouse.sink"

// runSink stores what Kafka has until ctx ends. What is not stored then comes again.
func (p *part) runSink(ctx context.Context) error {
	catalogue, err := prices.Load(p.cfg.Prices.File)
	if err != nil {
		return useError{fmt.Errorf("prices.file: %w", err)}
	}
	conn, err := p.openWarehouse(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	letters, err := kafka.NewPublisher(kafka.PublisherOptions{Connection: p.kafkaConnection()})
	if err != nil {
		return useError{err}
	}
	defer letters.Close()
	if err := p.topic(ctx, letters.Client); err != nil {
		return err
	}
	s := sink.New(sink.Options{
		Store: sink.ClickHouse{Conn: conn}, Log: letters, DeadLetters: letters, Catalogue: catalogue, Topic: p.topicName(),
		Position: position, Logger: p.log, Registerer: p.reg,
	})
	subscriber, err := kafka.NewSubscriber(kafka.SubscriberOptions{
		Connection: p.kafkaConnection(), Group: sinkGroup, MaxUnacked: 50_000, OnAssign: s.Assign,
	})
	if err != nil {
		return useError{err}
	}
	defer subscriber.Close()
	messages, err := subscriber.Subscribe(ctx, p.topicName())
	if err != nil {
		return err
	}
	p.log.Info("the sink stores", "topic", p.topicName())
	return s.Run(ctx, messages)
}

// position reads where a message stands.
func position(m *message.Message) (partition int, offset int64, recorded time.Time, highWater int64, ok bool) {
	at, ok := kafka.PositionOf(m)
	return at.Partition, at.Offset, at.Time.UTC(), at.HighWatermark, ok
}

// openWarehouse connects to ClickHouse, waits until it is there, and brings its tables to this version.
func (p *part) openWarehouse(ctx context.Context) (driver.Conn, error) {
	options, err := clickhouse.ParseDSN(p.cfg.ClickHouse.DSN.Reveal())
	if err != nil {
		return nil, useError{fmt.Errorf("clickhouse.dsn: %w", errors.New(strings.ReplaceAll(err.Error(), p.cfg.ClickHouse.DSN.Reveal(), "[secret]")))}
	}
	database := options.Auth.Database
	options.DialTimeout = 10 * time.Second
	for backoff := 200 * time.Millisecond; ; backoff = min(2*backoff, 5*time.Second) {
		conn, err := connectWarehouse(ctx, *options, database)
		if err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		p.log.Warn("clickhouse cannot be reached; trying again", "err", err)
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(backoff):
		}
	}
}

// connectWarehouse makes the database where it is not there: it must exist before a connection can name it.
func connectWarehouse(ctx context.Context, options clickhouse.Options, database string) (driver.Conn, error) {
	first := options
	first.Auth.Database = "default"
	admin, err := clickhouse.Open(&first)
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	if err := schema.Create(ctx, admin, database); err != nil {
		return nil, err
	}
	conn, err := clickhouse.Open(&options)
	if err != nil {
		return nil, err
	}
	if err := schema.Migrate(ctx, conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}
