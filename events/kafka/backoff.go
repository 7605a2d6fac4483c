package kafka

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// backoff waits longer each time, until it is reset.
type backoff struct{ next time.Duration }

func newBackoff() *backoff { return &backoff{next: firstBackoff} }

func (b *backoff) reset() { b.next = firstBackoff }

// sleep waits, give or take half; false says that ctx ended.
func (b *backoff) sleep(ctx context.Context) bool {
	d := b.next
	b.next = min(2*b.next, lastBackoff)
	return pause(ctx, d/2+rand.N(d))
}

// pause waits d; false says that ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
