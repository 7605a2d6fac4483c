// Package routing decides which registries may answer a request, in which order, and why: pure functions over an
// immutable snapshot of the configuration.
package routing

import (
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

// Fallback is one link of the chain after the pool. Model replaces the requested one where it is not empty.
type Fallback struct {
	Registry *adapters.Registry
	Model    string
}

// RetryPolicy bounds the attempts of one request.
type RetryPolicy struct {
	MaxAttempts int           // at least 1
	Budget      time.Duration // within which attempts may start
	On          []Trigger
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
)
