package journal

import (
	"bytes"
	"context"
	"errors"
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

// Nor may an attempt be lost between two: the start of the second may outlive the settlement of the first, which had its ticket.
func TestAnAttemptThatOutlivesTheSettlementBeforeIt(t *testing.T) {
	outlived := 0
	for seed := range uint64(60) {
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
			disk.Fail(func(op, _ string) error {
				if op == "sync" {
					return journaltest.ErrLie // so that what follows is written, and not on the platter
				}
				return nil
			})
			second := *s
			second.Attempt, second.SentModel = 2, strings.Repeat("m", 600)
			j.Settle(settlement(a, s, events.AttemptRetryable))
			if _, err := j.Start(context.Background(), &second); err != nil {
				t.Fatal(err)
			}
			if seed%2 == 0 {
				j.SettleAndClose(settlement(a, &second, events.AttemptSuccess), closing(a))
				if err := j.flush(); err != nil {
					t.Fatal(err)
				}
			}
			process.Kill()
			_ = j.Stop()
			disk.Fail(nil)
			disk.PowerLoss()

			o.FS, o.BootID = disk, func() (string, error) { return "2", nil }
			j = open(t, o)
			ids := map[string]int{}
			for _, r := range publishedEvents(t, j, 1) {
				ids[r.EventID]++
			}
			if ids[events.SettledEventID(a.RequestID, 2)] > 0 {
				outlived++
			}
			if ids[events.SettledEventID(a.RequestID, 1)] != 1 || ids[events.SettledEventID(a.RequestID, 2)] > 1 || ids[events.ClosedEventID(a.RequestID)] != 1 {
				t.Errorf("seed %d: the request's facts are %v", seed, ids)
			}
			if err := j.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	if outlived == 0 {
		t.Error("in no run did a second attempt outlive the power loss")
	}
}

// A header that was being written when its process died is a spare, wherever the write ended; one that was damaged is not.
func TestAHeaderIsTornOrDamaged(t *testing.T) {
	read := func(h []byte) (s segment, err error) {
		disk := journaltest.NewDisk(rand.New(rand.NewPCG(1, 1)))
		s.file, _ = disk.Open("/seg")
		if _, err := s.file.WriteAt(append(h, make([]byte, 1024)...), 0); err != nil {
			t.Fatal(err)
		}
		return s, s.readHeader("gw-1")
	}
	for range 300 { // nonces
		disk := journaltest.NewDisk(rand.New(rand.NewPCG(1, 1)))
		file, _ := disk.Open("/seg")
		s := segment{file: file, epoch: 1, first: 7, order: 3}
		if err := s.begin("gw-1"); err != nil {
			t.Fatal(err)
		}
		h := make([]byte, segmentHeader)
		if _, err := file.ReadAt(h, 0); err != nil {
			t.Fatal(err)
		}
		for n := range segmentHeader {
			torn := append(bytes.Clone(h[:n]), make([]byte, segmentHeader-n)...)
			if s, err := read(torn); !errors.Is(err, errNoSegment) || !s.blank {
				t.Fatalf("%d bytes of a header: blank %v, %v", n, s.blank, err)
			}
			damaged := bytes.Clone(h)
			damaged[n] ^= 0x10
			if s, err := read(damaged); !errors.Is(err, errNoSegment) || s.blank && damaged[0] != 0 && damaged[segmentHeader-1] != 0 {
				t.Fatalf("byte %d of a header damaged: blank %v, %v", n, s.blank, err)
			}
		}
	}
}
