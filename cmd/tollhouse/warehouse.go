package main

import (
	"context"
	"path/filepath"

	"github.com/tollhouse/tollhouse/analytics/warehouse"
)

// warehouseCmd runs the embedded ClickHouse engine.
type warehouseCmd struct {
	Listen string `placeholder:"ADDR" help:"Where to listen; overrides embedded.warehouse."`
}

func (w *warehouseCmd) Run(ctx context.Context, c *cli, env environment) error {
	p, err := c.newPart(env)
	if err != nil {
		return err
	}
	ctx, stop := withLifeline(ctx, env.getenv)
	defer stop()
	listen := p.cfg.Embedded.Warehouse
	if w.Listen != "" {
		listen = w.Listen
	}
	return ended(ctx, warehouse.Run(ctx, warehouse.Options{
		Dir:      filepath.Join(p.cfg.DataDir, "warehouse"),
		Listen:   listen,
		Logger:   p.log,
		Progress: env.stderr,
		Ready:    func(addr string) { p.announce("warehouse", "http://"+addr) },
	}))
}
