// Command tollhouse is an LLM gateway whose books always close. Run `tollhouse up` to have everything on one machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes.
const (
	exitDone    = 0
	exitWanting = 1 // it was done, and something is not as it should be; or it could not be done
	exitUse     = 2 // the words or the configuration are wrong
)

// cli is the command line: the parts that run, and the questions that are answered.
type cli struct {
	Config  string           `short:"c" placeholder:"FILE" type:"path" help:"Configuration; without it ./tollhouse.yaml where that exists, else the defaults."`
	Data    string           `placeholder:"DIR" type:"path" help:"Where everything is kept; overrides data_dir."`
	Version kong.VersionFlag `help:"Print the version."`

	Up        upCmd        `cmd:"" help:"Run everything on this machine: broker, warehouse, sink and gateway."`
	Gateway   gatewayCmd   `cmd:"" help:"Run the gateway alone, against a Kafka."`
	Sink      sinkCmd      `cmd:"" help:"Run the sink alone: Kafka to ClickHouse."`
	Broker    brokerCmd    `cmd:"" help:"Run the embedded Kafka-protocol broker alone."`
	Warehouse warehouseCmd `cmd:"" help:"Run the embedded ClickHouse engine alone."`

	Check   checkCmd   `cmd:"" help:"Validate the configuration; print every error as path: what is wrong."`
	Usage   usageCmd   `cmd:"" help:"Show what was used, and what it cost."`
	Explain explainCmd `cmd:"" help:"Tell the whole story of one request."`
	Audit   auditCmd   `cmd:"" help:"Check that the books close."`
	Prices  pricesCmd  `cmd:"" help:"Show the price catalogue."`
}

// environment is what a command may touch of the world; tests give their own.
type environment struct {
	stdout, stderr io.Writer
	getenv         func(string) (string, bool)
	reload         <-chan struct{} // SIGHUP
}

func main() {
	os.Exit(run(os.Args[1:], environment{stdout: os.Stdout, stderr: os.Stderr, getenv: os.LookupEnv}))
}

func run(args []string, env environment) (code int) {
	var c cli
	left := false
	parser, err := kong.New(&c,
		kong.Name("tollhouse"),
		kong.Description("An LLM gateway whose books always close."),
		kong.Vars{"version": version()},
		kong.Writers(env.stdout, env.stderr),
		kong.Exit(func(status int) { left, code = true, status }),
		kong.UsageOnError(),
	)
	if err != nil {
		fmt.Fprintln(env.stderr, "tollhouse:", err)
		return exitUse
	}
	command, err := parser.Parse(args)
	if left { // --help and --version have answered
		return code
	}
	if err != nil {
		fmt.Fprintln(env.stderr, "tollhouse:", err)
		return exitUse
	}
	ctx, hangUps, stop := untilSignal()
	defer stop()
	env.reload = hangUps
	command.BindTo(ctx, (*context.Context)(nil))
	err = command.Run(&c, env)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errWanting):
		return exitWanting
	}
	fmt.Fprintln(env.stderr, "tollhouse:", err)
	var use useError
	if errors.As(err, &use) {
		return exitUse
	}
	return exitWanting
}

// errWanting ends a command that has already said what is wanting.
var errWanting = errors.New("found wanting")

// useError is an error of the one who called: wrong words or a wrong configuration.
type useError struct{ error }

func (e useError) Unwrap() error { return e.error }

// errSignal is the cause of a drain.
var errSignal = errors.New("asked to stop")

// untilSignal returns a context that ends with the first SIGINT or SIGTERM; a second one ends the process at once. SIGHUPs come as
// one, where nobody takes them in time.
func untilSignal() (ctx context.Context, hangUps <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 4)
	reload := make(chan struct{}, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		asked := false
		for s := range signals {
			switch {
			case s == syscall.SIGHUP:
				select {
				case reload <- struct{}{}:
				default:
				}
			case asked:
				os.Exit(exitWanting)
			default:
				asked = true
				cancel(errSignal)
			}
		}
	}()
	return ctx, reload, func() { signal.Stop(signals); cancel(nil) }
}

// version is the module's, as the build recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

func newLogger(w io.Writer, level slog.Leveler, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
