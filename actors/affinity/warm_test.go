package affinity

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestWhoHasABeginning(t *testing.T) {
	a, b := &adapters.Endpoint{Name: "a"}, &adapters.Endpoint{Name: "b"}
	table := NewTable()
	now := noon
	wants := func(why string, key uint64, model string, want ...any) {
		t.Helper()
		got := table.Holders(now, key, model)
		if len(got) != len(want)/2 {
			t.Errorf("%s: %d hold it: %+v", why, len(got), got)
			return
		}
		for i := range got {
			if got[i].Endpoint != want[2*i] || got[i].PerMille != uint64(want[2*i+1].(int)) {
				t.Errorf("%s: %s with %d ‰, want %v", why, got[i].Endpoint.Name, got[i].PerMille, want)
			}
		}
	}
	wants("nobody was sent it", 1, "m")
	table.Sent(now, 1, "m", a, 4000, 0, 0)
	wants("sent once, and nothing is known of its cache", 1, "m", a, firstGuess)
	wants("another beginning", 2, "m")
	wants("another model", 1, "n")
	table.Sent(now, 1, "m", b, 500, 0, 0)
	wants("so little is not cached", 1, "m", b, 0, a, firstGuess)
	table.Sent(now, 1, "m", a, 4000, 3000, 0)
	wants("it was read", 1, "m", a, 750, b, 0)
	table.Sent(now, 1, "n", a, 4000, 1000, 2800)
	wants("what was written can be read next time", 1, "n", a, 950)
	wants("each model for itself", 1, "m", a, 750, b, 0)
	now = now.Add(WarmFor - 1)
	table.Sent(now, 1, "m", b, 4000, 0, 0)
	wants("it does not cache", 1, "m", b, 0, a, 750)
	now = now.Add(1)
	wants("the first is forgotten", 1, "m", b, 0)
	now = now.Add(WarmFor)
	wants("and the other", 1, "m")
	table.Sent(now, 1, "m", b, 4000, 0, 0)
	wants("it begins anew", 1, "m", b, firstGuess)
	table.Sent(now, 1, "m", a, 4000, 9000, 0)
	wants("never more than all", 1, "m", a, wholeCached, b, firstGuess)
}

func TestTheTableIsBounded(t *testing.T) {
	table := NewTable()
	now := noon
	e := &adapters.Endpoint{}
	for key := range uint64(3 * maxKeys) {
		table.Sent(now, key, "m", e, 4000, 0, 0)
		table.Sent(now, 7, "m", e, 4000, 0, 0)
	}
	if n := len(table.recent) + len(table.older); n > maxKeys {
		t.Errorf("%d beginnings are remembered", n)
	}
	if len(table.Holders(now, 3*maxKeys-1, "m")) == 0 || len(table.Holders(now, 7, "m")) == 0 {
		t.Error("what was sent last is forgotten")
	}
	if len(table.Holders(now, 1, "m")) != 0 {
		t.Error("what was sent first is remembered")
	}
	for i := range 10 {
		table.Sent(now, 7, "m", &adapters.Endpoint{Name: fmt.Sprint(i)}, 4000, 0, 0)
	}
	if n := len(table.Holders(now, 7, "m")); n != maxHolders {
		t.Errorf("%d endpoints of one beginning are remembered", n)
	}
	table.Sent(now.Add(WarmFor), 8, "m", e, 4000, 0, 0)
	table.Sent(now.Add(2*WarmFor), 8, "m", e, 4000, 0, 0)
	if n := len(table.recent) + len(table.older); n > 2 {
		t.Errorf("%d are remembered for nothing", n)
	}
}

func TestTheTableIsForMany(t *testing.T) {
	table := NewTable()
	var all sync.WaitGroup
	for g := range 4 {
		e := &adapters.Endpoint{Name: fmt.Sprint(g)}
		all.Go(func() {
			for i := range 2000 {
				table.Sent(noon, uint64(i%5), "m", e, 4000, 0, 0)
				for _, h := range table.Holders(noon, uint64(i%5), "m") {
					if h.Endpoint == nil || h.PerMille > wholeCached {
						t.Errorf("%+v", h)
						return
					}
				}
			}
		})
	}
	all.Wait()
}
