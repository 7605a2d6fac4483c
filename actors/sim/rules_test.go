package sim

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tollhouse/tollhouse/actors"
)

// policies are the names that the actors know.
func policies(t *testing.T) (known []string) {
	t.Helper()
	for _, v := range variants {
		if v.balance != "" && knows(t, v.balance) {
			known = append(known, v.balance)
		}
	}
	slices.Sort(known)
	return slices.Compact(known)
}

// knows asks the actors themselves whether there is a policy of that name.
func knows(t *testing.T, policy string) bool {
	t.Helper()
	s := &Scenario{Registries: []*Registry{{Name: "main", Balance: policy, Places: []*Place{{Name: "a"}}}}}
	f, err := actors.NewForwarder(actors.Options{Snapshot: s.snapshot(nil)})
	if err != nil {
		return false
	}
	if err := f.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
	return true
}

// seeds is how many worlds are drawn: TOLLHOUSE_SIM_SEEDS for many.
func seeds(t *testing.T) uint64 {
	if n, err := strconv.ParseUint(os.Getenv("TOLLHOUSE_SIM_SEEDS"), 10, 64); err == nil {
		return n
	}
	if testing.Short() {
		return 40
	}
	t.Log("TOLLHOUSE_SIM_SEEDS says how many worlds")
	return 1000
}

// TestTheRulesHold draws worlds in which much goes wrong, and holds all that is decided in them to the rules of Watch and Books. One world
// alone is looked at with TOLLHOUSE_SIM_SEED.
func TestTheRulesHold(t *testing.T) {
	t.Parallel()
	known, n := policies(t), seeds(t)
	first := uint64(0)
	if one, err := strconv.ParseUint(os.Getenv("TOLLHOUSE_SIM_SEED"), 10, 64); err == nil {
		first, n = one, 1
	}
	var mu sync.Mutex
	seen := map[string]int{}
	t.Run("worlds", func(t *testing.T) {
		const workers = 4
		for w := range uint64(workers) {
			t.Run(fmt.Sprint(w), func(t *testing.T) {
				t.Parallel()
				for seed := first + w; seed < first+n; seed += workers {
					rep := play(t, Random(seed, known), false)
					mu.Lock()
					for what, times := range rep.Seen {
						seen[what] += times
					}
					seen["requests"] += len(rep.Results)
					mu.Unlock()
				}
			})
		}
	})
	var told []string
	for _, what := range slices.Sorted(maps.Keys(seen)) {
		told = append(told, fmt.Sprintf("%s %d", strings.TrimSpace(what), seen[what]))
	}
	t.Logf("%d worlds: %s", n, strings.Join(told, ", "))
	if n < 40 {
		return
	}
	for _, what := range []string{
		"opened", "probe", "full", "retry", "success ", "cancelled ", "retryable transport", "retryable timeout", "retryable rate_limited",
		"retryable overloaded", "retryable credential", "terminal internal",
	} {
		if seen[what] == 0 {
			t.Errorf("%q never happens: what the rules say of it is not tried", what)
		}
	}
}
