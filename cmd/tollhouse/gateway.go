package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/actors/sessions"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/all"
	"github.com/tollhouse/tollhouse/cmd/tollhouse/tracing"
	"github.com/tollhouse/tollhouse/events/journal"
	"github.com/tollhouse/tollhouse/events/kafka"
	"github.com/tollhouse/tollhouse/events/relay"
	"github.com/tollhouse/tollhouse/ingress"
	"github.com/tollhouse/tollhouse/ingress/admin"
)

// gatewayCmd runs the gateway against a Kafka.
type gatewayCmd struct{}

func (*gatewayCmd) Run(ctx context.Context, c *cli, env environment) error {
	p, err := c.newPart(env)
	if err != nil {
		return err
	}
	if p.cfg.Kafka == nil {
		return useError{errors.New("kafka.brokers: must be given; `tollhouse up` brings a broker of its own")}
	}
	ready := func() error { return nil }
	return ended(ctx, p.runGateway(ctx, ready))
}

// gateway is the running parts of one.
type gateway struct {
	*part
	journal   *journal.Journal
	publisher *kafka.Publisher
	invoker   *adapters.Invoker
	sessions  *sessions.Store
	forwarder *actors.Forwarder
	server    *ingress.Server
	tracing   *tracing.Tracing // nil: nobody follows
	admin     *http.Server
	listener  net.Listener
	adminAt   net.Listener
	othersOK  func() error // of what else runs in this process
	draining  atomic.Bool

	set         *adapters.Set
	snapshot    atomic.Pointer[routing.Snapshot] // that keys are looked up in
	certificate atomic.Pointer[tls.Certificate]
	grace       atomic.Int64
	reloader    *reloader
}

