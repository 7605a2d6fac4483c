package main

import (
	"context"
	"fmt"
	"time"
)

// publishWithin is how long a gateway that ends goes on publishing; what is left its next start publishes.
const publishWithin = 10 * time.Second

// writeWithin is how long the last frames may take to be written to clients, once the grace period is over.
const writeWithin = 5 * time.Second

// drain says that the gateway is not ready, refuses new requests, and lets those under way end within the grace period. Then it ends
// them itself, seals the journal, and publishes what is left for a while.
func (g *gateway) drain() error {
	g.draining.Store(true)
	g.server.BeginDrain()
	within := time.Duration(g.grace.Load())
	g.log.Info("draining", "grace", within)
	grace, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if err := g.server.Quiet(grace); err != nil {
		g.log.Warn("the grace period is over; the requests under way are ended")
	}
	// Each has its error frame and its settlement now; one whose client does not read is not waited for.
	last, cancelLast := context.WithTimeout(context.Background(), writeWithin)
	defer cancelLast()
	unread := context.AfterFunc(last, g.server.Close)
	_ = g.forwarder.Drain(grace)
	unread()
	_ = g.server.Shutdown(last)
	if err := g.journal.Seal(); err != nil {
		return fmt.Errorf("seal the journal: %w", err)
	}
	deadline := time.Now().Add(publishWithin)
	for g.journal.Stats().Unpublished > 0 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	if n := g.journal.Stats().Unpublished; n > 0 {
		g.log.Warn("events are left for the next start to publish", "events", n)
	}
	_ = g.admin.Close()
	return nil
}
