package sink

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/events"
	"github.com/tollhouse/tollhouse/events/broker"
	"github.com/tollhouse/tollhouse/events/kafka"
)

const pipeAddr = "127.0.0.1:9092"

func (p *pipe) startBroker() {
	topics := []broker.Topic{{Name: events.Topic, Partitions: p.count}, {Name: events.DeadLetterTopic}}
	b, err := broker.Start(broker.Options{Listen: pipeAddr, Network: p.network, Dir: p.dir, NoSync: true, Topics: topics})
	if err != nil {
		p.t.Fatal(err)
	}
	p.broker = b
}

func (p *pipe) stopBroker() {
	p.faults = nil
	if err := p.broker.Close(); err != nil {
		p.problem("close the broker: %v", err)
	}
	p.broker = nil
}

// brokerTrouble makes the broker refuse, answer late, go away, come back, or grow.
func (p *pipe) brokerTrouble() {
	if p.broker == nil {
		p.log("broker starts")
		p.startBroker()
		return
	}
	const notLeader, timedOut = 6, 7
	switch p.r.IntN(8) {
	case 0, 1:
		p.log("broker: produce answers that it timed out, and is done")
		p.inject(broker.Fault{Requests: []int16{broker.Produce}, Code: timedOut, Count: 1 + p.r.IntN(3)})
	case 2, 3:
		p.log("broker: one partition does not take or give records")
		p.inject(broker.Fault{
			Requests: []int16{broker.Produce, broker.Fetch, broker.ListOffsets}, Topic: events.Topic,
			Partitions: []int32{int32(p.r.IntN(p.count))}, Code: notLeader, Count: 1 + p.r.IntN(8),
		})
	case 4:
		p.log("broker: heals")
		p.removeFaults()
	case 5:
		if p.count < 5 {
			p.count++
			p.log("broker: %d partitions", p.count)
			if err := p.broker.AddPartitions(events.Topic, p.count); err != nil {
				p.problem("add a partition: %v", err)
			}
		}
	default:
		p.log("broker stops")
		p.stopBroker()
	}
}

// duplicate delivers some of what Kafka has once more, or twice, in any order and to any partition.
func (p *pipe) duplicate() {
	copies := p.books.someCopies(p.r)
	if p.broker == nil || len(copies) == 0 {
		return
	}
	p.log("%d records are delivered again", len(copies))
	for _, m := range copies {
		if p.r.IntN(2) == 0 {
			m.Metadata.Set(kafka.MetadataPartitionPin, strconv.Itoa(p.r.IntN(p.count)))
		}
	}
	p.ending.Go(func() {
		publisher := p.publisher(&line{network: p.network})
		defer publisher.Close()
		_ = publisher.Publish(events.Topic, copies...)
	})
}

// destroy loses what Kafka has acknowledged: retention passes the sinks in one partition, or the topic is made anew.
func (p *pipe) destroy() {
	if p.broker == nil {
		return
	}
	p.damaged = true
	defer p.books.destroy(p.tables) // and what was sent meanwhile
	p.books.destroy(p.tables)
	p.log("records are destroyed; up to %d facts are lost", p.books.lost())
	if p.r.IntN(2) == 0 {
		p.log("retention passes one partition")
		if err := p.broker.DeleteRecords(events.Topic, p.r.IntN(p.count), -1); err != nil {
			p.problem("delete records: %v", err)
		}
		return
	}
	p.log("the topic is made anew")
	if err := p.broker.DeleteTopic(events.Topic); err != nil {
		p.problem("delete the topic: %v", err)
	}
	time.Sleep(2*time.Second + time.Duration(p.r.IntN(4000))*time.Millisecond) // within a second a busy reader could not know
	if err := p.broker.CreateTopic(events.Topic, p.count, nil); err != nil {
		p.problem("make the topic anew: %v", err)
	}
}

func (p *pipe) inject(f broker.Fault) { p.faults = append(p.faults, p.broker.Inject(f)) }

func (p *pipe) removeFaults() {
	for _, f := range p.faults {
		f.Remove()
	}
	p.faults = nil
}

// line is the network as one process has it: it can be cut.
type line struct {
	network broker.Network
	mu      sync.Mutex
	conns   []net.Conn
	dead    bool
}

var errCut = errors.New("scripted: no network")

func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := l.network.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		_ = conn.Close()
		return nil, errCut
	}
	l.conns = append(l.conns, conn)
	return conn, nil
}

// cut closes what is open; for good: nothing else is opened.
func (l *line) cut(good bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.conns, l.dead = nil, l.dead || good
}
