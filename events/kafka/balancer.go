package kafka

import (
	"fmt"
	"strconv"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/segmentio/kafka-go"
)

// balancer chooses partitions: the pinned one; else by the key's murmur2 hash, as Kafka's Java clients do; a message
// without a key by that of its UUID.
type balancer struct{ murmur2 kafka.Murmur2Balancer }

// route is what the balancer needs to know of a message besides its key; it travels as WriterData.
type route struct {
	pin  int // -1: none
	uuid string
}

func (b balancer) Balance(m kafka.Message, partitions ...int) int {
	r, ok := m.WriterData.(route)
	if ok && r.pin >= 0 {
		return r.pin // that there is no such partition is the broker's to say
	}
	if m.Key == nil {
		m.Key = []byte(r.uuid)
	}
	return b.murmur2.Balance(m, partitions...)
}

func routeOf(m *message.Message) (route, error) {
	pin, pinned := m.Metadata[MetadataPartitionPin]
	if !pinned {
		return route{pin: -1, uuid: m.UUID}, nil
	}
	n, err := strconv.ParseInt(pin, 10, 32)
	if err != nil || n < 0 {
		return route{}, fmt.Errorf("%s %q is not a partition", MetadataPartitionPin, pin)
	}
	return route{pin: int(n)}, nil
}
