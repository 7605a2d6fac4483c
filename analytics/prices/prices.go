// Package prices is the catalogue: what a provider charges for a model's tokens, from when on. Prices are exact decimals,
// written per million tokens as the providers publish them; a price per token has at most twelve places.
package prices

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/shopspring/decimal"
)

// Kinds of tokens that have a price of their own.
const (
	Input        = "input"
	CacheRead    = "cache_read"
	CacheWrite   = "cache_write"
	CacheWrite1h = "cache_write_1h"
	InputAudio   = "input_audio"
	Output       = "output"
	Reasoning    = "reasoning"
	OutputAudio  = "output_audio"
)

// fallbacks name the kind whose price holds where a kind has none of its own.
var fallbacks = map[string]string{
	CacheRead: Input, CacheWrite: Input, CacheWrite1h: CacheWrite, InputAudio: Input, Reasoning: Output, OutputAudio: Output,
}

// Entry is the price of one model of one provider from one day on.
type Entry struct {
	Version   string // names this price for ever: provider/model@valid_from
	Provider  string
	Model     string
	ValidFrom time.Time // started attempts from here on
	KnownFrom time.Time // attempts finished from here on: a price entered late does not change what was charged
	Currency  string
	perToken  map[string]decimal.Decimal
	perUnit   map[string]decimal.Decimal
	tiers     []tier
}

// tier is other prices for a whole attempt whose input exceeds a size.
type tier struct {
	above    uint64
	perToken map[string]decimal.Decimal
}

// Token returns the price of one token of a kind, for an attempt with that much input.
func (e *Entry) Token(kind string, input uint64) decimal.Decimal {
	table := e.perToken
	for _, t := range e.tiers {
		if input > t.above {
			table = t.perToken
		}
	}
	for k := kind; k != ""; k = fallbacks[k] {
		if p, ok := table[k]; ok {
			return p
		}
	}
	return decimal.Zero
}

// Unit returns the price of one of a named unit, such as web_search_requests.
func (e *Entry) Unit(name string) (decimal.Decimal, bool) {
	p, ok := e.perUnit[name]
	return p, ok
}

// Catalogue is a set of entries.
type Catalogue struct {
	byModel map[string][]*Entry // provider/model → newest first
	all     []*Entry
}

// file is a catalogue as it is written.
type file struct {
	KnownFrom string      `yaml:"known_from"`
	Currency  string      `yaml:"currency"`
	Entries   []fileEntry `yaml:"prices"`
}

type fileEntry struct {
	Provider   string            `yaml:"provider"`
	Model      string            `yaml:"model"`
	ValidFrom  string            `yaml:"valid_from"`
	KnownFrom  string            `yaml:"known_from"`
	PerMillion map[string]string `yaml:"per_million"`
	PerUnit    map[string]string `yaml:"per_unit"`
	Tiers      []fileTier        `yaml:"tiers"`
}

type fileTier struct {
	Above      uint64            `yaml:"above_input"`
	PerMillion map[string]string `yaml:"per_million"`
}

//go:embed catalogue/*.yaml
var builtIn embed.FS

