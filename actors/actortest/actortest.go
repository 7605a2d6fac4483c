// Package actortest has what tests of the actors need: an invoker that follows a script, a recorder that keeps its facts, and a
// registry to aim at.
package actortest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// Call is what an attempt does.
type Call func(ctx context.Context, t *adapters.Target) (*adapters.ProviderResponse, error)

// Invoker runs a script: the n-th attempt does the n-th call, the last one for all that follow.
type Invoker struct {
	mu     sync.Mutex
	script []Call
	Seen   []string // registry/endpoint/model of each attempt
}

// NewInvoker makes an invoker that follows a script.
func NewInvoker(script ...Call) *Invoker { return &Invoker{script: script} }

// Invoke runs the next call.
func (v *Invoker) Invoke(ctx context.Context, t *adapters.Target, _ *adapters.RequestContext) (*adapters.ProviderResponse, error) {
	if err := t.Ticket.Redeem(); err != nil {
		panic(err)
	}
	v.mu.Lock()
	n := min(len(v.Seen), len(v.script)-1)
	v.Seen = append(v.Seen, t.Registry.Name+"/"+t.Endpoint.Name+"/"+t.SentModel)
	v.mu.Unlock()
	return v.script[n](ctx, t)
}

// InvokeStream runs the next call.
func (v *Invoker) InvokeStream(ctx context.Context, t *adapters.Target, req *adapters.RequestContext) (*adapters.ProviderResponse, error) {
	return v.Invoke(ctx, t, req)
}

// OK answers with a body.
func OK(_ context.Context, t *adapters.Target) (*adapters.ProviderResponse, error) {
	return &adapters.ProviderResponse{
		StatusCode: http.StatusOK, Outcome: adapters.OutcomeSuccess, Body: []byte("{}"), SentModel: t.SentModel,
		Usage: &events.Usage{InputTokens: 10, OutputTokens: 5}, Evidence: events.EvidenceReported,
	}, nil
}

// Status answers with an error.
func Status(status int, class events.ErrorClass, retryAfter time.Duration) Call {
	outcome := adapters.OutcomeRetryable
	if status < 500 && class == events.ErrorInvalidRequest {
		outcome = adapters.OutcomeTerminal
	}
	return func(context.Context, *adapters.Target) (*adapters.ProviderResponse, error) {
		return &adapters.ProviderResponse{
			StatusCode: status, Outcome: outcome, ErrorClass: class, RetryAfter: retryAfter,
			Body: fmt.Appendf(nil, `{"status":%d}`, status), Evidence: events.EvidenceNone,
		}, nil
	}
}

// Fail gives no answer at all.
func Fail(class events.ErrorClass, err error) Call {
	return func(context.Context, *adapters.Target) (*adapters.ProviderResponse, error) {
		return &adapters.ProviderResponse{Outcome: adapters.OutcomeRetryable, ErrorClass: class, Evidence: events.EvidenceNone}, err
	}
}

// Hang waits until the attempt is cancelled.
func Hang(ctx context.Context, _ *adapters.Target) (*adapters.ProviderResponse, error) {
	<-ctx.Done()
	return &adapters.ProviderResponse{WroteRequestAt: time.Now(), Evidence: events.EvidenceNone}, context.Cause(ctx)
}

// Panic does.
func Panic(context.Context, *adapters.Target) (*adapters.ProviderResponse, error) { panic("scripted") }

// Stream yields frames, the last of which ends it; broken is the error behind them, where there is one.
func Stream(frames []string, broken error) Call {
	return func(ctx context.Context, t *adapters.Target) (*adapters.ProviderResponse, error) {
		resp := &adapters.ProviderResponse{
			StatusCode: http.StatusOK, Outcome: adapters.OutcomeSuccess, SentModel: t.SentModel, Evidence: events.EvidenceEstimated,
			Usage: &events.Usage{InputTokens: 3}, FirstByteAt: time.Now(),
		}
		resp.Stream = func(yield func([]byte, error) bool) {
			for i, f := range frames {
				if ctx.Err() != nil {
					yield(nil, context.Cause(ctx))
					return
				}
				if broken == nil && i == len(frames)-1 {
					resp.Evidence = events.EvidenceReported
					resp.OnFinal()
				}
				if !yield([]byte(f), nil) {
					return
				}
			}
			if broken != nil {
				resp.Outcome, resp.ErrorClass = adapters.OutcomeRetryable, events.ErrorMalformedResponse
				yield(nil, broken)
			}
		}
		return resp, nil
	}
}

