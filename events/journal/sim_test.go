package journal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/events"
	"github.com/tollhouse/tollhouse/events/journal/journaltest"
)

// sim is one random life of a journal on a disk that crashes, checked against BOOKS.md's invariants: requests begin, settle and
// close at random; a relay publishes; the process is killed or the power fails; the disk fails now and then.
type sim struct {
	t      *testing.T
	r      *rand.Rand
	fs     *journaltest.Disk
	level  Sync
	full   bool // little room, large records, and Kafka hardly takes any
	broken rules
	j      *Journal
	boot   int
	n      int

	ticketed map[string]bool // requests whose call may have gone upstream
	open     []*events.Accept
	starts   map[string]*events.Start
	hedges   map[string]*events.Start // second attempts that run beside the first
	hedged   map[string]bool

	from      uint64                       // the relay's place
	published map[uint64]map[uint64]string // epoch → seq → payload, as Kafka has it
	settled   map[string]int
	closed    map[string]int
	gaps      int
	powerLost bool
	damage    bool // bits flip while the process is dead
	flipped   bool
	problems  []string
}

func (s *sim) problem(format string, args ...any) {
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}

func (s *sim) options() Options {
	boot := strconv.Itoa(s.boot)
	room := int64(8 << 20)
	if s.full {
		room = 1 << 20
	}
	return Options{
		Dir: "/j", GatewayID: "gw-1", SegmentBytes: 256 << 10, MaxBytes: room, Sync: s.level, FS: s.fs, broken: s.broken,
		BootID: func() (string, error) { return boot, nil },
	}
}

func (s *sim) start() {
	j, err := Open(s.options())
	if err != nil {
		s.problem("open: %v", err)
		return
	}
	s.j = j
}

// die ends the process where it stands: what was appended and not written is gone.
func (s *sim) die() {
	close(s.j.stop)
	s.j.background.Wait()
	s.open, s.starts, s.hedges = nil, map[string]*events.Start{}, map[string]*events.Start{}
}

// flip damages a bit of what the dead process had written, a header among it, but for its last segment: damage at the very end looks
// like a torn record, which nobody has published.
func (s *sim) flip() {
	if len(s.j.segments) < 2 {
		return
	}
	seg := s.j.segments[s.r.IntN(len(s.j.segments)-1)]
	if seg.off <= segmentHeader {
		return
	}
	s.fs.Flip(seg.name, s.r.Int64N(seg.off))
	s.flipped = true
}

func (s *sim) begin() {
	s.n++
	a, st := request(s.n)
	if s.full {
		a.Labels["large"] = strings.Repeat("x", 8<<10)
	}
	if _, err := s.j.Begin(context.Background(), a, st); err != nil {
		if !errors.Is(err, events.ErrAccountingUnavailable) {
			s.problem("begin: %v", err)
		}
		return
	}
	s.ticketed[a.RequestID] = true
	s.open = append(s.open, a)
	s.starts[a.RequestID] = st
	if s.r.IntN(4) > 0 {
		return
	}
	hedge := *st
	hedge.Attempt, hedge.Beside = 2, true
	switch _, err := s.j.Start(context.Background(), &hedge); {
	case err == nil:
		s.hedges[a.RequestID], s.hedged[a.RequestID] = &hedge, true
	case !errors.Is(err, events.ErrAccountingUnavailable):
		s.problem("start: %v", err)
	}
}

func (s *sim) finish() {
	if len(s.open) == 0 {
		return
	}
	i := s.r.IntN(len(s.open))
	a := s.open[i]
	s.open = slices.Delete(s.open, i, i+1)
	st := s.starts[a.RequestID]
	if hedge := s.hedges[a.RequestID]; hedge != nil { // one of the two is settled before the other
		if s.r.IntN(2) == 0 {
			st, hedge = hedge, st
		}
		s.j.Settle(settlement(a, hedge, events.AttemptCancelled))
		if s.r.IntN(4) == 0 {
			return // and the other never
		}
	}
	switch s.r.IntN(4) {
	case 0:
		s.j.Settle(settlement(a, st, events.AttemptSuccess))
		s.j.Close(closing(a))
	case 1:
		s.j.SettleAndClose(settlement(a, st, events.AttemptSuccess), closing(a))
		s.j.Settle(settlement(a, st, events.AttemptTerminal)) // somebody settles it again
	default:
		s.j.SettleAndClose(settlement(a, st, events.AttemptSuccess), closing(a))
	}
}

