package sim

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/events"
)

// Books is a Recorder that holds what it is given to the rules of the books, and remembers nothing of a request that is closed but that it was:
// one settlement an attempt, one closing a request.
type Books struct {
	mu    sync.Mutex
	watch *Watch
	open  map[string]*entry // by request
	done  map[string]bool   // requests that are closed
	// Attempts and Requests are how many were settled and closed.
	Attempts, Requests int
}

// entry is one open request: which of its attempts are open, and how many there were.
type entry struct {
	running map[uint16]bool
	started int
}

var _ actors.Recorder = (*Books)(nil)

func newBooks(w *Watch) *Books {
	return &Books{watch: w, open: map[string]*entry{}, done: map[string]bool{}}
}

type ticket struct{ used bool }

var errUsed = errors.New("it was used before")

// Redeem takes the ticket, once.
func (t *ticket) Redeem() error {
	if t.used {
		return errUsed
	}
	t.used = true
	return nil
}

func (b *Books) rule(ok bool, format string, args ...any) {
	if !ok {
		b.watch.broken(format, args...)
	}
}

func (b *Books) begin(id string) {
	b.rule(b.open[id] == nil && !b.done[id], "%s is begun twice", id)
	b.open[id] = &entry{running: map[uint16]bool{}}
}

// Begin keeps a first attempt.
func (b *Books) Begin(_ context.Context, a *events.Accept, s *events.Start) (events.Ticket, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begin(a.RequestID)
	b.start(s)
	return &ticket{}, nil
}

// Start keeps a later attempt.
func (b *Books) Start(_ context.Context, s *events.Start) (events.Ticket, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.start(s)
	return &ticket{}, nil
}

func (b *Books) start(s *events.Start) {
	e := b.open[s.RequestID]
	if e == nil {
		b.rule(false, "%s/%d starts for a request that is not open", s.RequestID, s.Attempt)
		return
	}
	b.rule(int(s.Attempt) == e.started+1, "%s/%d starts after %d", s.RequestID, s.Attempt, e.started)
	e.started++
	e.running[s.Attempt] = true
}

// Refuse keeps a refusal.
func (b *Books) Refuse(a *events.Accept, c *events.RequestClosed) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begin(a.RequestID)
	b.close(c)
	return nil
}

// Note holds a note to its attempt's being open.
func (b *Books) Note(n *events.Note) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.open[n.RequestID]
	b.rule(e != nil && e.running[n.Attempt], "%s/%d is noted and not open", n.RequestID, n.Attempt)
}

// Settle closes an attempt.
func (b *Books) Settle(e *events.AttemptSettled) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settle(e)
}

func (b *Books) settle(s *events.AttemptSettled) {
	e := b.open[s.RequestID]
	if e == nil || !e.running[s.Attempt] {
		b.rule(false, "%s/%d is settled and not open", s.RequestID, s.Attempt)
		return
	}
	delete(e.running, s.Attempt)
	b.Attempts++
	b.watch.settled(time.Now(), s)
}

// Close closes a request.
func (b *Books) Close(c *events.RequestClosed) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.close(c)
}

func (b *Books) close(c *events.RequestClosed) {
	e := b.open[c.RequestID]
	if e == nil {
		b.rule(false, "%s is closed and not open", c.RequestID)
		return
	}
	b.rule(len(e.running) == 0, "%s is closed with %d attempts open", c.RequestID, len(e.running))
	b.rule(int(c.Attempts) == e.started, "%s is closed with %d attempts of %d", c.RequestID, c.Attempts, e.started)
	delete(b.open, c.RequestID)
	b.done[c.RequestID] = true
	b.Requests++
	b.watch.closes(c)
}

// SettleAndClose does both.
func (b *Books) SettleAndClose(e *events.AttemptSettled, c *events.RequestClosed) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settle(e)
	b.close(c)
}

// over holds the books to being closed, now that all is over.
func (b *Books) over() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range b.open {
		b.rule(false, "%s is never closed", id)
	}
}
