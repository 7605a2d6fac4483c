package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollhouse/tollhouse/actors"
	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
)

// forwarder is actors.Forwarder, or what it is compared with.
type forwarder interface {
	Forward(ctx context.Context, in actors.ForwardInput) (*actors.ForwardResult, error)
	Reload(s *routing.Snapshot) error
	Drain(ctx context.Context) error
}

// Result is what a client has seen.
type Result struct {
	OK     bool
	Cut    bool // it broke off behind the first token
	Left   bool // by itself, or its deadline had passed
	Stream bool
	First  time.Duration // to the first token; of a buffered answer, to all of it
	Took   time.Duration
}

// Report is what came of a run.
type Report struct {
	Results []Result
	Calls   map[string]int    // by registry/endpoint
	Spend   map[string]uint64 // likewise, in 10⁻⁹ dollars
	Broken  []string          // rules
	Seen    map[string]int
}

// run is one scenario while it runs.
type run struct {
	*Scenario
	f        forwarder
	watch    *Watch
	books    *Books
	invoker  *invoker
	gauges   *prometheus.Registry // nil: the naive one has none
	began    time.Time
	snapshot atomic.Pointer[routing.Snapshot] // the current one
	results  []Result
}

// Run plays a scenario to its end. It must be called within a testing/synctest bubble.
func (s *Scenario) Run() (*Report, error) {
	r := s.prepare()
	r.gauges = prometheus.NewRegistry()
	chance := rand.New(rand.NewPCG(s.Seed, 5))
	var mu sync.Mutex
	f, err := actors.NewForwarder(actors.Options{
		Snapshot: r.snapshot.Load(), Invoker: r.invoker, Recorder: r.books, Registerer: r.gauges,
		Random: func(n int64) int64 {
			mu.Lock()
			defer mu.Unlock()
			return chance.Int64N(n)
		},
	})
	if err != nil {
		return nil, err
	}
	r.f = f
	return r.play()
}

// RunNaive plays it with the naive forwarder.
func (s *Scenario) RunNaive() (*Report, error) {
	r := s.prepare()
	r.f = &naive{invoker: r.invoker}
	report, err := r.play()
	if err == nil {
		report.Broken = nil // it keeps no rules
	}
	return report, err
}

func (s *Scenario) prepare() *run {
	r := &run{Scenario: s, began: time.Now(), results: make([]Result, s.Load.Requests)}
	r.snapshot.Store(s.snapshot(nil))
	r.watch = newWatch(r.began)
	r.books = newBooks(r.watch)
	r.invoker = &invoker{seed: s.Seed, sites: map[string]*site{}, watch: r.watch}
	for _, reg := range s.Registries {
		for _, p := range reg.Places {
			r.invoker.sites[reg.Name+"/"+p.Name] = newSite(p, r.began)
		}
	}
	return r
}

// play lets the clients in one after the other, and reloads between them.
func (r *run) play() (*Report, error) {
	stop := r.sampling()
	load := newClients(r.Load, r.Seed, len(r.Consumers))
	reloads := r.Reloads
	var all sync.WaitGroup
	for n := range r.Load.Requests {
		time.Sleep(load.pause())
		for len(reloads) > 0 && time.Since(r.began) >= reloads[0].At {
			if err := r.reload(reloads[0]); err != nil {
				return nil, err
			}
			reloads = reloads[1:]
		}
		q, err := load.request(n)
		if err != nil {
			return nil, err
		}
		snapshot := r.snapshot.Load()
		all.Go(func() { r.results[n] = r.client(q, snapshot) })
	}
	all.Wait()
	stop()
	if err := r.f.Drain(context.Background()); err != nil {
		return nil, fmt.Errorf("drain: %w", err)
	}
	r.books.over()
	return r.report(), nil
}

func (r *run) reload(change Reload) error {
	change.Change(r.Scenario)
	r.snapshot.Store(r.Scenario.snapshot(r.snapshot.Load()))
	r.watch.reloaded()
	if err := r.f.Reload(r.snapshot.Load()); err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	return nil
}

// client makes one request and reads what it is answered.
func (r *run) client(q *request, snapshot *routing.Snapshot) (result Result) {
	ctx, cancel := context.WithCancelCause(withRequest(context.Background(), q))
	defer cancel(nil)
	if q.deadline > 0 {
		defer time.AfterFunc(q.deadline, func() { cancel(adapters.ErrDeadline) }).Stop()
	}
	if q.hangsUp > 0 {
		defer time.AfterFunc(q.hangsUp, func() { cancel(adapters.ErrClientGone) }).Stop()
	}
	consumer, began := snapshot.Consumers[q.consumer], time.Now()
	r.watch.arrives(began, q.id(), consumer)
	result.Stream = q.stream
	res, err := r.f.Forward(ctx, actors.ForwardInput{
		GatewayID: "sim", Snapshot: snapshot, Consumer: consumer, Data: actors.ConsumerData{KeyID: "key"}, Request: q.context(),
	})
	result.First = time.Since(began)
	if err == nil {
		result.OK = res.StatusCode == 200
		frames := 0
		for _, broken := range stream(res) {
			if broken != nil {
				result.OK, result.Cut = false, true
			}
			if frames++; frames == q.reads {
				result.Left = true
				break
			}
		}
		res.Release()
	}
	result.Took = time.Since(began)
	result.Left = result.Left || ctx.Err() != nil
	return result
}

// stream is the answer's, empty where it is whole.
func stream(res *actors.ForwardResult) func(yield func([]byte, error) bool) {
	if res.Stream == nil {
		return func(func([]byte, error) bool) {}
	}
	return res.Stream
}

func (r *run) report() *Report {
	rep := &Report{Results: r.results, Calls: map[string]int{}, Spend: map[string]uint64{}, Broken: r.watch.Broken, Seen: r.watch.Seen}
	for name, s := range r.invoker.sites {
		rep.Calls[name], rep.Spend[name] = s.calls, s.spend
	}
	return rep
}
