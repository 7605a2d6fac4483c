package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
)

// Connection says how to reach a Kafka cluster.
type Connection struct {
	Brokers  []string // host:port; one that answers is enough
	ClientID string   // default "tollhouse"
	TLS      *tls.Config
	SASL     *SASL
	// DialTimeout bounds a connection's making, TLS and SASL included; default 5 s.
	DialTimeout time.Duration
	// Timeout bounds one request and its answer; default 10 s.
	Timeout time.Duration
	// MetadataTTL is how old the knowledge of topics, partitions and leaders may be; default 3 s. It is renewed at once
	// after an error that more recent knowledge may cure.
	MetadataTTL time.Duration
	// Dial replaces the machine's network; a test passes an in-memory one's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	Logger *slog.Logger
}

func (c Connection) withDefaults() (Connection, error) {
	if c.ClientID == "" {
		c.ClientID = "tollhouse"
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = 5 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.MetadataTTL == 0 {
		c.MetadataTTL = 3 * time.Second
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: c.DialTimeout}).DialContext
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, c.Validate()
}

// Validate returns all that is wrong with the connection's settings.
func (c *Connection) Validate() error {
	var errs []error
	if len(c.Brokers) == 0 {
		errs = append(errs, errors.New("brokers: at least one is needed"))
	}
	for _, broker := range c.Brokers {
		if _, _, err := net.SplitHostPort(broker); err != nil {
			errs = append(errs, fmt.Errorf("brokers: %q: needs host:port", broker))
		}
	}
	if c.SASL != nil {
		errs = append(errs, c.SASL.Validate())
	}
	return errors.Join(errs...)
}

func (c *Connection) transport() (*kafka.Transport, error) {
	mechanism, err := c.mechanism()
	if err != nil {
		return nil, err
	}
	return &kafka.Transport{
		Dial: c.Dial, DialTimeout: c.DialTimeout, MetadataTTL: c.MetadataTTL,
		ClientID: c.ClientID, TLS: c.TLS, SASL: mechanism,
	}, nil
}

func (c *Connection) dialer(dial func(ctx context.Context, network, address string) (net.Conn, error)) (*kafka.Dialer, error) {
	mechanism, err := c.mechanism()
	if err != nil {
		return nil, err
	}
	return &kafka.Dialer{
		ClientID: c.ClientID, DialFunc: dial, Timeout: c.DialTimeout, TLS: c.TLS, SASLMechanism: mechanism,
	}, nil
}

func (c *Connection) mechanism() (sasl.Mechanism, error) {
	if c.SASL == nil {
		return nil, nil
	}
	return c.SASL.mechanism()
}