// publish is the relay: it takes what it may read and now and then acknowledges.
func (s *sim) publish() {
	records, err := s.j.readNow(s.from, 50, 64<<10)
	if err != nil {
		s.problem("read: %v", err)
	}
	for _, r := range records {
		s.from = r.LSN + 1
		if s.published[r.Epoch] == nil {
			s.published[r.Epoch] = map[uint64]string{}
		}
		if was, ok := s.published[r.Epoch][r.Seq]; ok && was != string(r.Payload) {
			s.problem("R1: number %d/%d was one fact and is another", r.Epoch, r.Seq)
		}
		if _, ok := s.published[r.Epoch][r.Seq]; !ok {
			s.count(r)
		}
		s.published[r.Epoch][r.Seq] = string(r.Payload)
	}
	if n := len(records); n > 0 && s.r.IntN(2) == 0 {
		last := records[n-1]
		if err := s.j.Acknowledge(Position{last.LSN, last.Epoch, last.Seq}); err != nil {
			s.problem("acknowledge: %v", err)
		}
	}
}

func (s *sim) count(r Record) {
	e, err := events.Decode(r.Type, r.Payload)
	if err != nil {
		s.problem("published what cannot be read: %v", err)
		return
	}
	switch e := e.(type) {
	case *events.AttemptSettled:
		s.settled[e.EventID]++
	case *events.RequestClosed:
		s.closed[e.EventID]++
	case *events.Gap:
		s.gaps++
	case *events.Checkpoint:
		if e.Kind == events.CheckpointSeal && s.gaps == 0 && (e.Accepted != e.Closed || e.Started != e.Settled) {
			s.problem("sealed with %+v", e.Counters)
		}
	}
}

// run lives for some steps and ends well.
func (s *sim) run(steps int, power, faults bool) {
	s.start()
	for range steps {
		if s.j == nil {
			return
		}
		switch x := s.r.IntN(100); {
		case x < 40:
			s.begin()
		case x < 75:
			s.finish()
		case x < 85:
			time.Sleep(time.Duration(s.r.IntN(15)) * time.Millisecond)
		case x < 95 && (!s.full || s.r.IntN(20) == 0):
			s.publish()
		case x < 97 && faults:
			left := 1 + s.r.IntN(2)
			what := []error{journaltest.ErrTorn, errors.New("scripted: no space"), errors.New("scripted: i/o error")}[s.r.IntN(3)]
			s.fs.Fail(func(op, name string) error {
				if left > 0 && strings.HasPrefix(name, segmentPrefix) && (op == "write" || op == "sync") {
					left--
					return what
				}
				return nil
			})
		case x < 99 && !s.full: // each start takes segments of its own, whatever is free: an old epoch's end, a new epoch's beginning
			s.die()
			if power && s.r.IntN(2) == 0 {
				s.fs.PowerLoss()
				s.boot++
				s.powerLost = true
			}
			if s.damage {
				s.flip()
			}
			s.fs.Fail(nil)
			s.from = 1 // a relay that forgot everything reads again what is there
			s.start()
		}
		if s.j != nil {
			s.j.mu.Lock()
			used := s.j.used()
			s.j.mu.Unlock()
			if used > s.j.o.MaxBytes {
				s.problem("R3: %d bytes used of %d", used, s.j.o.MaxBytes)
				s.die()
				return
			}
		}
	}
	s.fs.Fail(nil)
	time.Sleep(3 * time.Second) // a failed disk is tried again
	for len(s.open) > 0 {
		s.finish()
	}
	if err := s.j.Seal(); err != nil {
		s.problem("seal: %v", err)
	}
	for before := uint64(0); s.from != before; {
		before = s.from
		s.publish()
	}
	if err := s.j.Stop(); err != nil {
		s.problem("stop: %v", err)
	}
	s.verdict()
}

