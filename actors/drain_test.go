package actors_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/actors/actortest"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// A drain waits as long as it may, and then ends what is left: whatever is being waited for, and also where the client cannot be
// written to any more.
func TestDrainEndsWhatIsLeft(t *testing.T) {
	frames := []string{"a", "b", "c"}
	cases := map[string]struct {
		script actortest.Call
		stream bool
		reads  int // frames, and then its connection is closed; 0: it reads on
	}{
		"an attempt":          {script: actortest.Hang},
		"a stream unopened":   {script: actortest.Hang, stream: true},
		"a pause":             {script: actortest.Status(503, events.ErrorOverloaded, 20*time.Second)},
		"a stream":            {script: actortest.Stream(frames, nil), stream: true},
		"a stream that stuck": {script: actortest.Stream(frames, nil), stream: true, reads: 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, c.script)
				client := make(chan error, 1)
				go func() {
					res, err := w.forward(context.Background(), "gpt", c.stream)
					if err != nil || res.Stream == nil {
						client <- err
						return
					}
					n := 0
					for _, err = range res.Stream {
						time.Sleep(11 * time.Second) // it is slow
						if n++; n == c.reads {
							break
						}
					}
					client <- err
				}()
				synctest.Wait()
				grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				begin := time.Now()
				if err := w.f.Drain(grace); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("it waited for nothing: %v", err)
				}
				if took := time.Since(begin); took < 10*time.Second || took > 25*time.Second {
					t.Errorf("it took %s", took)
				}
				if err := <-client; c.reads == 0 && adapters.AsError(err).Code != adapters.CodeShuttingDown {
					t.Errorf("the client was told %v", err)
				}
				for _, broken := range w.recorder.Check() {
					t.Error(broken)
				}
				if r := w.closed(); r == nil || r.Outcome != events.RequestCancelled || r.ClientDisconnected || r.ErrorCode != "shutting_down" {
					t.Errorf("closed as %+v", r)
				}
			})
		})
	}
}
