package adapters

import (
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"time"

	"github.com/tollhouse/tollhouse/events"
)

// Registry is one upstream account: what kind it is, what it serves, and by which endpoints.
// It is immutable: a reload makes a new one.
type Registry struct {
	Name      string
	Provider  Provider
	Models    []string          // globs of what it serves; none: anything
	ModelMap  map[string]string // requested → sent
	Balance   string            // a policy of actors/balance
	Options   map[string]string // kind-specific
	Timeouts  Timeouts
	Endpoints []*Endpoint
	// Queue is how many requests may wait for a permit; 0: 1,000, below: none.
	Queue int
	// RetryShare is how many retries a success pays for; 0: 0.2.
	RetryShare float64
}

// TakeOver is for a reload, before r is published: it returns old where nothing has changed, else r with those of old's endpoints
// that have not. What is the same is then the same pointer, and whoever keeps state by it goes on.
func (r *Registry) TakeOver(old *Registry) *Registry {
	for i, e := range r.Endpoints {
		for _, before := range old.Endpoints {
			if e.Name == before.Name && reflect.DeepEqual(e, before) {
				r.Endpoints[i] = before
			}
		}
	}
	now := *r
	now.Provider = old.Provider // compared by its name
	if r.Provider.Name() == old.Provider.Name() && reflect.DeepEqual(&now, old) {
		return old
	}
	return r
}

// Endpoint is one base URL and credential of a registry.
type Endpoint struct {
	Name           string
	BaseURL        *url.URL
	APIKey         Secret
	Weight         int
	MaxConcurrency int         // 0: no limit
	Header         http.Header // sent with every request of this endpoint
	Options        map[string]string
	Timeouts       Timeouts // with the registry's filled in
}

// Timeouts bound one attempt. FirstByte and Idle are for streams; a buffered call is bounded by Total.
type Timeouts struct {
	Connect, FirstByte, Idle, Total time.Duration
}

// Target is what one attempt is aimed at. All but the ticket is fixed before the intent is written; the ticket is
// what writing it gave.
type Target struct {
	Registry  *Registry
	Endpoint  *Endpoint
	SentModel string
	Attempt   uint16 // from 1
	Ticket    events.Ticket

	// Traceparent and Tracestate are sent in place of the client's, where somebody follows the attempt; empty: the client's go up.
	Traceparent, Tracestate string
}

// Secret is a credential. It prints as [secret] whatever the verb, so that no log and no error can hold it.
type Secret string

// String hides the credential.
func (Secret) String() string { return "[secret]" }

// GoString hides the credential.
func (Secret) GoString() string { return "[secret]" }

// LogValue hides the credential.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// MarshalText hides the credential.
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// Reveal returns the credential, for the one header that carries it.
func (s Secret) Reveal() string { return string(s) }