func (s *sim) verdict() {
	// Where bits flip, facts that were published are made anew by a recovery that cannot read them, under their identity, which absorbs
	// them, and under other numbers. What must hold has been looked at on the way: the journal opens, and no number is two facts.
	if s.flipped {
		return
	}
	for id, n := range s.settled {
		if n != 1 {
			s.problem("%s settled %d times", id, n)
		}
	}
	for id, n := range s.closed {
		if n != 1 {
			s.problem("%s closed %d times", id, n)
		}
	}
	// At `batch` a power loss may swallow starts, and says so by a gap.
	if s.powerLost && s.level != SyncAlways {
		if s.gaps == 0 {
			s.problem("the power failed and no gap says so")
		}
		return
	}
	for _, id := range slices.Sorted(maps.Keys(s.ticketed)) {
		if s.settled[events.SettledEventID(id, 1)] != 1 || s.closed[events.ClosedEventID(id)] != 1 {
			s.problem("R2: %s had a ticket and is not in the books", id)
		}
		if s.hedged[id] && s.settled[events.SettledEventID(id, 2)] != 1 {
			s.problem("R2: %s had a ticket for a second attempt beside the first, which is not in the books", id)
		}
	}
	// At `always` it may swallow settlements that nobody waited for: they are made anew, under other numbers, and a gap names theirs.
	if s.gaps != 0 {
		if !s.powerLost {
			s.problem("%d gaps and nothing was lost", s.gaps)
		}
		return
	}
	for epoch, seqs := range s.published {
		for seq := uint64(1); seq <= uint64(len(seqs)); seq++ {
			if _, ok := seqs[seq]; !ok {
				s.problem("epoch %d: number %d is missing of %d", epoch, seq, len(seqs))
			}
		}
	}
}

func simulate(t *testing.T, seed uint64, level Sync, power, faults, full, damage bool, broken rules) (problems []string) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := &sim{
			t: t, r: r, fs: journaltest.NewDisk(r), level: level, full: full, damage: damage, broken: broken, from: 1, ticketed: map[string]bool{},
			starts: map[string]*events.Start{}, hedges: map[string]*events.Start{}, hedged: map[string]bool{}, published: map[uint64]map[uint64]string{}, settled: map[string]int{}, closed: map[string]int{},
		}
		s.run(300, power, faults)
		problems = s.problems
	})
	return problems
}

// seeds is how many runs each way: TOLLHOUSE_SIM_SEEDS for a long night.
func seeds() uint64 {
	if n, err := strconv.ParseUint(os.Getenv("TOLLHOUSE_SIM_SEEDS"), 10, 64); err == nil {
		return n
	}
	if testing.Short() {
		return 5
	}
	return 20
}

func TestSimulation(t *testing.T) {
	for _, c := range []struct {
		name          string
		level         Sync
		power, faults bool
		full, damage  bool
	}{
		{"batch, killed", SyncBatch, false, false, false, false},
		{"batch, power", SyncBatch, true, false, false, false},
		{"always, power", SyncAlways, true, false, false, false},
		{"batch, failing disk", SyncBatch, false, true, false, false},
		{"always, failing disk", SyncAlways, false, true, false, false},
		{"batch, full", SyncBatch, false, false, true, false},
		{"batch, flipped bits", SyncBatch, false, false, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range seeds() {
				if problems := simulate(t, seed, c.level, c.power, c.faults, c.full, c.damage, rules{}); len(problems) > 0 {
					t.Fatalf("seed %d: %s", seed, strings.Join(problems, "\n"))
				}
			}
		})
	}
}

// With a rule taken out a run fails: the simulation sees what the rule is for.
func TestSimulationSeesBrokenRules(t *testing.T) {
	for name, c := range map[string]struct {
		broken rules
		level  Sync
		power  bool
		full   bool
	}{
		"R1: publishing what is not durable": {rules{publishUnsynced: true}, SyncBatch, true, false},
		"R2: tickets before the write":       {rules{ticketWithoutWrite: true}, SyncBatch, false, false},
		"R3: no room is reserved":            {rules{reserveNothing: true}, SyncBatch, false, true},
		"settling twice":                     {rules{settleTwice: true}, SyncBatch, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			failed := 0
			for seed := range seeds() {
				if len(simulate(t, seed, c.level, c.power, false, c.full, false, c.broken)) > 0 {
					failed++
				}
			}
			if failed == 0 {
				t.Error("no run fails without the rule")
			}
			t.Logf("%d of %d runs fail", failed, seeds())
		})
	}
}
