package prices

import (
	"strings"
	"testing"
	"time"
)

func at(day string) time.Time {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		panic(err)
	}
	return t
}

func TestTheBuiltInCatalogueKnowsWellKnownModels(t *testing.T) {
	c, err := BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(c.Entries()); n < 36 {
		t.Errorf("only %d prices", n)
	}
	for model, want := range map[string]string{
		"openai/gpt-4o": "2.5", "openai/gpt-4o-2024-08-06": "2.5", "openai/gpt-5-mini": "0.25", "anthropic/claude-sonnet-4-5-20250929": "3",
		"anthropic/claude-opus-4-1-20250805": "15", "demo/anything": "1", "anthropic/claude-sonnet-4-20250514": "3",
	} {
		provider, name, _ := strings.Cut(model, "/")
		e := c.Lookup(provider, name, at("2026-11-23"), at("2026-11-23"))
		if e == nil || e.Token(Input, 0).Shift(6).String() != want {
			t.Errorf("%s: %+v, want an input of %s a million", model, e, want)
		}
	}
	if e := c.Lookup("openai", "gpt-unheard-of", at("2026-11-23"), at("2026-11-23")); e != nil {
		t.Errorf("a price for an unknown model: %+v", e)
	}
}

const dated = `
known_from: 2026-01-01
prices:
  - {provider: p, model: m, valid_from: 2026-01-01, per_million: {input: "2", output: "4"}}
  - {provider: p, model: m, valid_from: 2026-06-01, known_from: 2026-06-10, per_million: {input: "1", output: "4"}, tiers: [{above_input: 1000, per_million: {input: "3", output: "9"}}]}
`

func TestThePriceInForceThenAsKnownThen(t *testing.T) {
	c, err := Parse([]byte(dated))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct{ started, finished, want string }{
		{"2026-05-31", "2026-07-01", "2"}, {"2026-06-01", "2026-06-09", "2"}, {"2026-06-01", "2026-06-10", "1"}, {"2025-12-31", "2026-07-01", ""},
	} {
		e := c.Lookup("p", "m", at(k.started), at(k.finished))
		got := ""
		if e != nil {
			got = e.Token(Input, 1000).Shift(6).String()
		}
		if got != k.want {
			t.Errorf("started %s, finished %s: %q, want %q", k.started, k.finished, got, k.want)
		}
	}
	e := c.Lookup("p", "m", at("2026-07-01"), at("2026-07-01"))
	if got := e.Token(CacheRead, 1001).Shift(6).String(); got != "3" {
		t.Errorf("above the tier cached input costs %s", got)
	}
}

func TestWrongCataloguesAreRefusedWhole(t *testing.T) {
	_, err := Parse([]byte(`
prices:
  - {provider: p, model: m, valid_from: someday, per_million: {input: "x", outptu: "1"}}
  - {provider: p, model: m, valid_from: 2026-01-01, per_million: {input: "0.0000001", output: "-1"}}
  - {provider: p, model: m, valid_from: 2026-01-01}
  - {model: m, valid_from: 2026-01-01}
`))
	for _, want := range []string{
		"prices[0].valid_from", "prices[0].per_million.input", "prices[0].per_million.outptu: unknown kind",
		"prices[1].per_million.input: 0.0000001 has more than 6 places", "prices[1].per_million.output", "prices[2]: p/m@2026-01-01 stands twice", "prices[3].model",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
	if _, err := Parse([]byte("price: []")); err == nil {
		t.Error("an unknown key was taken")
	}
}
