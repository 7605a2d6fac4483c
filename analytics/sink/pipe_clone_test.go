package sink

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/tollhouse/tollhouse/events"
	"github.com/tollhouse/tollhouse/events/journal"
	"github.com/tollhouse/tollhouse/events/relay"
)

// clone runs a second gateway from an image of the first one's disk, as from a copied machine: it settles as abandoned what was open
// when the image was taken, and gives out numbers that the first one gives to other facts.
func (p *pipe) clone() {
	if p.cloned != nil || p.gateway == nil || len(p.gateway.open) < 2 || p.broker == nil {
		return
	}
	image := p.disk.Clone(rand.New(rand.NewPCG(1, 1)))
	j, err := journal.Open(journal.Options{
		Dir: "/j", GatewayID: gateway, SegmentBytes: 256 << 10, MaxBytes: 8 << 20, Sync: p.c.level, FS: image,
		BootID: func() (string, error) { return "0", nil },
	})
	if err != nil {
		p.problem("open the clone's journal: %v", err)
		return
	}
	p.cloned = &cloneJournal{Journal: j, facts: map[numberKey]journal.Record{}}
	p.log("a clone of the gateway starts, with %d requests that were open", len(p.gateway.open))
	ctx, cancel := context.WithCancel(context.Background())
	wait := time.Duration(p.r.IntN(20_000)) * time.Millisecond // its facts come before or after the other's
	done := make(chan struct{})
	p.ending.Go(func() {
		defer close(done)
		publisher := p.publisher(&line{network: p.network})
		r := relay.New(relay.Options{Journal: p.cloned, Publisher: publisher, GatewayID: gateway, Logger: slog.New(slog.DiscardHandler)})
		time.Sleep(wait)
		_ = r.Run(ctx)
		_ = j.Stop()
		_ = publisher.Close()
	})
	p.endClone = func() {
		if err := j.Seal(); err != nil {
			p.problem("seal the clone: %v", err)
		}
		for deadline := time.Now().Add(drainWithin); j.Stats().Unpublished > 0 && time.Now().Before(deadline); {
			time.Sleep(time.Second)
		}
		cancel()
		<-done
		p.endClone = nil
	}
}

// cloneJournal keeps what it publishes.
type cloneJournal struct {
	*journal.Journal
	facts map[numberKey]journal.Record // the relay's alone, until it has ended
}

func (c *cloneJournal) Read(ctx context.Context, from uint64, maxRecords, maxBytes int) ([]journal.Record, error) {
	records, err := c.Journal.Read(ctx, from, maxRecords, maxBytes)
	for _, r := range records {
		c.facts[numberKey{epochKey{gateway, r.Epoch}, r.Seq}] = r
	}
	return records, err
}

// cloneVerdict: what the gateway knows beats what its clone guesses, in whatever order they came; and two facts under one number do not
// hide from the audit.
func (p *pipe) cloneVerdict() {
	facts := p.books.all()
	p.tables.mu.Lock()
	must := false
	for _, f := range facts {
		other, collides := p.cloned.facts[f.numberKey]
		settles := func(kind string) bool { return kind == events.TypeAttemptSettled || kind == events.TypeRequestClosed }
		must = must || collides && other.Type != f.kind && settles(other.Type) && settles(f.kind)
		e, err := events.Decode(f.kind, []byte(f.payload))
		if err != nil {
			p.problem("decode: %v", err)
		}
		if e, ok := e.(*events.AttemptSettled); ok && e.SettledBy == events.SettledByGateway {
			got := p.tables.attempts[factKey{hourOf(e.StartedAt), e.Consumer, fmt.Sprint(e.RequestID, "/", e.Attempt)}].row
			if got.Outcome != string(e.Outcome) || got.InputTokens != e.Usage.InputTokens || got.Seq != e.Seq {
				p.problem("9: %s was settled as %s by its gateway, and is %s, as number %d", f.id, e.Outcome, got.Outcome, got.Seq)
			}
		}
	}
	p.tables.mu.Unlock()
	if a := p.tables.audit(p.tables.floors()); must && a.Duplicated == 0 {
		p.problem("12: two facts have one number, and the audit does not see it: %+v", a)
	}
}
