package broker

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// listen opens the listener on the host of Options; the cluster knows only 127.0.0.1.
func (b *Broker) listen(network, _ string) (net.Listener, error) {
	open := net.Listen
	if b.options.Network != nil {
		open = b.options.Network.Listen
	}
	ln, err := open(network, b.options.Listen)
	if err != nil {
		return nil, err
	}
	if b.options.TLS != nil {
		ln = tls.NewListener(ln, b.options.TLS)
	}
	return guardedListener{ln}, nil
}

// guardedListener hands out connections that end at the first bytes that no Kafka client sends: the cluster would take
// the first four bytes of anything (of an HTTP request, say) as a length and allocate it, and panics at an unknown API key.
type guardedListener struct{ net.Listener }

func (l guardedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &guardedConn{Conn: conn}, nil
}

// guardedConn follows the framing of what it reads: a length of four bytes, then a request that starts with its API key.
type guardedConn struct {
	net.Conn
	head [6]byte // length and API key of the request that is coming in
	seen int     // bytes of it
	rest int     // bytes of the request behind head
}

func (c *guardedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if bad := c.follow(p[:n]); bad != nil {
		_ = c.Close()
		return 0, bad
	}
	return n, err
}

func (c *guardedConn) follow(p []byte) error {
	for len(p) > 0 {
		if c.rest > 0 {
			skipped := min(c.rest, len(p))
			c.rest -= skipped
			p = p[skipped:]
			continue
		}
		copied := copy(c.head[c.seen:], p)
		c.seen += copied
		p = p[copied:]
		if c.seen >= 4 {
			if size := binary.BigEndian.Uint32(c.head[:4]); size < 2 || size > maxRequestBytes {
				return fmt.Errorf("broker: a request of %d bytes is not Kafka's", size)
			}
		}
		if c.seen < len(c.head) {
			continue
		}
		if key := int16(binary.BigEndian.Uint16(c.head[4:])); kmsg.RequestForKey(key) == nil {
			return fmt.Errorf("broker: unknown api key %d", key)
		}
		c.rest = int(binary.BigEndian.Uint32(c.head[:4])) - 2
		c.seen = 0
	}
	return nil
}

// logger passes on what the cluster says. Its info lines tell every request, which is debugging to us.
type logger struct{ *slog.Logger }

func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	to := slog.LevelDebug
	switch level {
	case kfake.LogLevelError:
		to = slog.LevelError
	case kfake.LogLevelWarn:
		to = slog.LevelWarn
	}
	if l.Enabled(context.Background(), to) {
		l.Log(context.Background(), to, "broker: "+fmt.Sprintf(format, args...))
	}
}
