package journal

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/events"
)

// R3 with the largest events that there can be: as many labels as can be configured, names that double when they are quoted, every
// member full, more candidates than are told, and streams that say much on the way.
func TestTheRoomOfWhatIsOpenHoldsTheLargestEvents(t *testing.T) {
	name := strings.Repeat(`"`, 256)
	o := options(t.TempDir())
	j := open(t, o)
	var taken []*events.Accept
	var starts []*events.Start
	for i := 0; ; i++ {
		a, s := request(i)
		a.Consumer, a.RequestedModel, s.SentModel = strings.Repeat("c", 64), name, name
		for l := range 63 {
			a.Labels[fmt.Sprintf("%02d%s", l, strings.Repeat(`"`, 62))] = name
		}
		if _, err := j.Begin(context.Background(), a, s); err != nil {
			break
		}
		taken, starts = append(taken, a), append(starts, s)
	}
	largest := 0
	for i, a := range taken {
		settled := settlement(a, starts[i], events.AttemptSuccess)
		settled.Model, settled.ResponseID, settled.UpstreamRequestID, settled.NativeFinishReason = name, name, name, name
		settled.ErrorClass, settled.FinishReason, settled.FirstByteAt = events.ErrorTransport, events.FinishToolCalls, a.ReceivedAt
		for n := range 50 {
			j.Note(&events.Note{RequestID: a.RequestID, Attempt: 1, Usage: settled.Usage, At: began.Add(time.Duration(n)), Model: name, ResponseID: name})
		}
		closed := closing(a)
		for n := range 2 * events.MaxConsidered {
			closed.Considered = append(closed.Considered, events.Considered{
				Attempt: uint16(n), Registry: name[:64], Endpoint: name[:64], Model: name, Reason: events.NotTheOwner, Score: 1 << 63,
			})
		}
		payload, _ := closed.AppendJSON(nil)
		largest = max(largest, len(payload))
		j.SettleAndClose(settled, closed)
	}
	if len(taken) < 10 || largest < events.MaxPayload*2/3 || largest > events.MaxPayload {
		t.Errorf("%d requests, whose closings have up to %d bytes", len(taken), largest)
	}
	records := publishedEvents(t, j, 1)
	if ids := check(t, records); len(ids) != 2*len(taken)+1 {
		t.Errorf("%d events for %d requests", len(ids), len(taken))
	}
	j.mu.Lock()
	segments, reserved := int64(len(j.segments)), j.reserved
	j.mu.Unlock()
	if (segments+1)*o.SegmentBytes > o.MaxBytes || reserved != 0 {
		t.Errorf("%d segments and the spare, of %d bytes each, are more than %d; %d bytes are reserved still", segments, o.SegmentBytes, o.MaxBytes, reserved)
	}
	t.Logf("%d requests in %d segments; the largest closing has %d bytes", len(taken), segments, largest)
	stop(t, j)
}

// More is open than a segment holds, for longer than several: what is carried leaves room for what is written.
func TestWhatIsOpenIsMoreThanASegment(t *testing.T) {
	o := options(t.TempDir())
	o.SegmentBytes, o.MaxBytes = 4*events.MaxPayload, 1<<30
	j := open(t, o)
	const live, others = 2000, 1500
	for n := range live {
		a, s := request(n)
		if _, err := j.Begin(context.Background(), a, s); err != nil {
			t.Fatal(err)
		}
	}
	for n := range others {
		run(t, j, live+n)
	}
	j.mu.Lock()
	for _, s := range j.segments {
		if s.off > s.size {
			t.Errorf("%s is written to %d of %d", s.name, s.off, s.size)
		}
	}
	j.mu.Unlock()
	for n := range live / 2 {
		a, s := request(n)
		j.SettleAndClose(settlement(a, s, events.AttemptSuccess), closing(a))
	}
	if ids := check(t, publishedEvents(t, j, 1)); len(ids) != 1+2*others+live {
		t.Errorf("%d events", len(ids))
	}
	crash(t, j)
	j = open(t, o)
	if ids := check(t, publishedEvents(t, j, 1)); len(ids) != 1+2*others+2*live+2 {
		t.Errorf("%d events after a crash", len(ids))
	}
	stop(t, j)
}
