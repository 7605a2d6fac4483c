package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/events"
)

var began = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func options(dir string) Options {
	return Options{
		Dir: dir, GatewayID: "gw-1", SegmentBytes: 1 << 20, MaxBytes: 16 << 20,
		BootID: func() (string, error) { return "boot-1", nil },
	}
}

func open(t testing.TB, o Options) *Journal {
	t.Helper()
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func request(n int) (*events.Accept, *events.Start) {
	id := fmt.Sprintf("req_%026d", n)
	accept := &events.Accept{
		RequestID: id, Consumer: "c", KeyID: "k", Labels: map[string]string{"team": "x"}, Dialect: "openai_chat",
		RequestedModel: "m", BodyBytes: 400, ReceivedAt: began.Add(time.Duration(n) * time.Millisecond),
	}
	start := &events.Start{
		RequestID: id, Attempt: 1, Provider: "openai", Registry: "r", Endpoint: "e", SentModel: "m",
		EstimatedInputTokens: 100, OutputLimit: 50, StartedAt: began.Add(time.Duration(n) * time.Millisecond),
	}
	return accept, start
}

func settlement(a *events.Accept, s *events.Start, outcome events.AttemptOutcome) *events.AttemptSettled {
	e := &events.AttemptSettled{
		Accept: *a, Outcome: outcome, Status: 200, UsageEvidence: events.EvidenceReported,
		Usage: events.Usage{InputTokens: 10, OutputTokens: 5}, FinishedAt: s.StartedAt.Add(time.Second), SettledBy: events.SettledByGateway,
	}
	e.SetStart(s)
	return e
}

func closing(a *events.Accept) *events.RequestClosed {
	return &events.RequestClosed{
		Accept: *a, Status: 200, Outcome: events.RequestSuccess, Attempts: 1, WinningAttempt: 1, ClosedAt: a.ReceivedAt.Add(time.Second),
	}
}

// run does one whole request.
func run(t testing.TB, j *Journal, n int) {
	a, s := request(n)
	ticket, err := j.Begin(context.Background(), a, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := ticket.Redeem(); err != nil {
		t.Fatal(err)
	}
	j.SettleAndClose(settlement(a, s, events.AttemptSuccess), closing(a))
}

// published reads everything that is durable, after the journal was made so.
func publishedEvents(t testing.TB, j *Journal, from uint64) (all []Record) {
	t.Helper()
	j.mu.Lock()
	last := j.lsn
	j.mu.Unlock()
	if err := j.awaitDurable(context.Background(), last); err != nil {
		t.Fatal(err)
	}
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		records, err := j.Read(ctx, from, 7, 10<<10)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if len(records) == 0 {
			return all
		}
		all = append(all, records...)
		from = records[len(records)-1].LSN + 1
	}
}

// check holds the numbers against invariant 3: in each epoch 1…last, one fact each.
func check(t testing.TB, records []Record) map[string]int {
	t.Helper()
	seqs := map[uint64]uint64{}
	ids := map[string]int{}
	for _, r := range records {
		if seqs[r.Epoch]++; seqs[r.Epoch] != r.Seq {
			t.Fatalf("epoch %d: seq %d where %d is next", r.Epoch, r.Seq, seqs[r.Epoch])
		}
		e, err := events.Decode(r.Type, r.Payload)
		if err != nil {
			t.Fatal(err)
		}
		n := e.Number()
		if n.Seq != r.Seq || n.Epoch != r.Epoch || n.EventID != r.EventID || e.Key() != r.Key || !e.Time().Equal(r.Time) {
			t.Fatalf("record %+v holds %+v", r, n)
		}
		ids[r.EventID]++
		if ids[r.EventID] > 1 {
			t.Fatalf("%s twice", r.EventID)
		}
	}
	return ids
}

func TestARequestIsPublishedAsItWasKept(t *testing.T) {
	for _, level := range []Sync{SyncBatch, SyncAlways, SyncNone} {
		t.Run(string(level), func(t *testing.T) {
			o := options(t.TempDir())
			o.Sync = level
			j := open(t, o)
			var wg sync.WaitGroup
			for i := range 50 {
				wg.Add(1)
				go func() { defer wg.Done(); run(t, j, i) }()
			}
			wg.Wait()
			if err := j.Seal(); err != nil {
				t.Fatal(err)
			}
			records := publishedEvents(t, j, 1)
			ids := check(t, records)
			if len(ids) != 102 || !records[len(records)-1].Seal {
				t.Errorf("%d events, want open, 50 settlements, 50 closings, seal", len(ids))
			}
			last, err := events.Decode(records[101].Type, records[101].Payload)
			if err != nil {
				t.Fatal(err)
			}
			if c := last.(*events.Checkpoint); c.Counters != (events.Counters{Accepted: 50, Closed: 50, Started: 50, Settled: 50}) {
				t.Errorf("sealed with %+v", c.Counters)
			}
			if err := j.Stop(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestTheNextStartSettlesWhatWasOpen(t *testing.T) {
	o := options(t.TempDir())
	j := open(t, o)
	run(t, j, 1)
	a2, s2 := request(2) // killed without a note
	a3, s3 := request(3) // killed with one
	a4, s4 := request(4) // killed between settle and close
	a5, s5 := request(5) // killed between two attempts
	for _, r := range []struct {
		a *events.Accept
		s *events.Start
	}{{a2, s2}, {a3, s3}, {a4, s4}, {a5, s5}} {
		if _, err := j.Begin(context.Background(), r.a, r.s); err != nil {
			t.Fatal(err)
		}
	}
	j.Note(&events.Note{
		RequestID: a3.RequestID, Attempt: 1, Usage: events.Usage{InputTokens: 7, OutputTokens: 3},
		FirstByteAt: s3.StartedAt.Add(time.Second), At: s3.StartedAt.Add(2 * time.Second), Status: 200, Model: "echo", ResponseID: "id",
	})
	j.Settle(settlement(a4, s4, events.AttemptSuccess))
	j.Settle(settlement(a5, s5, events.AttemptRetryable))
	crash(t, j)

	j = open(t, o)
	records := publishedEvents(t, j, 1)
	ids := check(t, records)
	abandoned := map[string]*events.AttemptSettled{}
	closed := map[string]*events.RequestClosed{}
	var seal *events.Checkpoint
	for _, r := range records {
		e, _ := events.Decode(r.Type, r.Payload)
		switch e := e.(type) {
		case *events.AttemptSettled:
			if e.Outcome == events.AttemptAbandoned {
				abandoned[e.RequestID] = e
			}
		case *events.RequestClosed:
			closed[e.RequestID] = e
		case *events.Checkpoint:
			if e.Kind == events.CheckpointSeal {
				seal = e
			}
		}
	}
	if len(abandoned) != 2 || len(closed) != 5 || seal == nil || seal.Accepted != 5 || seal.Closed != 5 || seal.Started != 5 || seal.Settled != 5 || seal.Abandoned != 2 {
		t.Errorf("%d abandoned, %d closed, sealed with %+v; ids %v", len(abandoned), len(closed), seal, ids)
	}
	e := abandoned[a2.RequestID]
	if e.UsageEvidence != events.EvidenceEstimated || e.Usage.InputTokens != 100 || e.OutputLimit != 50 || !e.FinishedAt.Equal(s2.StartedAt) || e.SettledBy != events.SettledByRecovery {
		t.Errorf("without a note: %+v", e)
	}
	e = abandoned[a3.RequestID]
	if e.UsageEvidence != events.EvidencePartial || e.Usage.OutputTokens != 3 || e.Model != "echo" || !e.FinishedAt.Equal(s3.StartedAt.Add(2*time.Second)) {
		t.Errorf("with a note: %+v", e)
	}
	if c := closed[a4.RequestID]; c.Outcome != events.RequestSuccess || c.Status != 200 {
		t.Errorf("settled, not closed: %+v", c)
	}
	if c := closed[a5.RequestID]; c.Outcome != events.RequestAbandoned || c.Status != 0 {
		t.Errorf("between two attempts: %+v", c)
	}
	crash(t, j)
	j = open(t, o)
	if again := check(t, publishedEvents(t, j, 1)); len(again) != len(ids)+2 {
		t.Errorf("a further start wrote %d events more than its seal and open", len(again)-len(ids))
	}
	stop(t, j)
}

// crash ends a journal as the death of its process does: what is written stays, nothing more is written.
func crash(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.flush(); err != nil {
		t.Fatal(err)
	}
	close(j.stop)
	j.background.Wait()
	j.closeFiles()
	j.unlock()
}

func stop(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.Seal(); err != nil {
		t.Fatal(err)
	}
	if err := j.Stop(); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsSettledStaysSettled(t *testing.T) {
	j := open(t, options(t.TempDir()))
	a, s := request(1)
	if _, err := j.Begin(context.Background(), a, s); err != nil {
		t.Fatal(err)
	}
	j.Settle(settlement(a, s, events.AttemptSuccess))
	j.Settle(settlement(a, s, events.AttemptTerminal))
	j.Close(closing(a))
	j.Close(closing(a))
	if ids := check(t, publishedEvents(t, j, 1)); len(ids) != 3 {
		t.Errorf("%d events: %v", len(ids), ids)
	}
	stop(t, j)
}

func TestSegmentsGoOnceAcknowledgedAndNotBefore(t *testing.T) {
	o := options(t.TempDir())
	j := open(t, o)
	a, s := request(999_999) // stays open throughout: it is carried
	hedge := *s
	hedge.Attempt, hedge.Beside = 2, true
	if _, err := j.Begin(context.Background(), a, s); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Start(context.Background(), &hedge); err != nil {
		t.Fatal(err)
	}
	j.Note(&events.Note{RequestID: a.RequestID, Attempt: 2, At: began, ResponseID: "second"})
	segments := func() (n int) { // what is no spare has a header
		names, _ := filepath.Glob(filepath.Join(o.Dir, segmentPrefix+"*"))
		for _, name := range names {
			if raw, err := os.ReadFile(name); err == nil && bytes.HasPrefix(raw, segmentMagic[:]) {
				n++
			}
		}
		return n
	}
	for i := range 5000 {
		run(t, j, i)
	}
	records := publishedEvents(t, j, 1)
	before := segments()
	if before < 5 {
		t.Fatalf("only %d segments", before)
	}
	last := records[len(records)-1]
	for _, r := range []Record{records[10], last} {
		if err := j.Acknowledge(Position{r.LSN, r.Epoch, r.Seq}); err != nil {
			t.Fatal(err)
		}
		if r.LSN != last.LSN && segments() < before {
			t.Error("a segment went that is not acknowledged")
		}
	}
	if n := segments(); n > 4 {
		t.Errorf("%d segments are left of %d", n, before)
	}
	crash(t, j)
	j = open(t, o)
	if at := j.Acknowledged(); at.LSN != last.LSN {
		t.Errorf("acknowledged up to %d, want %d", at.LSN, last.LSN)
	}
	found := map[string]string{}
	for _, r := range publishedEvents(t, j, j.Acknowledged().LSN+1) {
		found[r.EventID] = string(r.Payload)
	}
	first, second := found[events.SettledEventID(a.RequestID, 1)], found[events.SettledEventID(a.RequestID, 2)]
	if first == "" || !strings.Contains(second, `"response_id":"second"`) || found[events.ClosedEventID(a.RequestID)] == "" {
		t.Errorf("the carried request was not settled by the next start: %s, %s", first, second)
	}
	stop(t, j)
}

func TestAFullJournalRefusesAndStillSettles(t *testing.T) {
	o := options(t.TempDir())
	o.MaxBytes = 4 << 20
	j := open(t, o)
	type pair struct {
		a *events.Accept
		s *events.Start
	}
	var taken []pair
	var refused error
	for i := 0; refused == nil; i++ {
		a, s := request(i)
		if _, refused = j.Begin(context.Background(), a, s); refused == nil {
			taken = append(taken, pair{a, s})
		}
		if i > 10_000 {
			t.Fatal("the journal is never full")
		}
	}
	if !errors.Is(refused, events.ErrAccountingUnavailable) || j.Healthy() == nil {
		t.Errorf("refused with %v; healthy: %v", refused, j.Healthy())
	}
	for _, p := range taken {
		j.SettleAndClose(settlement(p.a, p.s, events.AttemptSuccess), closing(p.a))
	}
	records := publishedEvents(t, j, 1)
	if ids := check(t, records); len(ids) != 2*len(taken)+1 {
		t.Errorf("%d events for %d requests", len(ids), len(taken))
	}
	r := records[len(records)-1]
	if err := j.Acknowledge(Position{r.LSN, r.Epoch, r.Seq}); err != nil {
		t.Fatal(err)
	}
	run(t, j, 50_000) // there is room again
	stop(t, j)
}

func TestServingWithoutRecordsIsAGapThatSurvivesKill(t *testing.T) {
	o := options(t.TempDir())
	o.MaxBytes, o.WhenFull = 4<<20, Serve
	j := open(t, o)
	n := 0
	for j.Stats().FailOpen < 3 {
		a, s := request(n)
		if _, err := j.Begin(context.Background(), a, s); err != nil {
			t.Fatal(err)
		}
		n++
	}
	crash(t, j)
	o.MaxBytes = 16 << 20
	j = open(t, o)
	var gaps []*events.Gap
	for _, r := range publishedEvents(t, j, 1) {
		if e, _ := events.Decode(r.Type, r.Payload); r.Type == events.TypeGap {
			gaps = append(gaps, e.(*events.Gap))
		}
	}
	if len(gaps) != 1 || gaps[0].Count != 3 || !gaps[0].CountKnown || gaps[0].Reason != events.GapFailOpen || gaps[0].OutputTokens != 150 {
		t.Errorf("gaps: %+v", gaps)
	}
	stop(t, j)
	j = open(t, o)
	if j.Stats().FailOpen != 0 {
		t.Error("the count was not taken back")
	}
	stop(t, j)
}

func TestASecondProcessIsRefused(t *testing.T) {
	o := options(t.TempDir())
	j := open(t, o)
	if _, err := Open(o); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("%v", err)
	}
	stop(t, j)
	o.GatewayID = "gw-2"
	if _, err := Open(o); !errors.Is(err, errOtherGateway) {
		t.Errorf("another gateway's id: %v", err)
	}
}

// What is acknowledged makes room for what comes: a journal that is kept up with writes no new files.
func TestSegmentsAreUsedAgain(t *testing.T) {
	o := options(t.TempDir())
	j := open(t, o)
	defer stop(t, j)
	for i := range 20 {
		for n := range 500 {
			run(t, j, 500*i+n)
		}
		records := publishedEvents(t, j, j.Acknowledged().LSN+1)
		last := records[len(records)-1]
		if err := j.Acknowledge(Position{last.LSN, last.Epoch, last.Seq}); err != nil {
			t.Fatal(err)
		}
		j.saveCheckpoint()
		if err := j.freeSegments(); err != nil {
			t.Fatal(err)
		}
	}
	j.mu.Lock()
	used := j.segments[len(j.segments)-1].order
	j.mu.Unlock()
	if made := j.numbers.Load(); used < 15 || made > used/3 {
		t.Errorf("%d files were made for %d segments", made, used)
	}
}

func TestBeginAllocatesLittle(t *testing.T) {
	j := open(t, Options{Dir: t.TempDir(), GatewayID: "gw-1"})
	defer stop(t, j)
	a, s := request(1)
	settled, closed := settlement(a, s, events.AttemptSuccess), closing(a)
	n := testing.AllocsPerRun(2000, func() {
		if _, err := j.Begin(context.Background(), a, s); err != nil {
			t.Fatal(err)
		}
		j.SettleAndClose(settled, closed)
	})
	if n > 16 {
		t.Errorf("%v allocations a request", n)
	}
	t.Logf("%v allocations a request", n)
}

func BenchmarkRequest(b *testing.B) {
	for _, level := range []Sync{SyncBatch, SyncAlways, SyncNone} {
		b.Run(string(level), func(b *testing.B) {
			j := open(b, Options{Dir: b.TempDir(), GatewayID: "gw-1", Sync: level, MaxBytes: 64 << 30})
			ack := make(chan struct{})
			go func() { // as a relay with an instant broker
				defer close(ack)
				from := uint64(1)
				for {
					records, err := j.Read(context.Background(), from, 1000, 1<<20)
					if err != nil || len(records) == 0 {
						return
					}
					r := records[len(records)-1]
					from = r.LSN + 1
					_ = j.Acknowledge(Position{r.LSN, r.Epoch, r.Seq})
					if r.Seal {
						return
					}
				}
			}()
			b.SetParallelism(32)
			b.ReportAllocs()
			n := 0
			var mu sync.Mutex
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					mu.Lock()
					n++
					i := n
					mu.Unlock()
					run(b, j, i)
				}
			})
			b.StopTimer()
			if err := j.Seal(); err != nil {
				b.Fatal(err)
			}
			<-ack
			_ = j.Stop()
		})
	}
}
