// Package transport sends one request: never twice, never redirected, and never without a ticket.
package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// Ticket is what permits one call; see events.Ticket.
type Ticket interface{ Redeem() error }

// Errors of a call.
var (
	ErrNoTicket       = errors.New("no byte goes upstream without a ticket")
	ErrConnectTimeout = errors.New("timeout while connecting")
)

// Transport makes calls over a pool of connections.
type Transport struct{ pool http.RoundTripper }

type connectKey struct{}

// New makes a transport with a pool of its own. It takes no proxy from the environment, asks for no compression, and keeps
// idle connections as a gateway needs them: many to few hosts.
func New() *Transport {
	dialer := &net.Dialer{KeepAlive: 30 * time.Second}
	return &Transport{pool: &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if d, ok := ctx.Value(connectKey{}).(time.Duration); ok && d > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(ctx, d, ErrConnectTimeout)
				defer cancel()
			}
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil && errors.Is(context.Cause(ctx), ErrConnectTimeout) {
				return nil, ErrConnectTimeout
			}
			return conn, err
		},
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    1024,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
	}}
}

// Over makes a transport over another round tripper, for providers that answer without a network.
func Over(pool http.RoundTripper) *Transport { return &Transport{pool: pool} }

// Call sends req once. connect bounds the making of a connection; 0: the request's context alone does.
//
// GetBody is taken away, Idempotency-Key is not sent, and what has no body gets an empty one: else net/http would send the request, or a
// GET, again by itself when a reused connection dies, and one attempt is one request on the wire.
func (t *Transport) Call(req *http.Request, ticket Ticket, connect time.Duration) (*http.Response, error) {
	if ticket == nil {
		return nil, ErrNoTicket
	}
	if err := ticket.Redeem(); err != nil {
		return nil, errors.Join(ErrNoTicket, err)
	}
	req.GetBody = nil
	if req.Method == http.MethodGet && (req.Body == nil || req.Body == http.NoBody) {
		req.Body = nothing{}
	}
	req.Header.Del("Idempotency-Key")
	req.Header.Del("X-Idempotency-Key")
	if connect > 0 {
		req = req.WithContext(context.WithValue(req.Context(), connectKey{}, connect))
	}
	return t.pool.RoundTrip(req)
}

// nothing is a body that net/http cannot know to be empty.
type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, io.EOF }
func (nothing) Close() error             { return nil }

// CloseIdle closes the connections that nobody uses.
func (t *Transport) CloseIdle() {
	if c, ok := t.pool.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
