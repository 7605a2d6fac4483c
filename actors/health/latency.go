package health

import (
	"maps"
	"math"
	"sync/atomic"
	"time"
)

// latencyDecay is how fast what an endpoint took is forgotten: after so long a peak counts for a third of itself.
const latencyDecay = 10 * time.Second

// peak is a peak-sensitive moving average of waiting times: a sample above it takes over at once, one below it pulls it down by how long
// ago the last one was, and while there are none it fades, so that what was slow is tried again. One goroutine writes it, any may read
// it; who reads while it is written may find an average with the time of the one before, which was true a moment ago.
type peak struct {
	average atomic.Int64 // nanoseconds; 0: there was no sample
	at      atomic.Int64 // of the last sample, nanoseconds
}

// sample takes a time that was waited to its end.
func (p *peak) sample(now time.Time, d time.Duration) {
	d = max(d, 1)
	average, at := p.average.Load(), now.UnixNano()
	if int64(d) < average {
		old := faded(at - p.at.Load())
		d = max(time.Duration(float64(average)*old+float64(d)*(1-old)), 1)
	}
	p.at.Store(at)
	p.average.Store(int64(d))
}

// atLeast takes a time after which nobody waited any more: it can only be worse.
func (p *peak) atLeast(now time.Time, d time.Duration) {
	if known, _ := p.expect(now); d > known {
		p.at.Store(now.UnixNano())
		p.average.Store(int64(d))
	}
}

func (p *peak) expect(now time.Time) (d time.Duration, known bool) {
	average := p.average.Load()
	if average == 0 {
		return 0, false
	}
	return time.Duration(float64(average) * faded(now.UnixNano()-p.at.Load())), true
}

// faded is what is left of something after a while.
func faded(nanos int64) float64 {
	return math.Exp(-float64(max(nanos, 0)) / float64(latencyDecay))
}

// pace is how long one model takes at an endpoint. The two are kept apart: the time of a whole answer is mostly its length, and an
// average over both would follow what is asked, not how well it is answered.
type pace struct {
	streamed peak // until the first byte of a stream
	whole    peak // until the end of a whole answer
	used     time.Time

	// The endpoint's own, which nobody else reads.
	streams, wholes spread
}

func (p *pace) spread(streamed bool) *spread {
	if streamed {
		return &p.streams
	}
	return &p.wholes
}

// forget makes it unknown how long it takes.
func (p *pace) forget() {
	p.streamed.average.Store(0)
	p.whole.average.Store(0)
}

func (p *pace) of(streamed bool) *peak {
	if streamed {
		return &p.streamed
	}
	return &p.whole
}

// Waited is how long an attempt took, as far as that says something of the endpoint.
type Waited struct {
	Streamed bool
	Answered bool          // For is the time to the first byte of a stream, or to the end of a whole answer
	For      time.Duration // without an answer: how long there was none; 0: not known
}

// paced keeps what an attempt took. A failure that comes fast says nothing of how fast a good answer is, and is the breaker's to judge;
// of one that did not come in time, or was not waited for, it is known that it takes at least so long.
func (e *Endpoint) paced(now time.Time, name string, r *Report) {
	if r.Waited.For <= 0 && !r.Waited.Answered {
		return
	}
	model := e.pace(now, name)
	p := model.of(r.Waited.Streamed)
	if r.Waited.Answered {
		p.sample(now, r.Waited.For)
		model.spread(r.Waited.Streamed).add(r.Waited.For)
	} else {
		p.atLeast(now, r.Waited.For)
	}
}

// Slow is how long 95 of 100 attempts for a model do not wait: for the first byte of a stream, or for a whole answer; 0: not known yet.
func (e *Endpoint) Slow(name string, streamed bool) time.Duration {
	p := e.paces[name]
	if p == nil {
		return 0
	}
	return p.spread(streamed).slow()
}

// Opened is told that a stream has begun, long before it ends and its permit comes back: that it works is known now. It reports whether
// that must be published: of a model that was known readers see it at once.
func (e *Endpoint) Opened(now time.Time, permit Permit, after time.Duration) (publish bool) {
	publish = e.paces[permit.model] == nil || permit.Probes()
	p := e.pace(now, permit.model)
	p.streamed.sample(now, after)
	p.streams.add(after)
	if permit.Probes() {
		m := e.model(now, permit.model)
		e.whole.decided(now, permit.probesWhole)
		m.decided(now, permit.probesModel)
		e.tell(now, permit.model, m)
	}
	return publish
}

// startOver forgets how long was waited where a breaker is open now: it says how ill the endpoint was, and would keep the request away that
// finds out whether it still is.
func (e *Endpoint) startOver(name string, m *model) {
	switch {
	case e.whole.open:
		for _, p := range e.paces {
			p.forget()
		}
	case m.open && e.paces[name] != nil:
		e.paces[name].forget()
	}
}

// pace returns that of one model, which is made where there is none. The map itself is never changed: readers have it.
func (e *Endpoint) pace(now time.Time, name string) *pace {
	p := e.paces[name]
	if p == nil {
		paces := make(map[string]*pace, len(e.paces)+1)
		maps.Copy(paces, e.paces)
		if len(paces) >= maxModels {
			oldest := ""
			for name, p := range paces {
				if oldest == "" || p.used.Before(paces[oldest].used) {
					oldest = name
				}
			}
			delete(paces, oldest)
		}
		p = &pace{}
		paces[name] = p
		e.paces = paces
	}
	p.used = now
	return p
}

// Expect returns how long a request for a model is likely to wait here, were it alone: for the first byte of a stream, or for a whole
// answer. It is not known where none was made.
func (s *Status) Expect(now time.Time, model string, streamed bool) (d time.Duration, known bool) {
	p := s.paces[model]
	if p == nil {
		return 0, false
	}
	return p.of(streamed).expect(now)
}

// Clear says that nothing stands against the endpoint, whatever the model, and that it takes its whole weight: there is no need to
// look closer.
func (s *Status) Clear() bool { return s.clear }
