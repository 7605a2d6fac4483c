package adapters

import (
	"fmt"
	"slices"
)

// Set holds the dialects and providers that this binary knows, by name.
type Set struct {
	dialects  map[string]Dialect
	providers map[string]Provider
}

// NewSet makes a set. A name given twice is an error.
func NewSet(dialects []Dialect, providers []Provider) (*Set, error) {
	s := &Set{dialects: make(map[string]Dialect), providers: make(map[string]Provider)}
	for _, d := range dialects {
		if s.dialects[d.Name()] != nil {
			return nil, fmt.Errorf("dialect %s stands twice", d.Name())
		}
		s.dialects[d.Name()] = d
	}
	for _, p := range providers {
		if s.providers[p.Name()] != nil {
			return nil, fmt.Errorf("provider %s stands twice", p.Name())
		}
		s.providers[p.Name()] = p
	}
	return s, nil
}

// Dialect returns the dialect of that name, or nil.
func (s *Set) Dialect(name string) Dialect { return s.dialects[name] }

// Provider returns the provider of that name, or nil.
func (s *Set) Provider(name string) Provider { return s.providers[name] }

// ProviderNames lists the providers, sorted.
func (s *Set) ProviderNames() []string {
	names := make([]string, 0, len(s.providers))
	for n := range s.providers {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
