package sink

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/analytics/prices"
	"github.com/tollhouse/tollhouse/analytics/query"
	"github.com/tollhouse/tollhouse/events/broker"
	"github.com/tollhouse/tollhouse/events/journal/journaltest"
)

// pipe is one random life of everything between a gateway's request and the tables: the journal, the relay, the broker and the sinks
// are the product's own, the disk, the network and the tables are models that fail. The seed decides what happens when; what two
// goroutines do in the same instant is the scheduler's choice, so that a seed fails again often and not always.
type pipe struct {
	t         *testing.T
	c         pipeCase
	r         *rand.Rand // the driver's own
	dice      *dice      // everybody else's
	calm      atomic.Bool
	began     time.Time
	catalogue *prices.Catalogue

	network broker.Network
	dir     string // of the broker; empty: in memory
	broker  *broker.Broker
	faults  []broker.Injected
	count   int  // partitions
	damaged bool // the log does not hold all that it held

	disk     *journaltest.Disk
	boot     int
	gateway  *gatewayLife
	sinks    []*sinkLife
	started  int // sinks
	cloned   *cloneJournal
	endClone func()
	ending   sync.WaitGroup // processes that were killed and whose goroutines run out
	tables   *tables
	books    *truth
	floors   []query.EpochAudit // read some steps ago, not yet audited
	flights  int                // audits with something proved and something under way

	mu       sync.Mutex
	lines    []string // the trace
	problems []string
}

// dice is chance for many goroutines.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (d *dice) roll(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}

// run lives for some steps, lets everything heal and drain, and holds the tables against the truth.
func (p *pipe) run() {
	time.Sleep(time.Until(began)) // in the bubble it is 2000; prices begin later
	p.began = time.Now()
	p.startBroker()
	p.startGateway(0)
	p.startSink()
	for range p.c.steps {
		p.step()
		if p.failed() {
			break
		}
		time.Sleep(time.Duration(p.r.IntN(1+p.r.IntN(1500))) * time.Millisecond)
	}
	p.heal()
	if !p.failed() {
		p.drain()
	}
	switch {
	case p.failed():
	case p.cloned != nil:
		p.cloneVerdict()
	default:
		if p.verdict(); p.failed() {
			p.dump()
		}
	}
	p.stop()
}

// step does one thing that can happen to the parts.
func (p *pipe) step() {
	if p.gateway != nil && p.gateway.process.Dead() {
		p.reapGateway()
	}
	p.audit()
	switch x := p.r.IntN(100); {
	case p.c.clones && x < 10:
		p.clone()
	case x < 60:
		for range 1 + p.r.IntN(6) {
			p.work()
		}
	case x < 70 && p.c.kills:
		p.restartGateway()
	case x < 82 && p.c.kills:
		p.changeSinks()
	case x < 94 && p.c.trouble:
		p.brokerTrouble()
	case x < 97:
		p.duplicate()
	case x < 98:
		p.checkProgress()
	case p.c.destroys:
		p.destroy()
	}
}

// audit runs the audit's rule in the middle of everything: what is under way must never be called lost. The floors are read first, and
// the rest now or some steps later, as the queries of a real audit follow one another.
func (p *pipe) audit() {
	if p.cloned != nil {
		return // it has what to find
	}
	if p.floors == nil {
		p.floors = p.tables.floors()
		if p.r.IntN(2) == 0 {
			return
		}
	}
	a := p.tables.audit(p.floors)
	if p.books.underWay(p.floors) {
		p.flights++
	}
	p.floors = nil
	if lost := uint64(p.books.lost()); a.Unaccounted > lost || a.Duplicated > p.halfStored() {
		p.dump()
		p.problem("8: a false loss: unaccounted %d where %d were destroyed, duplicated %d: %v", a.Unaccounted, lost, a.Duplicated, a.Items)
	}
}

// halfStored is how many rows there may be without their number: none where nothing was destroyed.
func (p *pipe) halfStored() uint64 {
	if !p.damaged {
		return 0
	}
	return p.tables.unseen()
}

// heal ends all faults and gives every part a process that runs.
func (p *pipe) heal() {
	p.log("heals")
	p.calm.Store(true)
	if p.broker == nil {
		p.startBroker()
	}
	p.removeFaults()
	if p.gateway != nil {
		p.gateway.process.Spare()
		if p.gateway.process.Dead() {
			p.reapGateway()
		}
	}
	if p.gateway == nil {
		p.startGateway(0)
	}
	for _, s := range p.sinks {
		s.store.spare()
	}
	p.reapSinks()
	if len(p.sinks) == 0 {
		p.startSink()
	}
}

// drainWithin is more than every back-off, session and late insert together.
const drainWithin = 15 * time.Minute

// drain ends the epoch and waits until all that is in the books is in the tables.
func (p *pipe) drain() {
	p.finishAll()
	if p.endClone != nil {
		p.endClone()
	}
	if err := p.gateway.journal.Seal(); err != nil {
		p.problem("seal: %v", err)
		return
	}
	for deadline := time.Now().Add(drainWithin); ; time.Sleep(time.Second) {
		why := p.notDrained()
		if why == "" {
			time.Sleep(lateInsert) // what took effect late has done so by now
			return
		}
		if time.Now().After(deadline) {
			p.dump()
			p.problem("12: not drained: %s", why)
			return
		}
		p.audit()
		if p.failed() {
			return
		}
	}
}

func (p *pipe) notDrained() string {
	if n := p.gateway.journal.Stats().Unpublished; n > 0 {
		return fmt.Sprintf("%d records are not in Kafka", n)
	}
	floors := map[uint64]uint64{}
	for _, e := range p.tables.floors() {
		floors[e.Epoch] = e.Floor
	}
	return p.books.belowFloor(floors)
}

// stop ends all processes in order.
func (p *pipe) stop() {
	if p.failed() && p.endClone != nil {
		p.endClone()
	}
	for len(p.sinks) > 0 {
		p.endSink(0, false)
	}
	p.killGateway()
	p.ending.Wait()
	if p.broker != nil {
		p.stopBroker()
	}
	if p.dir != "" {
		_ = os.RemoveAll(p.dir)
	}
}
