package eventstest

import (
	"net"
	"testing"
)

// TestEmbedded stops an embedded broker and starts it again at the same address.
func TestEmbedded(t *testing.T) {
	b := NewBroker(t)
	addr := b.Addr()
	dial(t, addr)
	b.Stop()
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Fatal("a stopped broker accepts connections")
	}
	b.Start()
	if b.Addr() != addr {
		t.Fatalf("started again at %s, was at %s", b.Addr(), addr)
	}
	dial(t, addr)
}

// TestKafka starts the real one; both calls share it.
func TestKafka(t *testing.T) {
	addr := Kafka(t)
	dial(t, addr)
	if again := Kafka(t); again != addr {
		t.Fatalf("a second broker at %s", again)
	}
}

func dial(t *testing.T, addr string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