// runGateway serves until ctx ends, and then drains: requests first, then the journal, then what Kafka does not have yet.
func (p *part) runGateway(ctx context.Context, othersOK func() error) error {
	g := &gateway{part: p, othersOK: othersOK}
	defer g.close()
	if err := g.build(); err != nil {
		return err
	}
	run, stop := errgroup.WithContext(context.WithoutCancel(ctx))
	relayCtx, stopRelay := context.WithCancel(stop)
	defer stopRelay()
	reloadCtx, stopReloads := context.WithCancel(stop)
	defer stopReloads()
	run.Go(func() error { return g.reloader.run(reloadCtx) })
	run.Go(func() error { return ended(relayCtx, g.relay(relayCtx)) })
	run.Go(func() error { return g.server.Serve(g.listener) })
	run.Go(func() error {
		if err := g.admin.Serve(g.adminAt); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	run.Go(func() error {
		select {
		case <-ctx.Done():
		case <-stop.Done():
		}
		stopReloads()
		defer stopRelay()
		return g.drain()
	})
	g.announce("admin", "http://"+g.adminAt.Addr().String())
	g.announce("gateway", g.url())
	return run.Wait()
}

func (g *gateway) url() string {
	scheme := "http://"
	if g.cfg.Gateway.TLS.Cert != "" {
		scheme = "https://"
	}
	return scheme + g.listener.Addr().String()
}

// heapGrowth is Go's GOGC for a gateway, unless the environment sets one: its live heap is small, and at the default a collection
// comes every few hundred requests.
const heapGrowth = 200

// build makes everything, and serves nothing yet.
func (g *gateway) build() (err error) {
	if _, set := g.env.getenv("GOGC"); !set {
		debug.SetGCPercent(heapGrowth)
	}
	if g.set, err = all.Set(); err != nil {
		return err
	}
	first, err := prepare(g.cfg, g.set, nil)
	if err != nil {
		return useError{err}
	}
	if g.publisher, err = kafka.NewPublisher(kafka.PublisherOptions{Connection: g.kafkaConnection(), Registerer: g.reg}); err != nil {
		return useError{err}
	}
	// The journal comes last of what can fail by configuration: opening it begins an epoch.
	if g.listener, err = net.Listen("tcp", g.cfg.Gateway.Listen); err != nil {
		return fmt.Errorf("gateway.listen: %w", err)
	}
	if g.adminAt, err = net.Listen("tcp", g.cfg.Gateway.Admin); err != nil {
		return fmt.Errorf("gateway.admin: %w", err)
	}
	g.journal, err = journal.Open(journal.Options{
		Dir: filepath.Join(g.cfg.DataDir, "journal"), GatewayID: g.cfg.Gateway.ID, Version: version(),
		Sync: journal.Sync(g.cfg.Journal.Sync), MaxBytes: int64(g.cfg.Journal.MaxBytes), WhenFull: journal.WhenFull(g.cfg.Journal.WhenFull),
		Logger: g.log, Registerer: g.reg,
	})
	if err != nil {
		return err
	}
	if g.sessions, err = sessions.Open(sessions.Options{Dir: filepath.Join(g.cfg.DataDir, "sessions")}); err != nil {
		return err
	}
	if g.tracing, err = tracing.Start(context.Background(), tracing.Options{
		Version: version(), InstanceID: g.cfg.Gateway.ID, Logger: g.log, Getenv: g.env.getenv,
	}); err != nil { // an environment is often set for many programs at once: what does not fit us is no reason not to serve
		g.log.Error("requests are not traced", "err", err)
	}
	g.invoker = adapters.NewProviderInvoker(adapters.InvokerOptions{})
	deciding := actors.Options{Snapshot: first.snapshot, Invoker: g.invoker, Recorder: g.journal, Sessions: g.sessions, Logger: g.log, Registerer: g.reg}
	if g.tracing != nil {
		deciding.Tracer = g.tracing
	}
	if g.forwarder, err = actors.NewForwarder(deciding); err != nil {
		return useError{err}
	}
	g.server = ingress.NewServer(g.ingressOptions())
	if err := g.use(first); err != nil {
		return err
	}
	g.reloader = newReloader(g)
	g.admin = &http.Server{
		Handler: admin.Handler(admin.Options{
			Version: version(), Ready: g.ready, Gather: g.reg, Config: g.reloader.Status, Key: g.cfg.Gateway.AdminKey.Reveal(),
		}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	return nil
}

func (g *gateway) ingressOptions() ingress.Options {
	o := ingress.Options{
		GatewayID: g.cfg.Gateway.ID, Forwarder: g.forwarder, Snapshot: g.snapshot.Load, Set: g.set,
		Ready: g.ready, Logger: g.log, Registerer: g.reg,
		Header: g.cfg.Gateway.Timeouts.Header.Duration(), Idle: g.cfg.Gateway.Timeouts.Idle.Duration(),
	}
	if g.tracing != nil {
		o.Wrap = g.tracing.Handler
	}
	if g.cfg.Gateway.TLS.Cert != "" {
		o.TLS = &tls.Config{
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return g.certificate.Load(), nil },
			MinVersion:     tls.VersionTLS12,
		}
	}
	return o
}

// errDraining refuses a reload: the gateway ends.
var errDraining = errors.New("the gateway is shutting down")

// use takes a configuration into use, for the requests that come from now on. The error changes nothing.
func (g *gateway) use(p *prepared) error {
	if err := g.forwarder.Reload(p.snapshot); errors.Is(err, adapters.ErrShutdown) {
		return errDraining
	} else if err != nil {
		return err
	}
	g.snapshot.Store(p.snapshot)
	c, l := &p.cfg.Gateway, &p.cfg.Limits
	g.server.Configure(ingress.Settings{
		Models: p.catalogue.Models(), CORS: c.CORS, MaxBody: int64(l.RequestBody), MaxInFlight: l.InFlight, MaxLabels: l.Labels,
		Body: c.Timeouts.Body.Duration(), Write: c.Timeouts.Write.Duration(),
	})
	g.invoker.Limit(int64(l.ResponseBody), int(l.StreamEvent))
	g.certificate.Store(p.certificate)
	g.grace.Store(int64(c.Grace))
	g.level.Set(p.cfg.Log.SlogLevel())
	return nil
}

// ready is nil while new work is taken. Neither Kafka nor ClickHouse is needed for that.
func (g *gateway) ready() error {
	if g.draining.Load() {
		return errors.New("shutting down")
	}
	if err := g.journal.Healthy(); err != nil {
		return err
	}
	return g.othersOK()
}

// relay publishes what the journal holds, from the moment that there is a topic.
func (g *gateway) relay(ctx context.Context) error {
	if err := g.topic(ctx, g.publisher.Client); err != nil {
		return err
	}
	findings, err := g.publisher.CheckTopic(ctx, g.topicName())
	if err != nil && ctx.Err() == nil {
		g.log.Warn("the topic's settings could not be read", "err", err)
	}
	for _, f := range findings {
		g.log.Error("the topic is not set as the books need it", "topic", g.topicName(), "setting", f.String())
	}
	return relay.New(relay.Options{
		Journal: g.journal, Publisher: g.publisher, Topic: g.topicName(), GatewayID: g.cfg.Gateway.ID, Logger: g.log, Registerer: g.reg,
	}).Run(ctx)
}

func (g *gateway) close() {
	for _, ln := range []net.Listener{g.listener, g.adminAt} {
		if ln != nil {
			_ = ln.Close()
		}
	}
	if g.journal != nil {
		if err := g.journal.Stop(); err != nil {
			g.log.Error("the journal did not end well", "err", err)
		}
	}
	if g.publisher != nil {
		_ = g.publisher.Close()
	}
	if g.sessions != nil {
		if err := g.sessions.Close(); err != nil {
			g.log.Error("who keeps which response was not written to the end", "err", err)
		}
	}
	if g.invoker != nil {
		g.invoker.Close()
	}
	if g.tracing != nil {
		last, cancel := context.WithTimeout(context.Background(), writeWithin)
		defer cancel()
		_ = g.tracing.Shutdown(last)
	}
}
