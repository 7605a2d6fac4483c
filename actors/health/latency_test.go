package health

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/events"
)

func took(d time.Duration) Report { return Report{Waited: Waited{Answered: true, For: d}} }

func (w *world) expects(model string, streamed bool, want time.Duration) {
	w.t.Helper()
	s := w.Status()
	got, known := s.Expect(w.now, model, streamed)
	if !known {
		got = -1
	}
	if diff := got - want; diff > want/50+1 || diff < -want/50-1 { // exact to what is lost on the way through a float
		w.t.Errorf("after %v %s is expected to take %v, want %v", w.now.Sub(began), model, got, want)
	}
}

const unknownPace = -1

func TestAPeakTakesOverAtOnceAndFades(t *testing.T) {
	w := newWorld(t, 0)
	w.expects("m", false, unknownPace)
	w.attempt("m", took(100*time.Millisecond))
	w.expects("m", false, 100*time.Millisecond)
	w.attempt("m", took(2*time.Second))
	w.expects("m", false, 2*time.Second)
	w.expects("other", false, unknownPace)
	w.after(latencyDecay).expects("m", false, 735759*time.Microsecond) // 2 s / e
	w.attempt("m", took(100*time.Millisecond))
	w.expects("m", false, 798971*time.Microsecond) // between 2 s and 100 ms, by as much
	for range 60 {
		w.after(time.Second).attempt("m", took(100*time.Millisecond))
	}
	w.expects("m", false, 101747*time.Microsecond)
	w.after(time.Minute).expects("m", false, 252*time.Microsecond) // so idle that it is worth a try
}

func TestStreamsAndWholeAnswersAreKeptApart(t *testing.T) {
	w := newWorld(t, 0)
	w.attempt("m", took(8*time.Second))
	w.expects("m", true, unknownPace)
	w.attempt("m", Report{Waited: Waited{Streamed: true, Answered: true, For: 300 * time.Millisecond}})
	w.expects("m", true, 300*time.Millisecond)
	w.expects("m", false, 8*time.Second)
}

func TestWhatEndedWithoutAnAnswerIsAtLeastSoLong(t *testing.T) {
	without := func(d time.Duration, r Report) Report { r.Waited.For = d; return r }
	for name, c := range map[string]struct {
		r    Report
		want time.Duration
	}{
		"a timeout above the average":           {without(5*time.Second, slow), 5 * time.Second},
		"a client that left after longer":       {without(3*time.Second, unknown), 3 * time.Second},
		"a client that left soon":               {without(10*time.Millisecond, unknown), time.Second},
		"a failure that says nothing":           {bad, time.Second},
		"an answer as fast as the clock can be": {took(0), time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 0)
			w.attempt("m", took(time.Second))
			w.attempt("m", c.r)
			w.expects("m", false, c.want)
		})
	}
	w := newWorld(t, 0)
	w.attempt("m", without(5*time.Second, slow))
	w.expects("m", false, 5*time.Second) // it was never answered; that is known all the same
	w = newWorld(t, 0)
	w.attempt("m", took(4*time.Second))
	w.after(2*latencyDecay).attempt("m", without(time.Second, unknown))
	w.expects("m", false, time.Second) // the old peak had faded below
}

func TestPacesAreBounded(t *testing.T) {
	w := newWorld(t, 0)
	for i := range 3 * maxModels {
		w.after(time.Millisecond).attempt(fmt.Sprint("m", i), took(time.Second))
		w.attempt("kept", took(time.Second))
	}
	if len(w.paces) > maxModels {
		t.Errorf("the paces of %d models are remembered", len(w.paces))
	}
	w.expects("kept", false, time.Second)
	w.expects("m0", false, unknownPace)
	w.expects(fmt.Sprint("m", 3*maxModels-1), false, time.Second)
}

// Balancers read while the endpoint's actor writes.
func TestPacesAreReadWhileTheyChange(t *testing.T) {
	w := newWorld(t, 0)
	w.attempt("m", took(time.Second))
	s := w.Status()
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for range 1000 {
				if d, known := s.Expect(began, "m", false); !known || d <= 0 || d > 2*time.Second {
					t.Errorf("%v, %v", d, known)
					return
				}
			}
		})
	}
	for i := range 1000 {
		w.attempt("m", took(time.Duration(1+i%2)*time.Second))
		w.attempt(fmt.Sprint("m", i), took(time.Second))
	}
	readers.Wait()
}

func TestClearIsWhatThereIsNothingToSayOf(t *testing.T) {
	for name, c := range map[string]struct {
		r     Report
		times int
		clear bool
	}{
		"answered":           {took(time.Second), 9, true},
		"failed once":        {bad, 1, true},
		"limited":            {tooMany, 1, false},
		"open":               {bad, inARow, false},
		"cannot be reached":  {lost, inARow, false},
		"credential refused": {refused, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 0)
			for range c.times {
				w.attempt("m", c.r)
			}
			s := w.Status()
			if s.Clear() != c.clear {
				t.Errorf("clear: %v", s.Clear())
			}
			if why, _ := s.Refuses(w.now, "m"); s.Clear() && (why != "" || s.Share(w.now, "m") != 1) {
				t.Errorf("it is clear, and refuses because of %q", why)
			}
		})
	}
	w := newWorld(t, 0)
	for range inARow {
		w.attempt("m", Report{Held: true, Class: events.ErrorTransport})
	}
	w.after(time.Second).attempt("m", good)
	if s := w.Status(); s.Clear() {
		t.Error("an endpoint that recovers is taken at its whole weight")
	}
}

// Where a breaker has opened it is not known any more how long an answer takes: what was waited for the ill must not keep the one away that
// finds out whether it is well.
func TestAnOpenBreakerForgetsHowLongWasWaited(t *testing.T) {
	late := Report{Held: true, Class: events.ErrorTimeout, Waited: Waited{Streamed: true, For: time.Minute}}
	for name, bad := range map[string]Report{"of a model": late, "of all": {Held: true, Class: events.ErrorTransport, Waited: late.Waited}} {
		w := newWorld(t, 0)
		first, ok := w.Acquire(w.now, "m")
		if !ok {
			t.Fatal("no permit")
		}
		for range inARow - 1 {
			w.attempt("m", bad)
		}
		s := w.Status()
		if d, known := s.Expect(w.now, "m", true); !known || d != time.Minute {
			t.Errorf("%s: before it opens %v, %v", name, d, known)
		}
		w.attempt("m", bad)
		w.wants("m", Open, firstOpen)
		w.Release(w.after(firstOpen/2).now, first, late) // it began before
		s = w.Status()
		if d, known := s.Expect(w.now, "m", true); known {
			t.Errorf("%s: expected to take %v", name, d)
		}
		w.attempt("m", Report{Waited: Waited{Streamed: true, Answered: true, For: time.Second}})
		w.after(firstOpen)
		w.attempt("m", Report{Waited: Waited{Streamed: true, Answered: true, For: time.Second}})
		s = w.Status()
		if d, known := s.Expect(w.now, "m", true); !known || d != time.Second {
			t.Errorf("%s: healed it is expected to take %v, %v", name, d, known)
		}
	}
}
