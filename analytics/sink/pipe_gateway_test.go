package sink

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/tollhouse/tollhouse/events"
	"github.com/tollhouse/tollhouse/events/journal"
	"github.com/tollhouse/tollhouse/events/journal/journaltest"
	"github.com/tollhouse/tollhouse/events/kafka"
	"github.com/tollhouse/tollhouse/events/relay"
)

// gatewayLife is one process of the gateway, from its start to its death.
type gatewayLife struct {
	process   *journaltest.Process
	line      *line
	journal   *journal.Journal
	publisher *kafka.Publisher
	cancel    context.CancelFunc
	done      chan struct{}
	open      []*simRequest
}

// simRequest is a request under way.
type simRequest struct {
	accept  *events.Accept
	start   *events.Start // nil between two attempts
	attempt uint16
}

// startGateway starts a process that dies in one of its first changes to the disk, if operations is not 0.
func (p *pipe) startGateway(operations int) {
	g := &gatewayLife{line: &line{network: p.network}, done: make(chan struct{})}
	g.process = p.disk.NewProcess(operations, func() { g.line.cut(true) })
	boot := strconv.Itoa(p.boot)
	skew := time.Duration(0)
	if !p.calm.Load() && p.r.IntN(4) == 0 { // clocks are not always right
		skew = time.Duration(p.r.IntN(7200)-3600) * time.Second
	}
	j, err := journal.Open(journal.Options{
		Dir: "/j", GatewayID: gateway, SegmentBytes: 256 << 10, MaxBytes: 8 << 20, Sync: p.c.level, FS: g.process,
		Logger: slog.New(traceLog{p, "journal"}),
		BootID: func() (string, error) { return boot, nil }, Now: func() time.Time { return time.Now().Add(skew) },
	})
	if err != nil {
		if !g.process.Dead() {
			p.problem("open the journal: %v", err)
		}
		p.log("gateway dies while it starts")
		return
	}
	p.log("gateway starts, epoch %d, clock %v off, dies in %d", j.Epoch(), skew, operations)
	g.journal = j
	g.publisher = p.publisher(g.line)
	r := relay.New(relay.Options{
		Journal: watchedJournal{j, p}, Publisher: shakyPublisher{g.publisher, p}, GatewayID: gateway, Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	g.cancel = cancel
	go func() {
		defer close(g.done)
		if err := r.Run(ctx); ctx.Err() == nil && !g.process.Dead() {
			p.problem("the relay ended: %v", err)
		}
	}()
	p.gateway = g
}

func (p *pipe) connection(l *line) kafka.Connection {
	return kafka.Connection{Brokers: []string{pipeAddr}, Dial: l.dial}
}

func (p *pipe) publisher(l *line) *kafka.Publisher {
	publisher, err := kafka.NewPublisher(kafka.PublisherOptions{Connection: p.connection(l), NoCompression: true})
	if err != nil {
		p.t.Fatal(err)
	}
	return publisher
}

// killGateway ends the process where it stands: its disk and its network first, so that nothing it still does has an effect.
func (p *pipe) killGateway() {
	if p.gateway == nil {
		return
	}
	p.gateway.process.Kill()
	p.gateway.line.cut(true)
	p.reapGateway()
}

// reapGateway waits until a dead process's goroutines have run out.
func (p *pipe) reapGateway() {
	g := p.gateway
	p.gateway = nil
	p.log("gateway is dead, %d requests open", len(g.open))
	g.cancel()
	<-g.done
	_ = g.journal.Stop() // nothing of it reaches the disk
	_ = g.publisher.Close()
}

// restartGateway kills it, now or in the middle of something soon, and starts it again; now and then the machine loses power.
func (p *pipe) restartGateway() {
	p.killGateway()
	if p.c.power && p.r.IntN(2) == 0 {
		p.log("gateway's machine loses power")
		p.disk.PowerLoss()
		p.boot++
	}
	operations := 0
	if p.r.IntN(2) == 0 {
		operations = 1 + p.r.IntN(1+p.r.IntN(150))
	}
	for p.startGateway(operations); p.gateway == nil; { // it died while it started
		p.startGateway(p.r.IntN(2) * (1 + p.r.IntN(100)))
	}
}

// work does one step of one request.
func (p *pipe) work() {
	g := p.gateway
	if g == nil {
		p.startGateway(0)
		return
	}
	if len(g.open) == 0 || len(g.open) < 5 && p.r.IntN(2) == 0 {
		p.begin(g)
		return
	}
	i := p.r.IntN(len(g.open))
	r := g.open[i]
	now := time.Now()
	switch x := p.r.IntN(10); {
	case r.start == nil:
		r.attempt++
		start := p.books.start(r.accept.RequestID, r.attempt, now)
		if _, err := g.journal.Start(context.Background(), start); err != nil {
			return // it stays between two attempts
		}
		p.books.ticket(start)
		r.start = start
	case x < 2:
		g.journal.Note(&events.Note{RequestID: r.accept.RequestID, Attempt: r.attempt, At: now, FirstByteAt: now, Status: 200})
	case x < 4 && r.attempt < 3:
		g.journal.Settle(p.books.settlement(r, events.AttemptRetryable, now))
		r.start = nil
	default:
		p.finish(g, i)
	}
}

func (p *pipe) begin(g *gatewayLife) {
	accept, start := p.books.request(time.Now())
	if p.r.IntN(10) == 0 {
		closed := &events.RequestClosed{Status: 403, Outcome: events.RequestFailed, ErrorCode: "policy", ClosedAt: time.Now()}
		_ = g.journal.Refuse(accept, closed)
		return
	}
	if _, err := g.journal.Begin(context.Background(), accept, start); err != nil {
		if !errors.Is(err, events.ErrAccountingUnavailable) {
			p.problem("begin: %v", err)
		}
		return
	}
	p.books.ticket(start)
	g.open = append(g.open, &simRequest{accept: accept, start: start, attempt: 1})
}

// finish settles a request's attempt and closes it, together or one after the other.
func (p *pipe) finish(g *gatewayLife, i int) {
	r := g.open[i]
	g.open = slices.Delete(g.open, i, i+1)
	now := time.Now()
	closed := &events.RequestClosed{
		Accept: *r.accept, Status: 200, Outcome: events.RequestSuccess, Attempts: r.attempt, WinningAttempt: r.attempt, ClosedAt: now,
		Considered: []events.Considered{{Attempt: r.attempt, Registry: "r", Endpoint: "e", Reason: events.Chosen, Score: 7}},
	}
	if r.start == nil { // between two attempts
		closed.Outcome, closed.WinningAttempt, closed.Status = events.RequestFailed, 0, 502
		g.journal.Close(closed)
		return
	}
	if settled := p.books.settlement(r, events.AttemptSuccess, now); p.r.IntN(2) == 0 {
		g.journal.SettleAndClose(settled, closed)
	} else {
		g.journal.Settle(settled)
		if p.r.IntN(3) == 0 {
			time.Sleep(time.Duration(p.r.IntN(20)) * time.Millisecond) // it may die in between
		}
		g.journal.Close(closed)
	}
}

func (p *pipe) finishAll() {
	for len(p.gateway.open) > 0 {
		p.finish(p.gateway, 0)
	}
}
