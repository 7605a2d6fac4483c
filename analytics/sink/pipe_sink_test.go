package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/tollhouse/tollhouse/events"
	"github.com/tollhouse/tollhouse/events/kafka"
)

// sinkLife is one process of the sink, from its start to its death.
type sinkLife struct {
	line      *line
	store     *shakyStore
	publisher *kafka.Publisher
	sub       *kafka.Subscriber
	cancel    context.CancelFunc
	done      chan struct{}
}

func (p *pipe) startSink() {
	s := &sinkLife{line: &line{network: p.network}, done: make(chan struct{})}
	s.store = &shakyStore{p: p, die: func() { s.line.cut(true) }}
	s.publisher = p.publisher(s.line)
	p.started++
	logger := slog.New(traceLog{p, fmt.Sprint("sink ", p.started)})
	product := New(Options{
		Logger: logger,
		Store:  s.store, Log: s.publisher, DeadLetters: s.publisher, Catalogue: p.catalogue, broken: p.c.broken.rules,
		MaxWait: 200 * time.Millisecond, MaxRows: 1 + p.r.IntN(40), Position: pipePosition,
	})
	var err error
	connection := p.connection(s.line)
	connection.Logger = logger
	s.sub, err = kafka.NewSubscriber(kafka.SubscriberOptions{
		Connection: connection, Group: "sink", MaxUnacked: 1000, OnAssign: product.Assign,
		HeartbeatInterval: time.Second, SessionTimeout: 6 * time.Second, RebalanceTimeout: 6 * time.Second,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	messages, err := s.sub.Subscribe(ctx, events.Topic)
	if err != nil {
		p.t.Fatal(err)
	}
	go func() {
		defer close(s.done)
		if err := product.Run(ctx, messages); err != nil {
			p.problem("a sink ended: %v", err)
		}
	}()
	p.sinks = append(p.sinks, s)
	p.log("a sink starts, %d run", len(p.sinks))
}

func pipePosition(m *message.Message) (int, int64, time.Time, int64, bool) {
	at, ok := kafka.PositionOf(m)
	return at.Partition, at.Offset, at.Time.UTC(), at.HighWatermark, ok
}

// endSink ends a sink: in order, or wherever it is and without a word to the broker.
func (p *pipe) endSink(i int, kill bool) {
	s := p.sinks[i]
	p.sinks = append(p.sinks[:i:i], p.sinks[i+1:]...)
	p.log("a sink ends (killed: %v), %d run", kill, len(p.sinks))
	if kill {
		s.store.kill()
		s.line.cut(true)
	}
	s.cancel()
	p.ending.Go(func() {
		<-s.done
		_ = s.sub.Close()
		_ = s.publisher.Close()
		p.log("a sink is gone")
	})
}

// reapSinks takes those away that have died by themselves.
func (p *pipe) reapSinks() {
	for i := len(p.sinks) - 1; i >= 0; i-- {
		if p.sinks[i].store.isDead() {
			p.endSink(i, true)
		}
	}
}

// changeSinks starts, ends, kills or cuts off sinks: two at once are a rebalance, and one that is slow becomes a zombie.
func (p *pipe) changeSinks() {
	p.reapSinks()
	if len(p.sinks) == 0 {
		p.startSink()
		return
	}
	switch i := p.r.IntN(len(p.sinks)); p.r.IntN(6) {
	case 0, 1:
		if len(p.sinks) < 3 {
			p.startSink()
		}
	case 2:
		p.endSink(i, true)
	case 3:
		p.endSink(i, false)
	case 4:
		p.sinks[i].store.dieIn(1 + p.r.IntN(20))
		p.log("a sink is going to die between two steps")
	default:
		p.sinks[i].line.cut(false)
		p.log("a sink loses its connections")
	}
}

// lateInsert bounds how late an insert takes effect that timed out.
const lateInsert = 40 * time.Second

// shakyStore is the tables as one sink reaches them: inserts fail before, after, or half-way through taking effect, take effect late,
// or take long; and the sink may die between any two of them.
type shakyStore struct {
	p    *pipe
	die  func()
	mu   sync.Mutex
	dead bool
	left int // steps until it dies; 0: it does not
}

func (s *shakyStore) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
}

func (s *shakyStore) isDead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

func (s *shakyStore) dieIn(steps int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = steps
}

func (s *shakyStore) spare() { s.dieIn(0) }

// step counts one step; an error says that the sink is dead.
func (s *shakyStore) step() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.dead && s.left > 0 {
		if s.left--; s.left == 0 {
			s.dead = true
			s.die()
		}
	}
	if s.dead {
		return errDead
	}
	return nil
}

var (
	errDead    = errors.New("scripted: the sink is dead")
	errTimeout = errors.New("scripted: the insert timed out")
)

func (s *shakyStore) Progress(ctx context.Context, topic string, partition int) (Progress, bool, error) {
	if err := s.step(); err != nil {
		return Progress{}, false, err
	}
	return s.p.tables.Progress(ctx, topic, partition)
}

func (s *shakyStore) Insert(ctx context.Context, name string, rows []any) error {
	if len(rows) == 0 {
		return nil
	}
	if err := s.step(); err != nil {
		return err
	}
	t := s.p.tables
	what := 99
	if !s.p.calm.Load() && s.p.c.kills {
		what = s.p.dice.roll(20)
	}
	late := time.Duration(1+s.p.dice.roll(int(lateInsert/time.Millisecond))) * time.Millisecond
	switch what {
	case 0:
		return errTimeout
	case 1:
		_ = t.Insert(ctx, name, rows)
		return errTimeout
	case 2:
		t.insert(name, rows, false)
		return errTimeout
	case 3:
		time.AfterFunc(late, func() { _ = t.Insert(ctx, name, rows) })
		return errTimeout
	case 4: // slow, and done whatever becomes of the sink meanwhile
		select {
		case <-time.After(late / 4):
		case <-ctx.Done():
		}
	}
	return t.Insert(ctx, name, rows)
}
