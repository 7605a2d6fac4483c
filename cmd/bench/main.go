// Command bench measures what the gateway costs: the `gateway` process alone on one core against a plain
// httputil.ReverseProxy on the same core, in alternating slices of the same run, so that the ratios hold on a noisy
// machine. Load and upstream run on the other core.
//
//	go run ./cmd/bench            the table of README.md
//	go run ./cmd/bench -quick     a short form, to see whether something moved
//	go run ./cmd/bench -open 10000    ten thousand open streams at once
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// The parts under measurement are this program again, each in a process of its own.
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "proxy":
			exit(runProxy(os.Args[2]))
		case "bare-gateway":
			exit(runBareGateway(os.Args[2]))
		}
	}
	var o options
	flag.BoolVar(&o.quick, "quick", false, "short slices: a hint, not a figure")
	flag.IntVar(&o.streams, "streams", 1000, "open streams for the memory figure")
	flag.IntVar(&o.open, "open", 0, "measure so many open streams at once, and nothing else")
	flag.StringVar(&o.binary, "tollhouse", "", "a built tollhouse binary (default: built now)")
	flag.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of the gateway under load to this file, and measure nothing; with -open: a heap profile")
	flag.BoolVar(&o.profileStream, "stream", false, "with -cpuprofile: under streamed load")
	flag.BoolVar(&o.cpuOnly, "cpu", false, "CPU time only")
	flag.BoolVar(&o.verbose, "v", false, "print the CPU time of each pair of slices")
	flag.StringVar(&o.only, "only", "", "with -cpu: `buffered` calls or `stream`s alone")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
