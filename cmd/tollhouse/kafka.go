package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/cmd/tollhouse/config"
	"github.com/tollhouse/tollhouse/events"
	"github.com/tollhouse/tollhouse/events/kafka"
)

// kafkaConnection is the configured cluster.
func (p *part) kafkaConnection() kafka.Connection {
	k := p.cfg.Kafka
	c := kafka.Connection{Brokers: k.Brokers, ClientID: "tollhouse-" + p.cfg.Gateway.ID, Logger: p.log}
	if k.SASL.Mechanism != "" && k.SASL.Mechanism != "none" {
		c.SASL = &kafka.SASL{Mechanism: strings.ToUpper(k.SASL.Mechanism), Username: k.SASL.Username, Password: k.SASL.Password.Reveal()}
	}
	if k.TLS != (config.KafkaTLS{}) {
		t, err := kafkaTLS(k.TLS)
		if err != nil {
			p.log.Error("kafka.tls", "err", err)
		}
		c.TLS = t
	}
	return c
}

func kafkaTLS(k config.KafkaTLS) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if k.CA != "" {
		pem, err := os.ReadFile(k.CA)
		if err != nil {
			return t, err
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return t, errors.New("ca: no certificate in it")
		}
	}
	if k.Cert != "" {
		pair, err := tls.LoadX509KeyPair(k.Cert, k.Key)
		if err != nil {
			return t, err
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

func (p *part) topicName() string { return p.cfg.Kafka.Topic }

// retention of a topic that we make.
const retention = 30 * 24 * time.Hour

// topic waits for the topic of events, and makes it where the configuration says how many partitions it has. Kafka may be away for
// as long as it likes.
func (p *part) topic(ctx context.Context, client *kafka.Client) error {
	for backoff := 200 * time.Millisecond; ; backoff = min(2*backoff, 5*time.Second) {
		err := p.makeTopics(ctx, client)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		p.log.Warn("kafka cannot be reached, or has no topic; trying again", "err", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(backoff):
		}
	}
}

func (p *part) makeTopics(ctx context.Context, client *kafka.Client) error {
	k := p.cfg.Kafka
	if k.Partitions == 0 {
		_, err := client.Partitions(ctx, k.Topic)
		return err
	}
	for _, spec := range []kafka.TopicSpec{
		{Name: k.Topic, Partitions: k.Partitions, Replication: max(k.Replication, 1), Retention: retention},
		{Name: events.DeadLetterTopic, Partitions: 1, Replication: max(k.Replication, 1), Retention: -1},
	} {
		if _, err := client.EnsureTopic(ctx, spec); err != nil {
			return fmt.Errorf("topic %s: %w", spec.Name, err)
		}
	}
	return nil
}
