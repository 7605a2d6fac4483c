package journal

import (
	"encoding/json"
	"slices"

	"github.com/tollhouse/tollhouse/events"
)

// openRequest is what the journal knows of a request that is not closed: what it needs to settle it should the process die,
// and where its records stand.
type openRequest struct {
	accept   events.Accept
	attempts uint16        // the number of the last
	running  []openAttempt // not settled yet, the earliest first
	won      uint16        // the attempt that succeeded; 0: none
	status   uint16        // of that one
	closed   bool          // only settlements are missing
	owed     []openAttempt // whose settlements a power loss has taken
	home     *segment      // the oldest segment it needs
	room     int64         // that is reserved for its closing, and again for the settlement of each open attempt

	first [1]openAttempt // hardly a request has more than one at a time
}

// openAttempt is an attempt that is not settled.
type openAttempt struct {
	start *events.Start
	note  *events.Note // the newest; nil: none
}

func numbered(attempts []openAttempt, n uint16) int {
	return slices.IndexFunc(attempts, func(a openAttempt) bool { return a.start.Attempt == n })
}

// begun takes note of an attempt that runs from now on.
func (r *openRequest) begun(s *events.Start) {
	if r.running == nil {
		r.running = r.first[:0]
	}
	r.running = append(r.running, openAttempt{start: s})
	r.attempts = max(r.attempts, s.Attempt)
}

// overtaken takes note that a later attempt begins, which runs beside no other: what is still running was settled, and the settlement
// is in a hole.
func (r *openRequest) overtaken() {
	r.owed = append(r.owed, r.running...)
	r.running = r.running[:0]
}

// noted keeps how far a running attempt is; false: it does not run.
func (r *openRequest) noted(n *events.Note) bool {
	i := numbered(r.running, n.Attempt)
	if i < 0 {
		return false
	}
	r.running[i].note = n
	return true
}

// settled takes note of an attempt's settlement; false: it did not run.
func (r *openRequest) settled(e *events.AttemptSettled) bool {
	i := numbered(r.running, e.Attempt)
	if i >= 0 {
		r.running = slices.Delete(r.running, i, i+1)
	}
	if e.Outcome == events.AttemptSuccess {
		r.won, r.status = e.Attempt, e.Status
	}
	return i >= 0
}

// carried is an open request as a carry record holds it.
type carried struct {
	Accept   events.Accept         `json:"accept"`
	Attempts uint16                `json:"attempts"`
	Start    *events.Start         `json:"start,omitempty"`
	Note     json.RawMessage       `json:"note,omitempty"`
	Beside   []carriedAttempt      `json:"beside,omitempty"` // that run beside it
	Last     events.AttemptOutcome `json:"last,omitempty"`   // success: one has succeeded
	Won      uint16                `json:"won,omitempty"`    // which; 0: the last
	Status   uint16                `json:"status,omitempty"`
}

type carriedAttempt struct {
	Start *events.Start   `json:"start"`
	Note  json.RawMessage `json:"note,omitempty"`
}

func (r *openRequest) carried() carried {
	c := carried{Accept: r.accept, Attempts: r.attempts, Won: r.won, Status: r.status}
	if r.won > 0 {
		c.Last = events.AttemptSuccess
	}
	for i, a := range r.running {
		one := carriedAttempt{Start: a.start}
		if a.note != nil {
			one.Note = a.note.AppendJSON(nil)
		}
		if i == 0 {
			c.Start, c.Note = one.Start, one.Note
		} else {
			c.Beside = append(c.Beside, one)
		}
	}
	return c
}

// request is the open request again.
func (c *carried) request() (*openRequest, error) {
	r := &openRequest{accept: c.Accept, attempts: c.Attempts, won: c.Won, status: c.Status}
	if c.Last == events.AttemptSuccess && r.won == 0 {
		r.won = r.attempts
	}
	all := c.Beside
	if c.Start != nil {
		all = slices.Insert(all, 0, carriedAttempt{c.Start, c.Note})
	}
	for _, a := range all {
		r.begun(a.Start)
		if len(a.Note) == 0 {
			continue
		}
		n := new(events.Note)
		if err := json.Unmarshal(a.Note, n); err != nil {
			return nil, err
		}
		r.noted(n)
	}
	return r, nil
}
