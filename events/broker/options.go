package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Defaults of Options.
const (
	DefaultListen         = "127.0.0.1:9092"
	DefaultRetention      = 30 * 24 * time.Hour
	DefaultRetentionBytes = 1 << 30 // a partition
	// segmentBytes is the unit in which retention gives disk space back.
	segmentBytes = 32 << 20
	// retentionInterval is how often it does.
	retentionInterval = 10 * time.Minute
	// maxRequestBytes is what one request may measure; it is Kafka's own default.
	maxRequestBytes = 100 << 20
)

// Options of a broker. The zero value of everything but Dir and Logger has a default.
type Options struct {
	// Dir holds topics, offsets and groups, and the LOCK that keeps a second process out.
	// Empty: all is in memory and ends with the broker.
	Dir string
	// Listen is the one host:port to listen on, and to be known by; port 0 takes any free one, which then changes with
	// each start. The host must be one that clients can dial: 0.0.0.0 is refused.
	Listen string
	// Retention and RetentionBytes (of one partition) bound what a topic keeps that was created without limits of its own.
	Retention      time.Duration
	RetentionBytes int64
	// Topics are created at start where they are missing; existing ones get this start's limits.
	Topics []Topic
	// NoSync leaves writes to the page cache: what is acknowledged survives the process, but not the machine.
	NoSync bool
	// Users, when there are any, are the only ones who get in (SASL). TLS encrypts.
	Users []User
	TLS   *tls.Config

	Logger *slog.Logger
	// Ready is called once with the address, when requests are answered.
	Ready func(addr string)
	// Network, when set, is used instead of the machine's; NewMemoryNetwork makes one for testing/synctest.
	Network Network
}

// Network is where a broker listens and its clients dial.
type Network interface {
	Listen(network, address string) (net.Listener, error)
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// NewMemoryNetwork makes a network without sockets: everything on it waits durably in the sense of testing/synctest, so
// that hours of broker trouble pass in milliseconds. Its one host is 127.0.0.1.
func NewMemoryNetwork() Network { return new(kfake.VirtualNetwork) }

// Topic is one to create.
type Topic struct {
	Name       string
	Partitions int // default 1
}

// User may do everything. Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
type User struct {
	Mechanism, Name, Password string
}

// withDefaults fills in what is zero, and checks the rest.
func (o Options) withDefaults() (Options, error) {
	if o.Listen == "" {
		o.Listen = DefaultListen
	}
	if o.Retention == 0 {
		o.Retention = DefaultRetention
	}
	if o.RetentionBytes == 0 {
		o.RetentionBytes = DefaultRetentionBytes
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, o.validate()
}

func (o *Options) validate() error {
	var errs []error
	host, _, err := net.SplitHostPort(o.Listen)
	switch ip := net.ParseIP(host); {
	case err != nil:
		errs = append(errs, fmt.Errorf("listen %q: %w", o.Listen, err))
	case host == "", ip != nil && ip.IsUnspecified():
		errs = append(errs, fmt.Errorf("listen %q: needs a host that clients can dial, since the broker names itself by it", o.Listen))
	}
	if o.Retention < 0 || o.RetentionBytes < 0 {
		errs = append(errs, errors.New("retention: must not be negative"))
	}
	for _, t := range o.Topics {
		if t.Name == "" || t.Partitions < 0 {
			errs = append(errs, fmt.Errorf("topic %q with %d partitions: needs a name and no negative count", t.Name, t.Partitions))
		}
	}
	return errors.Join(errs...)
}
