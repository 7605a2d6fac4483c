package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/actors/balance"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters/all"
	"github.com/tollhouse/tollhouse/cmd/tollhouse/config"
)

const wired = `
registries:
  - {name: a, provider: openai, models: ["gpt-*"], model_map: {x: y}, endpoints: [{name: one, api_key: sk-1, headers: {X-A: b}}, {name: two, api_key: sk-2}]}
  - {name: v, provider: vertex, project: p, location: global, endpoints: [{name: one, api_key: token, location: us}]}
pools: {main: {members: [{registry: a}]}}
consumers: [{name: c, keys: [a-key-of-sixteen-characters], pool: main, fallback: [{registry: v}]}]
`

// What a configuration says again is the same registry and the same endpoint; what it says otherwise is another.
func TestWhatDidNotChangeIsTakenOver(t *testing.T) {
	set, err := all.Set()
	if err != nil {
		t.Fatal(err)
	}
	build := func(text string, before *routing.Snapshot) *routing.Snapshot {
		cfg, err := config.Parse([]byte(text), func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatal(err)
		}
		p, err := prepare(cfg, set, before)
		if err != nil {
			t.Fatal(err)
		}
		return p.snapshot
	}
	before := build(wired, nil)
	for _, c := range []struct{ old, new, kept string }{
		{"", "", "a a/one a/two v v/one"},
		{`models: ["gpt-*"]`, `models: ["*"]`, "a/one a/two v v/one"},
		{"x: y", "x: z", "a/one a/two v v/one"},
		{"sk-2", "sk-3", "a/one v v/one"},
		{"X-A: b", "X-A: c", "a/two v v/one"},
		{"location: us", "location: eu", "a a/one a/two"},
		{"project: p", "project: q", "a a/one a/two v/one"},
		{"endpoints: [{name: one, api_key: token", "timeouts: {idle: 1s}, endpoints: [{name: one, api_key: token", "a a/one a/two"},
		{"provider: openai", "provider: groq", "a/one a/two v v/one"},
		{"fallback: [{registry: v}]", "labels: {a: b}", "a a/one a/two v v/one"},
	} {
		now := build(strings.Replace(wired, c.old, c.new, 1), before)
		var kept []string
		for _, name := range []string{"a", "v"} {
			was, is := before.Registries[name], now.Registries[name]
			if was == is {
				kept = append(kept, name)
			}
			for i := range was.Endpoints {
				if was.Endpoints[i] == is.Endpoints[i] {
					kept = append(kept, name+"/"+was.Endpoints[i].Name)
				}
			}
		}
		if got := strings.Join(kept, " "); got != c.kept {
			t.Errorf("%s → %s: kept %s, want %s", c.old, c.new, got, c.kept)
		}
		if now.Pools["main"].Members[0].Registry != now.Registries["a"] || now.Consumers[0].Pool != now.Pools["main"] {
			t.Errorf("%s → %s: a pool is of another snapshot", c.old, c.new)
		}
	}
}

// An address may hold a credential, and an error about it is logged.
func TestAWrongAddressIsNotRepeated(t *testing.T) {
	cfg, err := config.Parse([]byte(strings.Replace(wired, "api_key: sk-2", `base_url: "http://user:sk-secret@host:port"`, 1)),
		func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	set, _ := all.Set()
	if _, err := prepare(cfg, set, nil); err == nil || strings.Contains(fmt.Sprint(err), "secret") || !strings.Contains(fmt.Sprint(err), "registries[0]: endpoints[1].base_url") {
		t.Errorf("%v", err)
	}
}

// The configuration takes exactly the policies that there are, at both places, and what is wired knows prices.
func TestPoliciesAndPricesAreWired(t *testing.T) {
	set, err := all.Set()
	if err != nil {
		t.Fatal(err)
	}
	parse := func(policy string) (*config.Config, error) {
		text := strings.NewReplacer("provider: openai,", "provider: openai, balance: "+policy+",", "{members:", "{balance: "+policy+", members:").Replace(wired)
		return config.Parse([]byte(text), func(string) (string, bool) { return "", false })
	}
	for _, policy := range balance.Names {
		cfg, err := parse(policy)
		if err != nil {
			t.Fatal(err)
		}
		p, err := prepare(cfg, set, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.snapshot.Registries["a"].Balance + " " + p.snapshot.Pools["main"].Balance; got != policy+" "+policy {
			t.Errorf("%s is wired as %s", policy, got)
		}
		price, ok := p.snapshot.Prices.Price("openai", "gpt-4o", 1000, time.Now())
		if !ok || price.Input != 2_500_000 || price.Currency != "USD" {
			t.Errorf("gpt-4o costs %+v, %v", price, ok)
		}
	}
	_, err = parse("best")
	list := strings.Join(balance.Names, ", ")
	for _, at := range []string{"registries[0].balance", "pools.main.balance"} {
		if want := at + `: "best" is not one of ` + list; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %s", err, want)
		}
	}
}
