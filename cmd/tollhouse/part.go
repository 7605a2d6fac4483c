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

// configFile is the file that the command line names; empty: there is none.
func (c *cli) configFile() string {
	if c.Config != "" {
		return c.Config
	}
	if _, err := os.Stat(defaultConfig); err == nil {
		return defaultConfig
	}
	return ""
}

// loadConfig reads the configuration that the command line names.
func (c *cli) loadConfig(env environment) (*config.Config, error) {
	text, err := readConfig(c.configFile())
	if err != nil {
		return nil, useError{err}
	}
	return c.parseConfig(text, env)
}

// readConfig reads a file; none is an empty one.
func readConfig(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	return os.ReadFile(file)
}

// parseConfig reads a configuration, and what the command line says beside it.
func (c *cli) parseConfig(text []byte, env environment) (*config.Config, error) {
	cfg, err := config.Parse(text, env.getenv)
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
	level  *slog.LevelVar // of the log
	reg    *prometheus.Registry
	args   []string // --config and --data, for children
	stdout io.Writer

	file    string         // of the configuration; empty: none
	text    []byte         // of the file, at the start
	started *config.Config // as it stands in the file, at the start
	parse   func(text []byte) (*config.Config, error)

	key        string // that `up` made; empty where the configuration names its consumers
	demo       bool   // the demo answers
	onAnnounce func(name, url string)
}

func (c *cli) newPart(env environment) (*part, error) {
	file := c.configFile()
	text, err := readConfig(file)
	if err != nil {
		return nil, useError{err}
	}
	started, err := c.parseConfig(text, env)
	if err != nil {
		return nil, err
	}
	cfg := new(config.Config)
	*cfg = *started
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	p := &part{cfg: cfg, env: env, level: new(slog.LevelVar), reg: reg, stdout: env.stdout, file: file, text: text, started: started}
	p.parse = func(text []byte) (*config.Config, error) { return c.parseConfig(text, env) }
	p.level.Set(cfg.Log.SlogLevel())
	p.log = newLogger(env.stderr, p.level, cfg.Log.Format)
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
