package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

type options struct {
	quick   bool
	streams int
	open    int
	binary  string
	profile string

	profileStream bool
	cpuOnly       bool
	only          string
	verbose       bool
}

// bench is one run: the upstream, the yardstick and the gateways, each alone on its core while it is measured.
type bench struct {
	options
	ctx      context.Context
	dir      string
	upstream string
	direct   target
	proxy    contender
	gateways []contender
}

// contender is a process and where to reach it.
type contender struct {
	*process
	target
}

const (
	measuredCore = 0
	loadCore     = 1
	clientKey    = "sk-bench-0123456789abcdef"
)

func run(ctx context.Context, o options) error {
	if o.open > 0 { // a contender has two connections for each, as have load and upstream together
		if files := raiseFiles(uint64(2*o.open + 1000)); files < uint64(2*o.open+200) {
			o.open = int(files-200) / 2
			fmt.Fprintf(os.Stderr, "only %d files may be open: %d streams\n", files, o.open)
		}
	}
	dir, err := os.MkdirTemp("", "tollhouse-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{options: o, ctx: ctx, dir: dir}
	addr, closeUpstream, err := serveUpstream(5 * time.Millisecond)
	if err != nil {
		return err
	}
	defer closeUpstream()
	b.upstream = "http://" + addr
	b.direct = target{name: "direct", addr: addr, path: "/v1/chat/completions"}
	stop, err := b.startAll()
	defer stop()
	if err != nil {
		return err
	}
	// From here on this process, which is the load and the upstream, keeps to its own core.
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, t := range tasks {
		var tid int
		fmt.Sscan(t.Name(), &tid)
		if err := pin(tid, loadCore); err != nil {
			return err
		}
	}
	return b.report()
}

// startAll starts the broker, the yardstick, the gateway as it ships and the same without books.
func (b *bench) startAll() (stop func(), err error) {
	var running []*process
	stop = func() {
		for _, p := range slices.Backward(running) {
			p.stop()
		}
	}
	begin := func(core int, name string, argv ...string) (*process, error) {
		p, err := start(b.ctx, core, name, argv...)
		if err == nil {
			running = append(running, p)
		}
		return p, err
	}
	self, err := os.Executable()
	if err != nil {
		return stop, err
	}
	if b.binary == "" {
		b.binary = filepath.Join(b.dir, "tollhouse")
		build := exec.CommandContext(b.ctx, "go", "build", "-o", b.binary, "github.com/tollhouse/tollhouse/cmd/tollhouse")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return stop, fmt.Errorf("build: %w", err)
		}
	}
	proxy, err := begin(measuredCore, "proxy", self, "proxy", b.upstream)
	if err != nil {
		return stop, err
	}
	b.proxy = contender{proxy, b.at("ReverseProxy", proxy.url)}
	config := filepath.Join(b.dir, "tollhouse.yaml")
	if err := os.WriteFile(config, []byte(b.config("")), 0o600); err != nil {
		return stop, err
	}
	broker, err := begin(loadCore, "broker", b.binary, "broker", "--config", config)
	if err != nil {
		return stop, err
	}
	if err := os.WriteFile(config, []byte(b.config(broker.url)), 0o600); err != nil {
		return stop, err
	}
	gateway, err := begin(measuredCore, "gateway", b.binary, "gateway", "--config", config)
	if err != nil {
		return stop, err
	}
	bare, err := begin(measuredCore, "gateway", self, "bare-gateway", b.upstream)
	if err != nil {
		return stop, err
	}
	b.gateways = []contender{
		{gateway, b.at("tollhouse, accounting on (batch)", gateway.url)},
		{bare, b.at("tollhouse, accounting off", bare.url)},
	}
	return stop, nil
}

func (b *bench) at(name, url string) target {
	return target{name: name, addr: strings.TrimPrefix(url, "http://"), path: "/v1/chat/completions", key: clientKey}
}

// config is the gateway's as a user would write it, with keys, a pool and labels.
func (b *bench) config(broker string) string {
	kafka := ""
	if broker != "" {
		kafka = fmt.Sprintf("kafka: {brokers: [%q], partitions: 12}\n", strings.TrimPrefix(broker, "kafka://"))
	}
	return fmt.Sprintf(`gateway: {listen: "127.0.0.1:0", admin: "127.0.0.1:0"}
data_dir: %q
embedded: {broker: "127.0.0.1:0", warehouse: "127.0.0.1:0"}
limits: {in_flight: 20000}
%sregistries:
  - {name: up, provider: openai_compatible, endpoints: [{name: main, base_url: "%s/v1", api_key: sk-upstream}]}
pools: {main: {members: [{registry: up, weight: 1}]}}
consumers: [{name: bench, keys: [%q], labels: {team: bench}, pool: main}]
`, filepath.Join(b.dir, "data"), kafka, b.upstream, clientKey)
}
