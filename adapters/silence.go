package adapters

import (
	"sync"
	"sync/atomic"
	"time"
)

// lingerTime is how long the body's end may take behind a stream's last event.
const lingerTime = time.Second

// looks is how often in an idle timeout it is looked whether something came: a silence is ended within a quarter more than the timeout.
const looks = 4

// silence ends a call whose upstream says nothing for too long. One timer serves the whole stream, and a read costs it two additions: the
// timer looks now and then whether the same read still waits. Time that a slow client takes is not held against the upstream.
type silence struct {
	reads atomic.Uint32 // odd while one waits

	mu      sync.Mutex
	call    *call
	timer   *time.Timer
	waits   waits
	timeout time.Duration
	seen    uint32 // reads, at the last look
	silent  int    // looks at the same read
}

// waits is what is waited for.
type waits uint8

const (
	waitsForFirst waits = iota
	waitsForMore
	waitsForEnd
	waitsNoMore
)

// first bounds the wait for the first byte; 0 is no bound.
func (w *silence) first(c *call, d time.Duration) {
	w.call = c
	if d > 0 {
		w.timer = time.AfterFunc(d, w.look)
	}
}

// more goes over to bounding each wait for more, unless the end is all that is left.
func (w *silence) more(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waits != waitsForFirst {
		return
	}
	w.waits, w.timeout = waitsForMore, d
	w.set(d / looks)
}

// end goes over to bounding the wait for the body's end.
func (w *silence) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waits = waitsForEnd
	w.set(lingerTime)
}

func (w *silence) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waits = waitsNoMore
	w.set(0)
}

// set sets the timer, or stops it. w.mu is held.
func (w *silence) set(d time.Duration) {
	switch {
	case d > 0 && w.timer == nil:
		w.timer = time.AfterFunc(d, w.look)
	case d > 0:
		w.timer.Reset(d)
	case w.timer != nil:
		w.timer.Stop()
	}
}

// readBegins and readEnds stand around each read for more.
func (w *silence) readBegins() { w.reads.Add(1) }
func (w *silence) readEnds()   { w.reads.Add(1) }

func (w *silence) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch w.waits {
	case waitsForFirst:
		w.call.cancel(ErrTimeoutFirstByte)
	case waitsForMore:
		now := w.reads.Load()
		if w.silent++; now%2 == 0 || now != w.seen {
			w.seen, w.silent = now, 0
		}
		if w.silent == looks {
			w.call.cancel(ErrTimeoutIdle)
			return
		}
		w.set(w.timeout / looks)
	case waitsForEnd:
		w.call.cancel(ErrTimeoutIdle)
	}
}
