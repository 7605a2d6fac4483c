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

// inline runs an actor's messages on the goroutine that sends them, where the actor is idle, and in their order behind the one
// that it handles, where it is not. No actor here does I/O, so nobody waits long; a hand-over to another goroutine costs more
// than what most messages do.
var inline = actor.WithDispatcher(actor.NewSynchronizedDispatcher(300))

func newSystem(log *slog.Logger) *actor.ActorSystem {
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return log.With("area", "actors")
	}))
}
