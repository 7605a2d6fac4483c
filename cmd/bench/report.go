package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

// profileGateway writes a CPU profile of the gateway under buffered or streamed load.
func (b *bench) profileGateway() error {
	g := b.gateways[0]
	done := make(chan error, 1)
	go func() { done <- b.fetchProfile(g, "profile?seconds=6") }()
	for {
		if _, err := load(g.target, b.profileStream, 64, 2000); err != nil {
			return err
		}
		select {
		case err := <-done:
			return err
		default:
		}
	}
}

// fetchProfile writes one of a gateway's profiles.
func (b *bench) fetchProfile(g contender, which string) error {
	resp, err := http.Get(g.admin + "/debug/pprof/" + which)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", which, resp.Status, raw)
	}
	return os.WriteFile(b.profile, raw, 0o600)
}

// report measures everything and prints it as ratios to the yardstick.
func (b *bench) report() error {
	if b.open > 0 {
		return b.reportOpen(b.open)
	}
	if b.profile != "" {
		return b.profileGateway()
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer w.Flush()
	fmt.Fprintln(w, "ratio to a plain ReverseProxy (1.00)\tCPU a request, buffered\tCPU a request, paced stream\t"+
		"added p50\tadded p99\trequests/s at 64\tRSS\tmemory an open stream")
	fmt.Fprintln(w, "ReverseProxy against itself\t"+b.noise()+"\t\t\t\t\t\t")
	for _, g := range b.gateways {
		row, err := b.measure(g)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.0f MiB\t%.1f KiB\n", g.name,
			row.cpuBuffered, row.cpuStream, row.addedP50, row.addedP99, row.throughput, row.rss, row.perStream)
	}
	fmt.Fprintf(w, "bar at this stage\t≤ 1.50\t≤ 1.30\t\t\t\t\t≤ 64 KiB\n")
	return nil
}

type figures struct {
	cpuBuffered, cpuStream, addedP50, addedP99, throughput, rss, perStream float64
}

func (b *bench) measure(g contender) (f figures, err error) {
	if b.only != "stream" {
		if f.cpuBuffered, err = b.cpuRatio(g, false); err != nil {
			return f, err
		}
	}
	if b.only != "buffered" {
		if f.cpuStream, err = b.cpuRatio(g, true); err != nil {
			return f, err
		}
	}
	if b.cpuOnly {
		return f, nil
	}
	if f.addedP50, f.addedP99, err = b.addedLatency(g); err != nil {
		return f, err
	}
	if f.throughput, err = b.throughput(g); err != nil {
		return f, err
	}
	rss, err := g.rss()
	if err != nil {
		return f, err
	}
	f.rss = float64(rss) / (1 << 20)
	f.perStream, err = b.memoryPerStream(g)
	return f, err
}

// slices of load: how many pairs, and how many requests each.
func (b *bench) slices(stream bool) (pairs, requests int) {
	switch {
	case b.quick && stream:
		return 5, 500
	case b.quick:
		return 15, 1500
	case stream:
		return 11, 1500
	}
	return 21, 6000
}

// noise is the yardstick measured against itself, slice by slice: how far a ratio of this run can be trusted.
func (b *bench) noise() string {
	r, err := b.cpuRatio(b.proxy, false)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%.2f", r)
}

// cpuRatio is the median, over pairs of slices, of CPU time a request against the yardstick's.
func (b *bench) cpuRatio(g contender, stream bool) (float64, error) {
	pairs, requests := b.slices(stream)
	one := func(c contender) (time.Duration, error) {
		before, err := c.cpu()
		if err != nil {
			return 0, err
		}
		if _, err := load(c.target, stream, 64, requests); err != nil {
			return 0, err
		}
		if err := c.published(); err != nil {
			return 0, err
		}
		after, err := c.cpu()
		return after - before, err
	}
	for _, c := range []contender{b.proxy, g} { // warm up: connections, pools, heap
		if _, err := one(c); err != nil {
			return 0, err
		}
	}
	var ratios []float64
	for range pairs {
		yard, err := one(b.proxy)
		if err != nil {
			return 0, err
		}
		mine, err := one(g)
		if err != nil {
			return 0, err
		}
		if b.verbose {
			n := time.Duration(requests)
			fmt.Fprintf(os.Stderr, "stream %v: %v a request, %v through the proxy\n", stream, mine/n, yard/n)
		}
		ratios = append(ratios, float64(mine)/float64(yard))
	}
	return median(ratios), nil
}

// addedLatency is what stands between client and upstream at one connection: the answer's time less that of asking the
// upstream directly, against the same difference of the yardstick.
func (b *bench) addedLatency(g contender) (p50, p99 float64, err error) {
	pairs, requests := 7, 2000
	if b.quick {
		pairs, requests = 3, 500
	}
	var fifties, nines []float64
	for range pairs {
		direct, err := load(b.direct, false, 1, requests)
		if err != nil {
			return 0, 0, err
		}
		yard, err := load(b.proxy.target, false, 1, requests)
		if err != nil {
			return 0, 0, err
		}
		mine, err := load(g.target, false, 1, requests)
		if err != nil {
			return 0, 0, err
		}
		added := func(r result, p float64) float64 { return float64(r.percentile(p) - direct.percentile(p)) }
		fifties = append(fifties, added(mine, .5)/added(yard, .5))
		nines = append(nines, added(mine, .99)/added(yard, .99))
	}
	return median(fifties), median(nines), nil
}

// throughput is requests a second at 64 connections against the yardstick's.
func (b *bench) throughput(g contender) (float64, error) {
	pairs, requests := b.slices(false)
	var ratios []float64
	for range pairs {
		yard, err := load(b.proxy.target, false, 64, requests)
		if err != nil {
			return 0, err
		}
		mine, err := load(g.target, false, 64, requests)
		if err != nil {
			return 0, err
		}
		ratios = append(ratios, yard.elapsed.Seconds()/mine.elapsed.Seconds())
	}
	return median(ratios), nil
}

// memoryPerStream is the growth of resident memory over the open streams, in KiB a stream.
func (b *bench) memoryPerStream(g contender) (float64, error) {
	before, err := g.rss()
	if err != nil {
		return 0, err
	}
	held := g.target
	held.model = "hold"
	closeAll, err := hold(held, b.streams)
	defer closeAll()
	if err != nil {
		return 0, err
	}
	after, err := g.rss()
	return float64(after-before) / float64(b.streams) / 1024, err
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
