// Package routing decides which registries may answer a request, in which order, and why: pure functions over an
// immutable snapshot of the configuration.
package routing

import (
	"cmp"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
)

// Consumer is one calling application.
type Consumer struct {
	Name     string
	Labels   map[string]string
	Models   ModelPolicy
	Pool     *Pool
	Fallback []Fallback // in order, after the pool
	Retry    RetryPolicy
	Hedge    *Hedge // nil: never
	// Lenient drops, and names, what cannot be carried to another dialect; otherwise it is refused.
	Lenient bool
	// Drain reads the upstream to its end when the client hangs up, for its usage; otherwise the attempt is cancelled.
	Drain bool
}

// ModelPolicy says which models a consumer may ask for, and by which names.
type ModelPolicy struct {
	Allow   []string // globs, checked on the name after aliases; none: anything
	Default string   // for an empty model and `auto`; empty: such a request is refused
	Aliases map[string]string
}

// Pool is a weighted set of registries.
type Pool struct {
	Name    string
	Balance string
	Members []Member
}

// Member is one registry of a pool.
type Member struct {
	Registry *adapters.Registry
	Weight   int // at least 1
}

// Fallback is one link of the chain after the pool.
type Fallback struct {
	Registry *adapters.Registry
	ModelMap map[string]string // requested → asked of this registry instead
	Model    string            // asked of it for any other model; empty: the requested one
	On       []Trigger         // kinds of failure that it is for; none: any that is retried
}

// ask returns the model that the fallback is asked for.
func (f *Fallback) ask(model string) string {
	return cmp.Or(f.ModelMap[model], f.Model, model)
}

// RetryPolicy bounds the attempts of one request.
type RetryPolicy struct {
	MaxAttempts int           // at least 1
	Budget      time.Duration // within which attempts may start
	On          []Trigger
}

// Hedge lets a second attempt run beside a first that takes longer than 95 of 100 do where it went.
type Hedge struct {
	Share   float64 // of the consumer's requests, at most
	MaxCost uint64  // that a second attempt may be expected to cost, in 10⁻¹² of the currency; 0: any
}

// Trigger names what is retried.
type Trigger string

// Triggers.
const (
	OnHTTP5xx       Trigger = "http_5xx"
	OnHTTP429       Trigger = "http_429"
	OnTimeout       Trigger = "timeout"
	OnTransport     Trigger = "transport"
	OnProviderError Trigger = "provider_error" // an error inside a 2xx, or as the first event of a stream

	// Only a fallback that names them is tried after these: the same request is wrong anywhere else.
	OnNotFound      Trigger = "not_found"      // the provider does not know the model
	OnContentFilter Trigger = "content_filter" // the provider refuses the content
	// OnUnavailable is that no endpoint before could be asked at all: failing, limited, busy, out.
	OnUnavailable Trigger = "unavailable"
)
