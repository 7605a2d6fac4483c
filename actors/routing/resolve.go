package routing

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// What resolving can find wrong; each comes inside an *adapters.Error that the client is shown.
var (
	ErrModelNotAllowed   = errors.New("model not allowed")
	ErrNoBackendsInPool  = errors.New("no registry in the pool serves the model")
	ErrMalformedModelRef = errors.New("malformed model reference")
)

// Candidate is one registry that may answer, with the model it is to be sent.
type Candidate struct {
	Registry  *adapters.Registry
	SentModel string
	Weight    int       // in its pool
	Fallback  bool      // it stands behind the pool
	On        []Trigger // kinds of failure that a fallback is for; none: any that is retried
	// Endpoint is the only one that may answer; nil: any of the registry's.
	Endpoint *adapters.Endpoint
}

// Passed is a registry that was passed over, and why.
type Passed struct {
	Registry string
	Model    string // as it would have been sent; empty where the registry does not serve it
	Reason   events.Reason
}

// Route is what a model reference comes to.
type Route struct {
	Model      string // the name after aliases
	Candidates []Candidate
	Passed     []Passed
}

// Resolve turns a model reference into the ordered candidates for one request. The order within the pool is the pool's policy's; views
// tell it what is known of the registries, nil: nothing.
func Resolve(s *Snapshot, c *Consumer, requestID, ref string, dialect adapters.Dialect, op adapters.Operation, views Views) (Route, error) {
	target, err := parse(s, c, ref)
	if err != nil {
		return Route{}, err
	}
	r := Route{Model: target.model}
	if !allowed(c.Models.Allow, target.model) {
		return r, &adapters.Error{
			Code: adapters.CodeModelNotAllowed, Param: "model", Cause: ErrModelNotAllowed,
			Message: fmt.Sprintf("model %q is not allowed for this key", target.model),
		}
	}
	for _, m := range target.members {
		r.add(Candidate{Registry: m.Registry}, target.model, dialect, op)
	}
	weigh(r.Candidates, target.members)
	target.pool.rank(r.Candidates, requestID, views)
	for _, f := range target.fallback {
		r.add(Candidate{Registry: f.Registry, Fallback: true, On: f.On}, f.ask(target.model), dialect, op)
	}
	if len(r.Candidates) == 0 {
		return r, r.none(target)
	}
	return r, nil
}

// add takes a registry as a candidate, or notes why not. A registry stands once.
func (r *Route) add(c Candidate, model string, dialect adapters.Dialect, op adapters.Operation) {
	reg := c.Registry
	c.SentModel = cmp.Or(reg.ModelMap[model], model)
	switch {
	case slices.ContainsFunc(r.Candidates, func(o Candidate) bool { return o.Registry == reg && o.SentModel == c.SentModel }):
	case len(reg.Models) > 0 && !matchAny(reg.Models, model):
		r.Passed = append(r.Passed, Passed{Registry: reg.Name, Reason: events.NotServed})
	case !adapters.Reaches(dialect, reg.Provider, op, c.SentModel):
		r.Passed = append(r.Passed, Passed{reg.Name, c.SentModel, events.OtherFormat})
	default:
		r.Candidates = append(r.Candidates, c)
	}
}

// none says why no registry is left: what the client asked for does not exist here, or not in its dialect.
func (r *Route) none(target target) error {
	serves := false
	for _, p := range r.Passed {
		serves = serves || p.Reason == events.OtherFormat
	}
	switch {
	case len(target.members)+len(target.fallback) == 0:
		return &adapters.Error{
			Code: adapters.CodeNoRegistryInPool, Message: "no registry is in this key's pool", Cause: ErrNoBackendsInPool,
		}
	case serves:
		return &adapters.Error{
			Code: adapters.CodeUnsupportedFeature, Param: "model", Cause: ErrNoBackendsInPool,
			Message: fmt.Sprintf("model %q is served in another API format only", r.Model),
		}
	}
	return &adapters.Error{
		Code: adapters.CodeModelNotFound, Param: "model", Cause: ErrNoBackendsInPool,
		Message: fmt.Sprintf("no registry serves model %q", r.Model),
	}
}

// target is a parsed model reference.
type target struct {
	model    string
	pool     *Pool // whose policy orders the members
	members  []Member
	fallback []Fallback // behind them
}

func parse(s *Snapshot, c *Consumer, ref string) (target, error) {
	t := target{fallback: c.Fallback}
	if c.Pool != nil {
		t.pool, t.members = c.Pool, c.Pool.Members
	}
	malformed := func(format string, args ...any) (target, error) {
		e := adapters.InvalidRequest("model", format, args...)
		e.Cause = errors.Join(ErrMalformedModelRef, adapters.ErrInvalidRequestPayload)
		return target{}, e
	}
	name := ref
	switch {
	case strings.HasPrefix(ref, "pool:"):
		pool, model, _ := strings.Cut(strings.TrimPrefix(ref, "pool:"), "/")
		p := s.Pools[pool]
		if p == nil {
			return malformed("model %q: there is no pool %q", ref, pool)
		}
		t.pool, t.members, name = p, p.Members, model
	case strings.HasPrefix(ref, "@"):
		where, model, ok := strings.Cut(strings.TrimPrefix(ref, "@"), "/")
		if !ok || where == "" || model == "" {
			return malformed("model %q: wants @REGISTRY/model or @PROVIDER/model", ref)
		}
		t.members, t.fallback = named(s, t.members, c.Fallback, where)
		name = model
		if len(t.members)+len(t.fallback) == 0 {
			return malformed("model %q: this key has no registry or provider %q", ref, where)
		}
	}
	if name == "" || name == "auto" {
		if c.Models.Default == "" {
			return malformed("model must be given: this key has no default model")
		}
		name = c.Models.Default
	}
	if alias := c.Models.Aliases[name]; alias != "" {
		name = alias
	}
	t.model = name
	return t, nil
}

// named finds the consumer's registry of that name, else those of that provider. A key reaches only what it was given. The model is
// the one that the reference names, also for a fallback that would have another.
func named(s *Snapshot, members []Member, fallback []Fallback, where string) (named []Member, behind []Fallback) {
	registry := s.Registries[where]
	is := func(r *adapters.Registry) bool {
		return r == registry || registry == nil && r.Provider.Name() == where
	}
	for _, m := range members {
		if is(m.Registry) {
			named = append(named, m)
		}
	}
	for _, f := range fallback {
		if is(f.Registry) {
			behind = append(behind, Fallback{Registry: f.Registry})
		}
	}
	return named, behind
}

func allowed(globs []string, model string) bool { return len(globs) == 0 || matchAny(globs, model) }

// matchAny matches a model against globs. A star matches anything, also a slash: model names have them.
func matchAny(globs []string, model string) bool {
	flat := strings.ReplaceAll(model, "/", "\x00")
	for _, g := range globs {
		if ok, err := path.Match(strings.ReplaceAll(g, "/", "\x00"), flat); ok && err == nil {
			return true
		}
	}
	return false
}

// Match reports whether one of the globs matches the model; none match anything.
func Match(globs []string, model string) bool { return allowed(globs, model) }
