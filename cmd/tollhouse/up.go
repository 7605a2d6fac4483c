package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/tollhouse/tollhouse/cmd/tollhouse/config"
)

// upCmd runs everything on one machine.
type upCmd struct{}

// embeddedPartitions of the topic that `up` makes on its own broker.
const embeddedPartitions = 4

// Run starts broker and warehouse as processes of their own, then the sink and the gateway in this one. It ends them the other way
// round: the gateway publishes to the broker to the last, and the sink stores it.
func (*upCmd) Run(ctx context.Context, c *cli, env environment) error {
	p, err := c.newPart(env)
	if err != nil {
		return err
	}
	if p.key, p.demo, err = p.addDefaults(p.cfg); err != nil {
		return err
	}
	parse := p.parse
	p.parse = func(text []byte) (*config.Config, error) {
		cfg, err := parse(text)
		if err == nil {
			_, _, err = p.addDefaults(cfg)
		}
		return cfg, err
	}
	if p.cfg.Kafka == nil {
		broker, err := startChild(ctx, "broker", p.log, env.stderr, append([]string{"broker"}, p.args...)...)
		if err != nil {
			return err
		}
		defer broker.stop()
		p.announce("broker", broker.url)
		p.cfg.Kafka = &config.Kafka{
			Brokers: []string{strings.TrimPrefix(broker.url, "kafka://")}, Topic: "tollhouse.events", Partitions: embeddedPartitions, Replication: 1,
		}
	}
	if p.cfg.ClickHouse == nil {
		warehouse, err := startChild(ctx, "warehouse", p.log, env.stderr, append([]string{"warehouse"}, p.args...)...)
		if err != nil {
			return err
		}
		defer warehouse.stop()
		p.announce("warehouse", warehouse.url)
		p.cfg.ClickHouse = &config.ClickHouse{DSN: config.Secret(warehouse.url + "/tollhouse")}
	}
	return p.serve(ctx)
}

// serve runs sink and gateway; the sink ends after the gateway.
func (p *part) serve(ctx context.Context) error {
	p.hello()
	run, together := errgroup.WithContext(ctx)
	sinkCtx, stopSink := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSink()
	run.Go(func() error { return ended(sinkCtx, p.runSink(sinkCtx)) })
	run.Go(func() error {
		defer stopSink()
		return ended(together, p.runGateway(together, func() error { return nil }))
	})
	return run.Wait()
}

// addDefaults fills a configuration that names no registries or no consumers: providers whose keys are in the environment, else
// the demo; and one consumer whose key, which is returned, is made once and kept in DATA/key.
func (p *part) addDefaults(c *config.Config) (key string, demo bool, err error) {
	if len(c.Registries) == 0 {
		c.Registries, demo = p.defaultRegistries()
	}
	if len(c.Consumers) > 0 {
		return "", demo, nil
	}
	if key, err = keepKey(filepath.Join(p.cfg.DataDir, "key")); err != nil {
		return "", demo, err
	}
	members := make([]config.Member, len(c.Registries))
	for i, r := range c.Registries {
		members[i] = config.Member{Registry: r.Name, Weight: 1}
	}
	c.Consumers = []config.Consumer{{
		Name: "default", Keys: []config.Secret{config.Secret(key)}, Pool: config.PoolRef{Members: members},
		Models: config.ModelPolicy{},
		Retry:  config.Retry{MaxAttempts: 4, Budget: defaultRetryBudget, On: []string{"http_5xx", "http_429", "timeout", "transport", "provider_error"}},
	}}
	return key, demo, nil
}

const defaultRetryBudget = config.Duration(30e9)

func (p *part) defaultRegistries() (all []config.Registry, demo bool) {
	for _, known := range []struct{ name, variable string }{{"openai", "OPENAI_API_KEY"}, {"anthropic", "ANTHROPIC_API_KEY"}} {
		if key, _ := p.env.getenv(known.variable); key != "" {
			all = append(all, config.Registry{
				Name: known.name, Provider: known.name, Endpoints: []config.Endpoint{{Name: "main", APIKey: config.Secret(key), Weight: 1}},
			})
		}
	}
	if len(all) > 0 {
		return all, false
	}
	return []config.Registry{{Name: "demo", Provider: "demo", Endpoints: []config.Endpoint{{Name: "main", Weight: 1}}}}, true
}

// keepKey returns the key in a file, and makes it where there is none.
func keepKey(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(raw)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	var random [24]byte
	_, _ = rand.Read(random[:])
	key := "th-" + base64.RawURLEncoding.EncodeToString(random[:])
	return key, os.WriteFile(path, []byte(key+"\n"), 0o600)
}

// hello tells a newcomer what to try once the gateway is there.
func (p *part) hello() {
	if p.key == "" {
		return
	}
	p.onAnnounce = func(name, url string) {
		if name != "gateway" {
			return
		}
		model := "gpt-4o-mini"
		if p.demo {
			fmt.Fprintln(p.env.stderr, "\nNo provider key is in the environment: the demo answers, on this machine.")
			model = "demo"
		}
		fmt.Fprintf(p.env.stderr, "Try it (the key is kept in %s):\n\n"+
			"  curl %s/v1/chat/completions -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' \\\n"+
			"    -d '{\"model\": \"%s\", \"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}'\n\n"+
			"and then, in another terminal: tollhouse usage, tollhouse audit. Ctrl-C ends it.\n\n",
			filepath.Join(p.cfg.DataDir, "key"), url, p.key, model)
	}
}
