// Package ingress is the HTTP side that clients see: routes, keys, bodies, errors in each client's own dialect, and streams. It is
// the only package that knows Echo, which is a handler inside our own http.Server.
package ingress

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
)

// Forwarder takes the whole decision for one request; *actors.Forwarder is one.
type Forwarder interface {
	Forward(ctx context.Context, in actors.ForwardInput) (*actors.ForwardResult, error)
}

// Options of a server; zero limits and timeouts are the defaults.
type Options struct {
	Settings

	GatewayID  string
	Forwarder  Forwarder
	Snapshot   func() *routing.Snapshot
	Set        *adapters.Set
	Ready      func() error // nil while new work is taken
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
	TLS        *tls.Config
	Wrap       func(http.Handler) http.Handler // around all that answers, but for the probes; nil: nothing
	Header     time.Duration                   // to read a request's header; 10 s
	Idle       time.Duration                   // of a connection between two requests; 120 s
}

// Settings are what may be changed while the server runs.
type Settings struct {
	Models []string // names that globs in model lists are matched with
	CORS   []string // origins that browsers may call from

	MaxBody     int64         // of a request, inflated; 32 MiB
	MaxInFlight int           // 10,000
	MaxLabels   int           // 16, the consumer's among them
	Body        time.Duration // to read its body; 60 s
	Write       time.Duration // for one write to a client; 30 s
}

func (o *Options) fill() {
	if o.Header == 0 {
		o.Header = 10 * time.Second
	}
	if o.Idle == 0 {
		o.Idle = 120 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
}

func (c *Settings) fill() {
	if c.Body == 0 {
		c.Body = 60 * time.Second
	}
	if c.Write == 0 {
		c.Write = 30 * time.Second
	}
	if c.MaxBody == 0 {
		c.MaxBody = 32 << 20
	}
	if c.MaxInFlight == 0 {
		c.MaxInFlight = 10_000
	}
	if c.MaxLabels == 0 {
		c.MaxLabels = 16
	}
}

// Server serves clients.
type Server struct {
	o        Options
	settings atomic.Pointer[Settings]
	http     *http.Server
	metrics  *metrics
	inFlight atomic.Int64
	draining atomic.Bool
	quiet    chan struct{} // a token when nothing is in flight, while draining
}

// maxHeaderBytes bounds a request's header.
const maxHeaderBytes = 64 << 10

// NewServer makes a server; Serve runs it.
func NewServer(o Options) *Server {
	o.fill()
	s := &Server{o: o, metrics: newMetrics(o.Registerer), quiet: make(chan struct{}, 1)}
	s.Configure(o.Settings)
	s.http = &http.Server{
		Handler: s.handler(), TLSConfig: o.TLS, ReadHeaderTimeout: o.Header, IdleTimeout: o.Idle, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug), Protocols: protocols(),
		// No WriteTimeout: it would cut a stream at its deadline. Each write has its own.
	}
	return s
}

// Configure changes the settings, for what is read by them from now on.
func (s *Server) Configure(c Settings) {
	c.fill()
	s.settings.Store(&c)
}

// protocols are HTTP/1.1 and HTTP/2, the latter also without TLS: AWS's SDK for JavaScript speaks nothing else to Bedrock's runtime.
func protocols() *http.Protocols {
	p := &http.Protocols{}
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// Serve answers until Shutdown.
func (s *Server) Serve(ln net.Listener) error {
	var err error
	if s.o.TLS != nil {
		err = s.http.ServeTLS(ln, "", "")
	} else {
		err = s.http.Serve(ln)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Handler returns what answers, for tests.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// BeginDrain refuses new requests from now on, with shutting_down, and says so in /readyz. It goes on listening: who has not heard
// yet gets an answer that may be tried elsewhere.
func (s *Server) BeginDrain() { s.draining.Store(true) }

// Quiet waits, after BeginDrain, until no request is under way, also none whose body is still coming, or ctx ends.
func (s *Server) Quiet(ctx context.Context) error {
	for s.inFlight.Load() > 0 {
		select {
		case <-s.quiet:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Shutdown stops listening, waits for the requests under way until ctx ends, and then closes their connections.
func (s *Server) Shutdown(ctx context.Context) error {
	s.BeginDrain()
	err := s.http.Shutdown(ctx)
	if err != nil {
		_ = s.http.Close()
	}
	return err
}

// Close closes every connection under what is written to it.
func (s *Server) Close() { _ = s.http.Close() }

// left counts a request out.
func (s *Server) left() {
	if s.inFlight.Add(-1) == 0 && s.draining.Load() {
		select {
		case s.quiet <- struct{}{}:
		default:
		}
	}
}

// handler is the outermost: liveness, which nobody follows; then all else.
func (s *Server) handler() http.Handler {
	answers := s.answers()
	if s.o.Wrap != nil {
		answers = s.o.Wrap(answers)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/livez":
			_, _ = w.Write([]byte("ok\n"))
		case "/readyz":
			s.readyz(w)
		default:
			answers.ServeHTTP(w, r)
		}
	})
}

// answers is the limit, the drain, and panics; then the routes.
func (s *Server) answers() http.Handler {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	s.routes(e)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.left()
		defer s.recovered(w, r)
		s.limitBody(w, r)
		switch {
		case s.inFlight.Add(1) > int64(s.settings.Load().MaxInFlight):
			s.refuse(w, r, &adapters.Error{Code: adapters.CodeOverloaded, Message: "too many requests are under way", RetryAfter: time.Second})
		case s.draining.Load():
			w.Header().Set("Connection", "close")
			s.refuse(w, r, &adapters.Error{Code: adapters.CodeShuttingDown, Message: "the gateway is shutting down", RetryAfter: time.Second})
		case s.cors(w, r):
		default:
			e.ServeHTTP(w, r)
		}
	})
}

func (s *Server) readyz(w http.ResponseWriter) {
	err := s.o.Ready()
	if s.draining.Load() {
		err = errors.New("shutting down")
	}
	if err != nil {
		http.Error(w, "not ready", http.StatusServiceUnavailable) // why is for the admin address
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

// recovered turns a panic into this request's error and nobody else's.
func (s *Server) recovered(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	s.o.Logger.Error("a handler panicked", "path", r.URL.Path, "panic", p)
	s.fail(w, r, adapters.Errorf(adapters.CodeInternal, "the gateway could not handle the request"))
}
