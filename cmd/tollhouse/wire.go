package main

import (
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/actors/balance"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/analytics/prices"
	"github.com/tollhouse/tollhouse/cmd/tollhouse/config"
)

// prepared is a whole configuration that was found good, and what is made of it before anything uses it.
type prepared struct {
	cfg         *config.Config
	snapshot    *routing.Snapshot
	catalogue   *prices.Catalogue
	certificate *tls.Certificate // nil: no TLS
}

// prepare validates what the configuration names: what the providers know of their options, prices, certificates. The error holds
// everything that is wrong. What did not change of the snapshot before is taken over; nil: there is none.
func prepare(cfg *config.Config, set *adapters.Set, before *routing.Snapshot) (*prepared, error) {
	p := &prepared{cfg: cfg}
	var wrong [3]error
	p.snapshot, wrong[0] = buildSnapshot(cfg, set, before)
	if p.catalogue, wrong[1] = prices.Load(cfg.Prices.File); wrong[1] != nil {
		wrong[1] = fmt.Errorf("prices.file: %w", wrong[1])
	} else {
		p.snapshot.Prices = balance.NewPrices(p.catalogue)
	}
	if t := cfg.Gateway.TLS; t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			wrong[2] = fmt.Errorf("gateway.tls: %w", err)
		}
		p.certificate = &pair
	}
	return p, errors.Join(wrong[:]...)
}

// buildSnapshot turns the configuration into what routing works on. The configuration is validated; what is found here
// is what only the providers know: their options and the form of their addresses.
func buildSnapshot(cfg *config.Config, set *adapters.Set, before *routing.Snapshot) (*routing.Snapshot, error) {
	s := &routing.Snapshot{Registries: map[string]*adapters.Registry{}, Pools: map[string]*routing.Pool{}}
	var wrong []error
	for i := range cfg.Registries {
		r, errs := buildRegistry(&cfg.Registries[i], set)
		for _, err := range errs {
			wrong = append(wrong, fmt.Errorf("registries[%d]: %w", i, err))
		}
		if r == nil {
			continue
		}
		if before != nil && before.Registries[r.Name] != nil {
			r = r.TakeOver(before.Registries[r.Name])
		}
		s.Registries[r.Name] = r
	}
	for name, p := range cfg.Pools {
		s.Pools[name] = buildPool(s, name, &p)
	}
	for i := range cfg.Consumers {
		if err := addConsumer(s, &cfg.Consumers[i]); err != nil {
			wrong = append(wrong, fmt.Errorf("consumers[%d]: %w", i, err))
		}
	}
	return s, errors.Join(wrong...)
}

func buildRegistry(c *config.Registry, set *adapters.Set) (*adapters.Registry, []error) {
	provider := set.Provider(c.Provider)
	if provider == nil {
		return nil, []error{fmt.Errorf("provider: %q is not one of %s", c.Provider, strings.Join(set.ProviderNames(), ", "))}
	}
	if p, ok := provider.(adapters.Optional); ok {
		provider = p.With(c.Options)
	}
	r := &adapters.Registry{
		Name: c.Name, Provider: provider, Models: c.Models, ModelMap: c.ModelMap, Balance: c.Balance,
		Options: c.Options, Timeouts: timeouts(c.Timeouts, defaultTimeouts), RetryShare: c.RetryShare,
	}
	if c.Queue != nil {
		r.Queue = *c.Queue
		if r.Queue == 0 {
			r.Queue = -1 // none may wait
		}
	}
	var wrong []error
	for i := range c.Endpoints {
		e, err := buildEndpoint(&c.Endpoints[i], r)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("endpoints[%d].%w", i, err))
			continue
		}
		r.Endpoints = append(r.Endpoints, e)
	}
	return r, append(wrong, provider.Check(r)...)
}

