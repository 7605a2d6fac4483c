package eventstest

import (
	"net"
	"sync"
	"testing"

	"github.com/tollhouse/tollhouse/events/broker"
)

// Broker starts an embedded broker for a test, in its temporary folder, and returns the address. It ends with the test.
func Broker(t testing.TB) (addr string) {
	t.Helper()
	return NewBroker(t).Addr()
}

// Embedded is an embedded broker that a test can stop, start again on the same port, and make fail.
type Embedded struct {
	*broker.Broker // the running one; its Inject, CreateTopic and DeleteRecords are a test's levers

	t       testing.TB
	options broker.Options
	mu      sync.Mutex
	running bool
}

// NewBroker is Broker with a handle.
func NewBroker(t testing.TB) *Embedded {
	t.Helper()
	return NewBrokerWith(t, broker.Options{})
}

// NewBrokerWith is NewBroker with options; Dir and Listen are chosen here.
func NewBrokerWith(t testing.TB, o broker.Options) *Embedded {
	t.Helper()
	o.Dir, o.Listen = t.TempDir(), "127.0.0.1:0"
	b := &Embedded{t: t, options: o}
	b.Start()
	b.options.Listen = b.Addr()
	t.Cleanup(b.Stop)
	return b
}

// Start starts it again where it was.
func (b *Embedded) Start() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running {
		return
	}
	started, err := broker.Start(b.options)
	if err != nil {
		b.t.Fatalf("start the embedded broker: %v", err)
	}
	b.Broker, b.running = started, true
}

// Stop ends it in order; what it holds stays for the next Start.
func (b *Embedded) Stop() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.running {
		return
	}
	b.running = false
	if err := b.Close(); err != nil {
		b.t.Errorf("stop the embedded broker: %v", err)
	}
}

// Refused is an address on loopback where nothing listens.
func Refused(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