// BuiltIn returns the catalogue that comes with the program.
func BuiltIn() (*Catalogue, error) {
	c := &Catalogue{byModel: map[string][]*Entry{}}
	names, err := fs.Glob(builtIn, "catalogue/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := builtIn.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if err := c.add(text); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return c, nil
}

// Load reads a catalogue from a file, or returns the built-in one for an empty path.
func Load(path string) (*Catalogue, error) {
	if path == "" {
		return BuiltIn()
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c := &Catalogue{byModel: map[string][]*Entry{}}
	if err := c.add(text); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Parse reads a catalogue.
func Parse(text []byte) (*Catalogue, error) {
	c := &Catalogue{byModel: map[string][]*Entry{}}
	return c, c.add(text)
}

// add reads entries; the error lists everything that is wrong.
func (c *Catalogue) add(text []byte) error {
	var f file
	if err := yaml.UnmarshalWithOptions(text, &f, yaml.DisallowUnknownField()); err != nil {
		return fmt.Errorf("%s", yaml.FormatError(err, false, false))
	}
	if f.Currency == "" {
		f.Currency = "USD"
	}
	var wrong []error
	for i, fe := range f.Entries {
		e, errs := fe.entry(f)
		for _, err := range errs {
			wrong = append(wrong, fmt.Errorf("prices[%d].%w", i, err))
		}
		key := e.Provider + "/" + e.Model
		if slices.ContainsFunc(c.byModel[key], func(o *Entry) bool { return o.Version == e.Version }) {
			wrong = append(wrong, fmt.Errorf("prices[%d]: %s stands twice", i, e.Version))
		}
		c.byModel[key] = append(c.byModel[key], e)
		c.all = append(c.all, e)
	}
	for _, entries := range c.byModel {
		slices.SortFunc(entries, func(a, b *Entry) int {
			return cmp.Or(b.ValidFrom.Compare(a.ValidFrom), b.KnownFrom.Compare(a.KnownFrom))
		})
	}
	return errors.Join(wrong...)
}

func (fe *fileEntry) entry(f file) (*Entry, []error) {
	var wrong []error
	e := &Entry{Provider: fe.Provider, Model: fe.Model, Currency: f.Currency}
	if fe.Provider == "" || fe.Model == "" {
		wrong = append(wrong, errors.New("model: provider and model must be given"))
	}
	date := func(at, value string) time.Time {
		t, err := time.Parse(time.DateOnly, value)
		if err != nil {
			if t, err = time.Parse(time.RFC3339, value); err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %q is not a date such as 2026-11-23", at, value))
			}
		}
		return t.UTC()
	}
	e.ValidFrom = date("valid_from", fe.ValidFrom)
	known := fe.KnownFrom
	if known == "" {
		known = cmp.Or(f.KnownFrom, fe.ValidFrom)
	}
	e.KnownFrom = date("known_from", known)
	e.Version = fmt.Sprintf("%s/%s@%s", fe.Provider, fe.Model, fe.ValidFrom)
	var errs []error
	e.perToken, errs = amounts("per_million", fe.PerMillion, 6, true)
	wrong = append(wrong, errs...)
	e.perUnit, errs = amounts("per_unit", fe.PerUnit, 0, false)
	wrong = append(wrong, errs...)
	for i, ft := range fe.Tiers {
		t := tier{above: ft.Above}
		t.perToken, errs = amounts(fmt.Sprintf("tiers[%d].per_million", i), ft.PerMillion, 6, true)
		wrong = append(wrong, errs...)
		e.tiers = append(e.tiers, t)
	}
	slices.SortFunc(e.tiers, func(a, b tier) int { return cmp.Compare(a.above, b.above) })
	return e, wrong
}

// places is what a Decimal(38, 12) keeps.
const places = 12

// amounts reads prices and shifts them by a power of ten; what would need more than twelve places is refused, so that every
// amount is exact.
func amounts(at string, in map[string]string, shift int32, tokens bool) (map[string]decimal.Decimal, []error) {
	out := make(map[string]decimal.Decimal, len(in))
	var wrong []error
	for kind, value := range in {
		_, hasFallback := fallbacks[kind]
		if tokens && kind != Input && kind != Output && !hasFallback {
			wrong = append(wrong, fmt.Errorf("%s.%s: unknown kind", at, kind))
			continue
		}
		d, err := decimal.NewFromString(value)
		switch {
		case err != nil || d.IsNegative():
			wrong = append(wrong, fmt.Errorf("%s.%s: %q is not a price", at, kind, value))
			continue
		case -d.Exponent()+shift > places:
			wrong = append(wrong, fmt.Errorf("%s.%s: %s has more than %d places", at, kind, value, places-shift))
		}
		out[kind] = d.Shift(-shift)
	}
	return out, wrong
}

// Lookup finds the price of an attempt: the newest entry that was valid when it started and known when it finished; nil where
// there is none. The sent model is looked up as it is, then without a date at its end (gpt-4o-2024-08-06, gpt-4o-20240806,
// claude-sonnet-4-5@20250929), then as `*`.
func (c *Catalogue) Lookup(provider, model string, started, finished time.Time) *Entry {
	for _, name := range [...]string{model, undated(model), "*"} {
		for _, e := range c.byModel[provider+"/"+name] {
			if !e.ValidFrom.After(started) && !e.KnownFrom.After(finished) {
				return e
			}
		}
	}
	return nil
}

// undated cuts a date off a model's name.
func undated(model string) string {
	for _, form := range [...]string{"-2006-01-02", "-20060102", "@20060102"} {
		if cut := len(model) - len(form); cut > 0 {
			if _, err := time.Parse(form, model[cut:]); err == nil {
				return model[:cut]
			}
		}
	}
	return strings.TrimSuffix(model, "-latest")
}

// Entries lists every entry, by provider, model and date.
func (c *Catalogue) Entries() []*Entry {
	all := slices.Clone(c.all)
	slices.SortFunc(all, func(a, b *Entry) int { return strings.Compare(a.Version, b.Version) })
	return all
}

// Models lists the names of all models.
func (c *Catalogue) Models() []string {
	var names []string
	for _, e := range c.all {
		if e.Model != "*" {
			names = append(names, e.Model)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// PerMillion lists an entry's own prices per million tokens, by kind.
func (e *Entry) PerMillion() map[string]decimal.Decimal {
	out := make(map[string]decimal.Decimal, len(e.perToken))
	for kind, p := range e.perToken {
		out[kind] = p.Shift(6)
	}
	return out
}
