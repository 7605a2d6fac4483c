package balance

import (
	"testing"

	"github.com/tollhouse/tollhouse/actors/affinity"
	"github.com/tollhouse/tollhouse/actors/health"
)

func TestAKeyStaysAtItsEndpoint(t *testing.T) {
	w := newWorld(t, Affinity, 1, 1, 1, 1)
	home := map[uint64]int{}
	for key := range uint64(400) {
		w.request.Key = key + 1
		home[key+1] = w.choose()
	}
	moved := 0
	w.away[2] = true
	for key, at := range home {
		w.request.Key = key
		switch now := w.choose(); {
		case at != 2 && now != at:
			t.Errorf("key %d went from %d to %d, and 2 is the one that is away", key, at, now)
		case at == 2:
			moved++
		}
	}
	if moved < 50 || moved > 150 {
		t.Errorf("%d of 400 keys lived at one of four", moved)
	}
	w.away[2] = false
	for key, at := range home {
		w.request.Key = key
		w.wants(at, "it is back")
	}
}

// One key makes all the load: no endpoint gets more than a quarter above its share, and the endpoint of its own gets all it may have.
func TestAHotKeyDrownsNobody(t *testing.T) {
	w := newWorld(t, Affinity, 2, 1, 1)
	w.request.Key = 42
	at := make([]int, 3)
	for n := 1; n <= 400; n++ {
		i, _ := w.send()
		at[i]++
		for i, e := range w.endpoints {
			if most := (5*n*e.Weight + 15) / 16; at[i] > most { // 1.25 · n · weight / 4, rounded up
				t.Fatalf("of %d requests %d are at endpoint %d: %v", n, at[i], i, at)
			}
		}
	}
	full := 0
	for i, e := range w.endpoints {
		if at[i] == 125*e.Weight {
			full++
		}
	}
	if full == 0 {
		t.Errorf("nobody is filled up before the next gets any: %v", at)
	}
}

func TestAnOverloadedEndpointIsPassedOverForTheNextOfTheKey(t *testing.T) {
	w := newWorld(t, Affinity, 1, 1, 1)
	w.request.Key = 7
	home := w.choose()
	w.away[home] = true
	next := w.choose()
	w.away[home] = false
	busy := make([]int, 3)
	for i := range busy {
		busy[i] = 4
	}
	busy[home] = 6
	w.busy(busy...)
	w.wants(home, "6 of 14 is less than a quarter above a third of 15")
	busy = make([]int, 3)
	busy[home] = 1
	w.busy(busy...)
	w.wants(next, "7 of 15 is more than a quarter above a third of 16")
	for _, other := range []int{0, 1, 2} {
		if other != home {
			w.states[other] = health.Endpoint{}
		}
	}
	w.wants(next, "the others have nothing to do")
}

func TestRendezvousByWeight(t *testing.T) {
	for draw := range uint64(100) {
		a, b := affinity.Draw(draw, 1), affinity.Draw(draw, 2)
		if affinity.Before(a, 3, b, 3) != (affinity.Score(a, 3) > affinity.Score(b, 3)) {
			t.Errorf("%d and %d of the same weight are ordered in two ways", a, b)
		}
	}
}