// Recorder keeps facts in memory and holds them to the rules: one settlement an attempt, one closing a request.
type Recorder struct {
	mu  sync.Mutex
	Err error // of Begin, Start and Refuse
	// StartErr is of Start alone: with events.ErrNotStarted, or without, where the attempt was begun and undone.
	StartErr error

	Begun   map[string]bool
	Started map[string]bool // attempt
	Settled map[string]*events.AttemptSettled
	Closed  map[string]*events.RequestClosed
	Notes   int
	Broken  []string
}

// NewRecorder makes an empty one.
func NewRecorder() *Recorder {
	return &Recorder{
		Begun: map[string]bool{}, Started: map[string]bool{},
		Settled: map[string]*events.AttemptSettled{}, Closed: map[string]*events.RequestClosed{},
	}
}

type ticket struct{ used bool }

func (t *ticket) Redeem() error {
	if t.used {
		return fmt.Errorf("used twice")
	}
	t.used = true
	return nil
}

func (r *Recorder) rule(ok bool, format string, args ...any) {
	if !ok {
		r.Broken = append(r.Broken, fmt.Sprintf(format, args...))
	}
}

// Begin keeps a first attempt.
func (r *Recorder) Begin(_ context.Context, a *events.Accept, s *events.Start) (events.Ticket, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Err != nil {
		return nil, r.Err
	}
	r.rule(!r.Begun[a.RequestID], "%s begun twice", a.RequestID)
	r.Begun[a.RequestID] = true
	r.Started[events.SettledEventID(s.RequestID, s.Attempt)] = true
	return &ticket{}, nil
}

// Start keeps a later attempt.
func (r *Recorder) Start(_ context.Context, s *events.Start) (events.Ticket, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := events.SettledEventID(s.RequestID, s.Attempt)
	if err := errors.Join(r.Err, r.StartErr); err != nil {
		if !errors.Is(err, events.ErrNotStarted) { // it was written, could not be kept, and is undone
			r.Started[id], r.Settled[id] = true, &events.AttemptSettled{}
		}
		return nil, err
	}
	r.rule(!r.Started[id], "%s started twice", id)
	r.Started[id] = true
	return &ticket{}, nil
}

// Refuse keeps a refusal.
func (r *Recorder) Refuse(a *events.Accept, c *events.RequestClosed) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Err != nil {
		return r.Err
	}
	r.rule(!r.Begun[a.RequestID], "%s refused after it was begun", a.RequestID)
	r.Begun[a.RequestID] = true
	r.close(c)
	return nil
}

// Note counts.
func (r *Recorder) Note(*events.Note) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Notes++
}

// Settle keeps a settlement.
func (r *Recorder) Settle(e *events.AttemptSettled) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settle(e)
}

func (r *Recorder) settle(e *events.AttemptSettled) {
	id := events.SettledEventID(e.RequestID, e.Attempt)
	r.rule(r.Started[id] && r.Settled[id] == nil, "%s settled without a start, or twice", id)
	r.Settled[id] = e
}

// Close keeps a closing.
func (r *Recorder) Close(c *events.RequestClosed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.close(c)
}

func (r *Recorder) close(c *events.RequestClosed) {
	r.rule(r.Begun[c.RequestID] && r.Closed[c.RequestID] == nil, "%s closed before it was begun, or twice", c.RequestID)
	started := 0
	for id := range r.Started {
		if strings.HasPrefix(id, c.RequestID+"/") {
			started++
		}
	}
	r.rule(int(c.Attempts) == started, "%s closed with %d attempts of %d", c.RequestID, c.Attempts, started)
	r.Closed[c.RequestID] = c
}

// SettleAndClose keeps both.
func (r *Recorder) SettleAndClose(e *events.AttemptSettled, c *events.RequestClosed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settle(e)
	r.close(c)
}

// Check returns what is broken now that all is over: rules, open attempts, open requests.
func (r *Recorder) Check() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	broken := append([]string(nil), r.Broken...)
	for id := range r.Started {
		if r.Settled[id] == nil {
			broken = append(broken, id+" was never settled")
		}
	}
	for id := range r.Begun {
		if r.Closed[id] == nil {
			broken = append(broken, id+" was never closed")
		}
	}
	return broken
}
