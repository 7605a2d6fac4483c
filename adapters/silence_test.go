package adapters

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestSilenceIsEnded(t *testing.T) {
	const second = time.Second
	for _, c := range []struct {
		name  string
		lives func(w *silence) // what the stream does before it falls silent
		want  error
		least time.Duration // from then on
		most  time.Duration
	}{
		{"no first byte", func(*silence) {}, ErrTimeoutFirstByte, 10 * second, 10 * second},
		{"nothing after the first", func(w *silence) { w.more(8 * second); w.readBegins() }, ErrTimeoutIdle, 8 * second, 10 * second},
		{"nothing after many", func(w *silence) {
			w.more(8 * second)
			for range 100 {
				w.readBegins()
				time.Sleep(7 * second)
				w.readEnds()
			}
			w.readBegins()
		}, ErrTimeoutIdle, 8 * second, 10 * second},
		{"a slow client", func(w *silence) {
			w.more(8 * second)
			w.readBegins()
			w.readEnds()
			time.Sleep(100 * second)
			w.readBegins()
		}, ErrTimeoutIdle, 8 * second, 10 * second},
		{"the body's end", func(w *silence) {
			w.more(8 * second)
			w.readBegins()
			w.readEnds()
			w.end()
			w.readBegins()
		}, ErrTimeoutIdle, lingerTime, lingerTime},
		{"the body's end, with the first byte", func(w *silence) {
			w.end()
			w.more(8 * second)
			w.readBegins()
		}, ErrTimeoutIdle, lingerTime, lingerTime},
		{"no bound", func(w *silence) { w.more(0); w.readBegins() }, nil, 0, 0},
		{"stopped", func(w *silence) { w.more(8 * second); w.readBegins(); w.stop() }, nil, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				var w silence
				w.first(&call{cancel: cancel}, 10*second)
				c.lives(&w)
				since := time.Now()
				if ctx.Err() != nil {
					t.Fatal("ended while it lived")
				}
				select {
				case <-ctx.Done():
				case <-time.After(time.Hour):
				}
				if took := time.Since(since); c.want != nil && (took < c.least || took > c.most) {
					t.Errorf("ended after %v", took)
				}
				if context.Cause(ctx) != c.want {
					t.Errorf("ended because of %v", context.Cause(ctx))
				}
				w.stop()
			})
		})
	}
}
