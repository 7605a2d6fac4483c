package query

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/events"
)

// Candidate is an endpoint, or a whole registry, that was looked at for an attempt, as events.Considered says it.
type Candidate struct {
	Attempt  uint16 `json:"attempt" ch:"attempt"`
	Registry string `json:"registry" ch:"registry"`
	Endpoint string `json:"endpoint,omitempty" ch:"endpoint"` // empty: none of the registry's was looked at
	Model    string `json:"model,omitempty" ch:"model"`       // as it would have been sent
	Reason   string `json:"reason" ch:"reason"`               // chosen, or why it was passed over
	// Score is what the balancing policy compared, the lowest best; 0 where it compared nothing. Its unit is the policy's, see
	// events.Considered.
	Score uint64 `json:"score,omitempty" ch:"score"`
}

// place gives each attempt its candidates, the one that was chosen first. What is left is the story of attempts that were never begun.
func (s *Story) place() {
	slices.SortStableFunc(s.Considered, func(a, b Candidate) int {
		if a.Attempt != b.Attempt {
			return int(a.Attempt) - int(b.Attempt)
		}
		return a.rank() - b.rank()
	})
	var rest []Candidate
	for _, c := range s.Considered {
		i := slices.IndexFunc(s.Attempts, func(a Attempt) bool { return a.Attempt == c.Attempt })
		if i < 0 {
			rest = append(rest, c)
			continue
		}
		s.Attempts[i].Considered = append(s.Attempts[i].Considered, c)
	}
	s.Considered = rest
}

func (c Candidate) rank() int {
	if c.Reason == string(events.Chosen) {
		return 0
	}
	return 1
}

// tell says what became of a candidate; its model is named where it is not the one that everybody knows of.
func (c Candidate) tell(model string) string {
	var b strings.Builder
	b.WriteString(c.Registry)
	b.WriteString(optional("/", c.Endpoint))
	if c.Model != model {
		b.WriteString(optional(" as ", c.Model))
	}
	b.WriteString(optional(" ", c.Reason))
	if c.Score != 0 {
		fmt.Fprintf(&b, " (score %d)", c.Score)
	}
	return b.String()
}

// neverBegan tells of the attempts for which there were candidates, and no record.
func (p *printer) neverBegan(all []Candidate, model string) {
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Attempt == all[0].Attempt {
			n++
		}
		p.line("  attempt %d never began, as far as the books know", all[0].Attempt)
		p.considered(all[:n], model)
		all = all[n:]
	}
}

func (p *printer) considered(all []Candidate, model string) {
	if len(all) == 0 {
		return
	}
	told := make([]string, len(all))
	for i, c := range all {
		told[i] = c.tell(model)
	}
	p.line("    considered %s", strings.Join(told, ", "))
}
