package routing

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// ResolveStored returns the candidates for a request that is about a stored answer and names no model: every registry of the consumer
// that speaks its dialect.
func ResolveStored(c *Consumer, requestID string, dialect adapters.Dialect) (Route, error) {
	r := Route{}
	add := func(reg *adapters.Registry, fallback bool) {
		switch {
		case slices.ContainsFunc(r.Candidates, func(c Candidate) bool { return c.Registry == reg }):
		case !native(reg, dialect, adapters.OperationStored, ""):
			r.Passed = append(r.Passed, Passed{Registry: reg.Name, Reason: events.OtherFormat})
		default:
			r.Candidates = append(r.Candidates, Candidate{Registry: reg, Fallback: fallback})
		}
	}
	if c.Pool != nil {
		for _, m := range c.Pool.Members {
			add(m.Registry, false)
		}
		weigh(r.Candidates, c.Pool.Members)
		byWeight(r.Candidates, requestID)
	}
	for _, f := range c.Fallback {
		add(f.Registry, true)
	}
	if len(r.Candidates) == 0 {
		return r, &adapters.Error{
			Code: adapters.CodeUnsupportedFeature, Cause: ErrNoBackendsInPool,
			Message: "no provider of this key's pool keeps answers",
		}
	}
	return r, nil
}

func native(reg *adapters.Registry, dialect adapters.Dialect, op adapters.Operation, sentModel string) bool {
	return reg.Provider.Dialect(dialect, op, sentModel) == dialect
}

// KeepNative leaves only the candidates that speak the dialect itself, where there are any: no other can have a stored answer.
func (r *Route) KeepNative(dialect adapters.Dialect, op adapters.Operation) {
	var kept []Candidate
	passed := r.Passed
	for _, c := range r.Candidates {
		if native(c.Registry, dialect, op, c.SentModel) {
			kept = append(kept, c)
		} else {
			passed = append(passed, Passed{c.Registry.Name, c.SentModel, events.OtherFormat})
		}
	}
	if len(kept) > 0 {
		r.Candidates, r.Passed = kept, passed
	}
}

// Pin leaves only the endpoint that keeps the answer.
func (r *Route) Pin(registry, endpoint, param string) error {
	gone := &adapters.Error{
		Code: adapters.CodeInvalidRequest, Status: http.StatusNotFound, Param: param,
		Message: fmt.Sprintf("the endpoint that keeps this response (%s/%s) is not configured for this key and model any more", registry, endpoint),
	}
	for _, c := range r.Candidates {
		if c.Registry.Name != registry {
			continue
		}
		for _, e := range c.Registry.Endpoints {
			if e.Name == endpoint {
				c.Endpoint = e
				r.Candidates = []Candidate{c}
				return nil
			}
		}
	}
	return gone
}
