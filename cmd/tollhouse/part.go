package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/tollhouse/tollhouse/cmd/tollhouse/config"
)

// defaultConfig is read where it exists and --config names no other.
const defaultConfig = "tollhouse.yaml"

// loadConfig reads the configuration that the command line names.
func (c *cli) loadConfig(env environment) (*config.Config, error) {
	file := c.Config
	if file == "" {
		if _, err := os.Stat(defaultConfig); err == nil {
			file = defaultConfig
		}
	}
	cfg, err := config.Load(file, env.getenv)
	if err != nil {
		return nil, useError{err}
	}
	if c.Data != "" {
		cfg.DataDir = c.Data
	}
	if cfg.DataDir, err = filepath.Abs(cfg.DataDir); err != nil {
		return nil, useError{err}
	}
	return cfg, nil
}

// part is what every long-running part is given.
type part struct {
	cfg    *config.Config
	env    environment
	log    *slog.Logger
	reg    *prometheus.Registry
	args   []string // --config and --data, for children
	stdout io.Writer

	key        string // that `up` made; empty where the configuration names its consumers
	demo       bool   // the demo answers
	onAnnounce func(name, url string)
}

func (c *cli) newPart(env environment) (*part, error) {
	cfg, err := c.loadConfig(env)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	p := &part{cfg: cfg, env: env, reg: reg, stdout: env.stdout}
	p.log = newLogger(env.stderr, cfg.Log.SlogLevel(), cfg.Log.Format)
	p.args = []string{"--data", cfg.DataDir}
	if c.Config != "" {
		p.args = append(p.args, "--config", c.Config)
	}
	return p, nil
}

// announce prints where a part is, and enters it into DATA/addresses.json.
func (p *part) announce(name, url string) {
	if err := announce(p.stdout, p.cfg.DataDir, name, url); err != nil {
		p.log.Error("addresses.json could not be written", "err", err)
	}
	if p.onAnnounce != nil {
		p.onAnnounce(name, url)
	}
}

// ended turns the end of a drained part into success.
func ended(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, errSignal)) {
		return nil
	}
	return err
}
