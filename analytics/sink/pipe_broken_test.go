package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/tollhouse/tollhouse/events"
	"github.com/tollhouse/tollhouse/events/journal/journaltest"
	"github.com/tollhouse/tollhouse/events/kafka"
)

// The parts of the pipe with a rule taken out. Where the product has no hook for it, what stands around it does what the product would
// do without the rule.

// onlyFirst is a relay without the rule that every partition gets its barrier.
func onlyFirst(barriers []*message.Message) []*message.Message {
	m := barriers[0].Copy()
	var b events.Barrier
	_ = json.Unmarshal(m.Payload, &b)
	b.Partitions = 1
	m.Payload, _ = json.Marshal(b)
	return []*message.Message{m}
}

// barrierAtHighest is a relay without the rule that a barrier covers the acknowledged prefix and no more.
func (s shakyPublisher) barrierAtHighest(ctx context.Context, topic string, messages []*message.Message, each kafka.PublishErrors) {
	for i := len(messages) - 1; i >= 0; i-- {
		if each[i] != nil || isBarrier(messages[i]) {
			continue
		}
		epoch, seq := numberOf(messages[i])
		partitions, _ := s.Partitions(ctx, topic)
		for _, n := range partitions {
			payload, _ := json.Marshal(events.Barrier{GatewayID: gateway, Epoch: epoch, Acked: seq, Partition: int32(n), Partitions: int32(len(partitions))})
			m := message.NewMessage("", payload)
			m.Metadata = message.Metadata{
				events.HeaderType: events.TypeBarrier, events.HeaderID: fmt.Sprint("early/", epoch, "/", seq, "/", n),
				kafka.MetadataPartitionPin: strconv.Itoa(n),
			}
			_ = s.Publisher.PublishContext(ctx, topic, m)
		}
		time.Sleep(time.Second) // the answer takes its time
		return
	}
}

// lie makes the disk say that a segment is synced when it is not: a journal whose `durable` is above what is durable.
func (p *pipe) lie() {
	p.disk.Fail(func(op, name string) error {
		if op == "sync" && strings.HasPrefix(name, "seg-") {
			return journaltest.ErrLie
		}
		return nil
	})
}
