package routing

import (
	"errors"
	"fmt"
	"math"
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
	Fallback  bool // it stands behind the pool
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

// Resolve turns a model reference into the ordered candidates for one request. The order within the pool is by weight,
// drawn by rendezvous on the request id, so that it needs no state and falls out the same for a request every time.
func Resolve(s *Snapshot, c *Consumer, requestID, ref string, dialect adapters.Dialect, op adapters.Operation) (Route, error) {
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
	for _, m := range rank(target.members, requestID) {
		r.add(m.Registry, target.model, dialect, op, false)
	}
	for _, f := range target.fallback {
		model := target.model
		if f.Model != "" {
			model = f.Model
		}
		r.add(f.Registry, model, dialect, op, true)
	}
	if len(r.Candidates) == 0 {
		return r, r.none(target)
	}
	return r, nil
}

// add takes a registry as a candidate, or notes why not. A registry stands once.
func (r *Route) add(reg *adapters.Registry, model string, dialect adapters.Dialect, op adapters.Operation, fallback bool) {
	sent := model
	if mapped := reg.ModelMap[model]; mapped != "" {
		sent = mapped
	}
	switch {
	case slices.ContainsFunc(r.Candidates, func(c Candidate) bool { return c.Registry == reg && c.SentModel == sent }):
	case len(reg.Models) > 0 && !matchAny(reg.Models, model):
		r.Passed = append(r.Passed, Passed{Registry: reg.Name, Reason: events.NotServed})
	case !adapters.Reaches(dialect, reg.Provider, op, sent):
		r.Passed = append(r.Passed, Passed{reg.Name, sent, events.OtherFormat})
	default:
		r.Candidates = append(r.Candidates, Candidate{Registry: reg, SentModel: sent, Fallback: fallback})
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
	members  []Member
	fallback []Fallback // behind them
}

func parse(s *Snapshot, c *Consumer, ref string) (target, error) {
	t := target{fallback: c.Fallback}
	if c.Pool != nil {
		t.members = c.Pool.Members
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
		t.members, name = p.Members, model
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

// rank orders members by weighted rendezvous: the higher −w/ln(u), u drawn from the request id and the member, the earlier.
func rank(members []Member, requestID string) []Member {
	if len(members) < 2 {
		return members
	}
	type ranked struct {
		Member
		score float64
	}
	all := make([]ranked, len(members))
	for i, m := range members {
		u := (float64(draw(requestID, m.Registry.Name)>>11) + 0.5) / (1 << 53)
		all[i] = ranked{m, -float64(max(m.Weight, 1)) / math.Log(u)}
	}
	slices.SortStableFunc(all, func(a, b ranked) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	out := make([]Member, len(all))
	for i := range all {
		out[i] = all[i].Member
	}
	return out
}

// draw hashes the two together: FNV-1a, mixed so that every bit counts.
func draw(requestID, registry string) uint64 {
	h := uint64(14695981039346656037)
	for _, s := range [...]string{requestID, "\x00", registry} {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
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
