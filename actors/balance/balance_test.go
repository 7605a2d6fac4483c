package balance

import (
	"fmt"
	"testing"

	"github.com/tollhouse/tollhouse/actors/health"
	"github.com/tollhouse/tollhouse/adapters"
)

func endpoints(weights ...int) []Option {
	var all []Option
	for i, w := range weights {
		var o Option
		o.Set(&adapters.Endpoint{Name: fmt.Sprint("e", i), Weight: w}, i, &health.Status{}, 1)
		all = append(all, o)
	}
	return all
}

func TestWeightedFollowsTheWeightsSmoothly(t *testing.T) {
	p := New("weighted", make([]*adapters.Endpoint, 3))
	options := endpoints(5, 1, 1)
	var order []int
	count := map[int]int{}
	for range 700 {
		i := p.Choose(&Request{}, options)
		order = append(order, i)
		count[i]++
	}
	if count[0] != 500 || count[1] != 100 || count[2] != 100 {
		t.Errorf("%v", count)
	}
	for i := 0; i+6 < len(order); i++ {
		if order[i] == 0 && order[i+1] == 0 && order[i+2] == 0 && order[i+3] == 0 && order[i+4] == 0 {
			t.Fatal("five in a row go to one: the order is not smooth")
		}
	}
}

func TestRoundRobinSkipsWhatIsNotOffered(t *testing.T) {
	p := New("round_robin", make([]*adapters.Endpoint, 3))
	all := endpoints(1, 1, 1)
	for _, want := range []int{0, 1, 2, 0} {
		if got := p.Choose(&Request{}, all); got != want {
			t.Fatalf("chose %d, want %d", got, want)
		}
	}
	if got := p.Choose(&Request{}, []Option{all[0], all[2]}); got != 1 {
		t.Errorf("with the second away chose option %d", got)
	}
}

func TestLeastBusyCountsForTheWeight(t *testing.T) {
	options := endpoints(1, 4)
	options[0].InFlight, options[1].InFlight = 1, 3
	if got := New("least_busy", make([]*adapters.Endpoint, 2)).Choose(&Request{}, options); got != 1 {
		t.Errorf("chose %d", got)
	}
}

func TestUnknownPolicy(t *testing.T) {
	if New("random", nil) != nil {
		t.Error("an unknown policy was made")
	}
}
