package journal

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tollhouse/tollhouse/events"
	"github.com/tollhouse/tollhouse/events/journal/journaltest"
)

// Of what was written last before the power failed, the disk may keep the later part and not the earlier: a closing without the settlement
// before it. The attempt had its ticket, so that it is settled all the same.
func TestAClosingThatOutlivesItsSettlement(t *testing.T) {
	outlived := 0
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			disk := journaltest.NewDisk(rand.New(rand.NewPCG(seed, 1)))
			process := disk.NewProcess(0, nil)
			o := Options{Dir: "/j", GatewayID: "gw-1", SegmentBytes: 256 << 10, MaxBytes: 8 << 20, Sync: SyncAlways, FS: process}
			o.BootID = func() (string, error) { return "1", nil }
			j := open(t, o)
			a, s := request(1)
			a.Labels["long"] = strings.Repeat("x", 600) // so that each record has a sector of its own
			if _, err := j.Begin(context.Background(), a, s); err != nil {
				t.Fatal(err)
			}
			j.SettleAndClose(settlement(a, s, events.AttemptSuccess), closing(a))
			if err := j.flush(); err != nil {
				t.Fatal(err)
			}
			process.Kill()
			_ = j.Stop()
			disk.PowerLoss()

			o.FS, o.BootID = disk, func() (string, error) { return "2", nil }
			j = open(t, o)
			ids := map[string]int{}
			gaps := 0
			for _, r := range publishedEvents(t, j, 1) {
				ids[r.EventID]++
				if r.Type == events.TypeGap {
					gaps++
				}
			}
			outlived += gaps
			if ids[events.SettledEventID(a.RequestID, 1)] != 1 || ids[events.ClosedEventID(a.RequestID)] != 1 {
				t.Errorf("seed %d, %d gaps: the request's facts are %v", seed, gaps, ids)
			}
			if err := j.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	if outlived == 0 {
		t.Error("in no run did a closing outlive its settlement")
	}
}
