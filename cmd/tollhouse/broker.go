package main

import (
	"context"
	"path/filepath"

	"github.com/tollhouse/tollhouse/events/broker"
)

// brokerCmd runs the embedded broker.
type brokerCmd struct {
	Listen string `placeholder:"ADDR" help:"Where to listen; overrides embedded.broker."`
}

func (b *brokerCmd) Run(ctx context.Context, c *cli, env environment) error {
	p, err := c.newPart(env)
	if err != nil {
		return err
	}
	ctx, stop := withLifeline(ctx, env.getenv)
	defer stop()
	listen := p.cfg.Embedded.Broker
	if b.Listen != "" {
		listen = b.Listen
	}
	return ended(ctx, broker.Run(ctx, broker.Options{
		Dir:    filepath.Join(p.cfg.DataDir, "broker"),
		Listen: listen,
		Logger: p.log,
		Ready:  func(addr string) { p.announce("broker", "kafka://"+addr) },
	}))
}
