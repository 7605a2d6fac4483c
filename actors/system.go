package actors

import (
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"
)

// stopOnPanic ends an actor that panics: a request actor settles its request on its way out, and is never started again with
// its state lost. There is one guardian for all, since each strategy leaks a process.
var stopOnPanic = actor.NewOneForOneStrategy(0, 0, func(any) actor.Directive { return actor.StopDirective })

// restartOnPanic starts a long-lived actor again, with the state it had: its producer returns the same value.
var restartOnPanic = actor.NewOneForOneStrategy(10, 0, func(any) actor.Directive { return actor.RestartDirective })

func newSystem(log *slog.Logger) *actor.ActorSystem {
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return log.With("area", "actors")
	}))
}
