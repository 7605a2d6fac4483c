package sink

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/analytics/prices"
	"github.com/tollhouse/tollhouse/events/broker"
	"github.com/tollhouse/tollhouse/events/journal"
	"github.com/tollhouse/tollhouse/events/journal/journaltest"
)

// pipeCase is what can go wrong in a run.
type pipeCase struct {
	name     string
	level    journal.Sync
	kills    bool // gateway and sinks die, inserts fail
	power    bool // of the gateway's machine
	trouble  bool // with Kafka
	clones   bool // of the gateway's disk
	destroys bool // records that Kafka has acknowledged
	steps    int
	broken   brokenPipe
}

// brokenPipe is rules taken out, where the pipe can be got at without the product knowing.
type brokenPipe struct {
	rules
	publishUnsynced, checkpointFirst, highestAck, onePartition, lastWriter, sumAtInsert bool
}

func newPipe(t *testing.T, seed uint64, c pipeCase, catalogue *prices.Catalogue, dir string) *pipe {
	r := rand.New(rand.NewPCG(seed, 1))
	p := &pipe{
		t: t, c: c, r: r, dice: &dice{r: rand.New(rand.NewPCG(seed, 2))}, catalogue: catalogue, network: broker.NewMemoryNetwork(),
		count: 1 + r.IntN(3), disk: journaltest.NewDisk(rand.New(rand.NewPCG(seed, 3))), tables: newTables(), books: newTruth(),
	}
	p.tables.anyOrder = c.broken.lastWriter
	if c.trouble {
		p.dir = dir
	}
	if c.broken.publishUnsynced {
		p.lie()
	}
	return p
}

// livePipe is one run; dir is the broker's.
func livePipe(t *testing.T, seed uint64, c pipeCase, dir string) (p *pipe) {
	catalogue, err := prices.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		p = newPipe(t, seed, c, catalogue, dir)
		p.run()
	})
	return p
}

// pipeSeeds is how many runs each way: TOLLHOUSE_SIM_SEEDS for a long night.
func pipeSeeds() uint64 {
	if n, err := strconv.ParseUint(os.Getenv("TOLLHOUSE_SIM_SEEDS"), 10, 64); err == nil {
		return n
	}
	if testing.Short() {
		return 2
	}
	return 6
}

// firstSeed is where seeds begin: TOLLHOUSE_SIM_FIRST for one that failed.
func firstSeed() uint64 {
	n, _ := strconv.ParseUint(os.Getenv("TOLLHOUSE_SIM_FIRST"), 10, 64)
	return n
}

var pipeCases = []pipeCase{
	{name: "killed", level: journal.SyncBatch, kills: true, steps: 60},
	{name: "power", level: journal.SyncAlways, kills: true, power: true, steps: 60},
	{name: "broker", level: journal.SyncBatch, trouble: true, steps: 60},
	{name: "everything", level: journal.SyncAlways, kills: true, power: true, trouble: true, steps: 80},
	{name: "destroyed", level: journal.SyncBatch, kills: true, destroys: true, steps: 60},
	{name: "cloned", level: journal.SyncBatch, trouble: true, clones: true, steps: 60},
}

func TestPipe(t *testing.T) {
	for _, c := range pipeCases {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			facts, flights := 0, 0
			for seed := firstSeed(); seed < firstSeed()+pipeSeeds(); seed++ {
				p := livePipe(t, seed, c, t.TempDir())
				if p.failed() {
					t.Fatal(p.report(seed))
				}
				facts += len(p.books.numbers)
				flights += p.flights
			}
			if flights == 0 && !c.clones {
				t.Error("no audit was held with facts under way")
			}
			n := float64(pipeSeeds())
			t.Logf("%.0f runs, %.1f a second; a run has %.0f facts, and %.0f audits with facts under way",
				n, n/time.Since(began).Seconds(), float64(facts)/n, float64(flights)/n)
		})
	}
}

// With a rule taken out a run fails, by the invariant that the rule is for.
func TestPipeSeesBrokenRules(t *testing.T) {
	killed, power, trouble, everything := pipeCases[0], pipeCases[1], pipeCases[2], pipeCases[3]
	for _, m := range []struct {
		name   string
		c      pipeCase
		broken brokenPipe
		want   string // how a problem begins; one or the other
	}{
		{"R1: published before it is durable", power, brokenPipe{publishUnsynced: true}, "3:"},
		{"the checkpoint before the acknowledgement", everything, brokenPipe{checkpointFirst: true}, "8:"},
		{"a barrier above the acknowledged prefix", trouble, brokenPipe{highestAck: true}, "8:"},
		{"a barrier to one partition only", killed, brokenPipe{onePartition: true}, "8:"},
		{"progress before rows", killed, brokenPipe{rules: rules{progressFirst: true}}, "7:|8:"},
		{"R4: starting past the progress that was read", killed, brokenPipe{rules: rules{startPast: true}}, "7:|8:"},
		{"the last writer wins, whatever its version", everything, brokenPipe{lastWriter: true}, "9:"},
		{"an estimate beats what is known", pipeCases[5], brokenPipe{lastWriter: true}, "9: req_"},
		{"a sum kept at insert time", killed, brokenPipe{sumAtInsert: true}, "8:"},
	} {
		t.Run(m.name, func(t *testing.T) {
			m.c.broken = m.broken
			const limit = 100
			others := map[string]int{}
			for seed := range uint64(limit) {
				p := livePipe(t, seed, m.c, t.TempDir())
				for _, problem := range p.problems {
					if slices.ContainsFunc(strings.Split(m.want, "|"), func(want string) bool { return strings.HasPrefix(problem, want) }) {
						t.Logf("seed %d: %s", seed, problem)
						return
					}
					others[problem[:min(len(problem), 60)]]++
				}
			}
			t.Errorf("no invariant %s fails in %d runs without the rule; others did: %v", m.want, limit, others)
		})
	}
}