func buildEndpoint(c *config.Endpoint, r *adapters.Registry) (*adapters.Endpoint, error) {
	base, err := url.Parse(c.BaseURL)
	if err != nil {
		var said *url.Error // which repeats the address, and that may hold a credential
		if errors.As(err, &said) {
			err = said.Err
		}
		return nil, fmt.Errorf("base_url: %w", err)
	}
	header := http.Header{}
	for name, value := range c.Headers {
		header.Set(name, value)
	}
	return &adapters.Endpoint{
		Name: c.Name, BaseURL: base, APIKey: adapters.Secret(c.APIKey.Reveal()), Weight: c.Weight,
		MaxConcurrency: c.MaxConcurrency, Header: header, Options: c.Options,
		Timeouts: timeouts(c.Timeouts, r.Timeouts),
	}, nil
}

func buildPool(s *routing.Snapshot, name string, c *config.Pool) *routing.Pool {
	p := &routing.Pool{Name: name, Balance: c.Balance}
	for _, m := range c.Members {
		if r := s.Registries[m.Registry]; r != nil {
			p.Members = append(p.Members, routing.Member{Registry: r, Weight: m.Weight})
		}
	}
	return p
}

func addConsumer(s *routing.Snapshot, c *config.Consumer) error {
	consumer := &routing.Consumer{
		Name: c.Name, Labels: c.Labels,
		Models:  routing.ModelPolicy{Allow: c.Models.Allow, Default: c.Models.Default, Aliases: c.Models.Aliases},
		Retry:   routing.RetryPolicy{MaxAttempts: c.Retry.MaxAttempts, Budget: c.Retry.Budget.Duration()},
		Lenient: c.Translation == "lenient", Drain: c.OnDisconnect == "drain",
	}
	consumer.Retry.On = triggers(c.Retry.On)
	if c.Hedge != nil {
		consumer.Hedge = &routing.Hedge{Share: c.Hedge.Share, MaxCost: uint64(c.Hedge.MaxCost)}
	}
	if c.Pool.Name != "" {
		consumer.Pool = s.Pools[c.Pool.Name]
	} else {
		consumer.Pool = buildPool(s, "", &config.Pool{Members: c.Pool.Members})
	}
	for _, f := range c.Fallback {
		if r := s.Registries[f.Registry]; r != nil {
			consumer.Fallback = append(consumer.Fallback, routing.Fallback{Registry: r, Model: f.Model, ModelMap: f.ModelMap, On: triggers(f.On)})
		}
	}
	s.Consumers = append(s.Consumers, consumer)
	for i, key := range c.Keys {
		hash, err := keyHash(key.Reveal())
		if err != nil {
			return fmt.Errorf("keys[%d]: %w", i, err)
		}
		if !s.AddKey(hash, consumer) {
			return fmt.Errorf("keys[%d]: this key is given twice", i)
		}
	}
	return nil
}

func triggers(names []string) (all []routing.Trigger) {
	for _, name := range names {
		all = append(all, routing.Trigger(name))
	}
	return all
}

// keyHash reads a key as the configuration gives it: itself, or `sha256:` and the hash it is kept as.
func keyHash(key string) (hash routing.KeyHash, err error) {
	digits, hashed := strings.CutPrefix(key, "sha256:")
	if !hashed {
		return routing.HashKey(key), nil
	}
	if n, err := hex.Decode(hash[:], []byte(digits)); err != nil || n != len(hash) {
		return hash, errors.New("sha256: wants 64 hex digits")
	}
	return hash, nil
}

// defaultTimeouts of an attempt.
var defaultTimeouts = adapters.Timeouts{
	Connect: 5 * time.Second, FirstByte: 2 * time.Minute, Idle: time.Minute, Total: 10 * time.Minute,
}

// timeouts fills what a configuration leaves out.
func timeouts(c config.Timeouts, absent adapters.Timeouts) adapters.Timeouts {
	t := adapters.Timeouts{
		Connect: c.Connect.Duration(), FirstByte: c.FirstByte.Duration(),
		Idle: c.Idle.Duration(), Total: c.Total.Duration(),
	}
	if t.Connect == 0 {
		t.Connect = absent.Connect
	}
	if t.FirstByte == 0 {
		t.FirstByte = absent.FirstByte
	}
	if t.Idle == 0 {
		t.Idle = absent.Idle
	}
	if t.Total == 0 {
		t.Total = absent.Total
	}
	return t
}
