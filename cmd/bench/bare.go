package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/all"
	"github.com/tollhouse/tollhouse/events"
	"github.com/tollhouse/tollhouse/ingress"
)

// runBareGateway is the gateway without its books: what accounting costs is the difference to the one that ships. It exists
// for this comparison only; the product has no such switch.
func runBareGateway(upstream string) error {
	set, err := all.Set()
	if err != nil {
		return err
	}
	base, err := url.Parse(upstream + "/v1")
	if err != nil {
		return err
	}
	registry := &adapters.Registry{
		Name: "up", Provider: set.Provider("openai_compatible"),
		Endpoints: []*adapters.Endpoint{{Name: "main", BaseURL: base, APIKey: "sk-upstream", Weight: 1}},
	}
	snapshot := &routing.Snapshot{Registries: map[string]*adapters.Registry{"up": registry}}
	snapshot.AddKey(routing.HashKey(clientKey), &routing.Consumer{
		Name: "bench", Labels: map[string]string{"team": "bench"}, Pool: &routing.Pool{Members: []routing.Member{{Registry: registry, Weight: 1}}},
		Retry: routing.RetryPolicy{MaxAttempts: 4, Budget: 30e9},
	})
	forwarder, err := actors.NewForwarder(actors.Options{
		Snapshot: snapshot, Invoker: adapters.NewProviderInvoker(adapters.InvokerOptions{}), Recorder: noBooks{},
	})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("gateway=http://%s\n", ln.Addr())
	return ingress.NewServer(ingress.Options{
		GatewayID: "bench", Forwarder: forwarder, Snapshot: func() *routing.Snapshot { return snapshot }, Set: set,
	}).Serve(ln)
}

// noBooks keeps nothing.
type noBooks struct{}

type once struct{ used atomic.Bool }

func (o *once) Redeem() error {
	if o.used.Swap(true) {
		return errors.New("used")
	}
	return nil
}

func (noBooks) Begin(context.Context, *events.Accept, *events.Start) (events.Ticket, error) {
	return &once{}, nil
}
func (noBooks) Start(context.Context, *events.Start) (events.Ticket, error)  { return &once{}, nil }
func (noBooks) Refuse(*events.Accept, *events.RequestClosed) error           { return nil }
func (noBooks) Note(*events.Note)                                            {}
func (noBooks) Settle(*events.AttemptSettled)                                {}
func (noBooks) Close(*events.RequestClosed)                                  {}
func (noBooks) SettleAndClose(*events.AttemptSettled, *events.RequestClosed) {}
