package events

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRequestIDTellsItsMillisecondAndSortsByIt(t *testing.T) {
	start := time.Date(2026, 11, 23, 10, 0, 0, 123_000_000, time.UTC)
	var ids []string
	for i := range 1000 {
		at := start.Add(time.Duration(i) * 977 * time.Millisecond)
		id := NewRequestID(at)
		if len(id) != 30 || !strings.HasPrefix(id, "req_") {
			t.Fatalf("id %q: want req_ and 26 characters", id)
		}
		got, err := RequestIDTime(id)
		if err != nil || !got.Equal(at) {
			t.Fatalf("time of %q = %v, %v, want %v", id, got, err, at)
		}
		ids = append(ids, id)
	}
	if !slices.IsSorted(ids) {
		t.Error("ids do not sort by time")
	}
}

func TestRequestIDsDiffer(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	seen := map[string]bool{}
	for range 10_000 {
		id := NewRequestID(now)
		if seen[id] {
			t.Fatalf("%s came twice", id)
		}
		seen[id] = true
	}
}

func TestRequestIDTimeRefusesWhatIsNoID(t *testing.T) {
	for _, id := range []string{
		"", "req_", "req_0", "REQ_01234567890123456789012345", "req_8zzzzzzzzzzzzzzzzzzzzzzzzz",
		"req_0123456789012345678901234u", "req_012345678901234567890123456",
	} {
		if _, err := RequestIDTime(id); !errors.Is(err, ErrRequestID) {
			t.Errorf("RequestIDTime(%q) = %v, want ErrRequestID", id, err)
		}
	}
}

func TestEventIDsAreDerived(t *testing.T) {
	for got, want := range map[string]string{
		SettledEventID("req_x", 12):             "req_x/12/settled",
		ClosedEventID("req_x"):                  "req_x/closed",
		NumberedEventID("gw-1", 17, 42, "mark"): "gw-1/17/42/mark",
	} {
		if got != want {
			t.Errorf("event id %q, want %q", got, want)
		}
	}
}
