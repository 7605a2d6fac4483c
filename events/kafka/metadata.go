package kafka

import (
	"bytes"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/segmentio/kafka-go"

	"github.com/tollhouse/tollhouse/events"
)

// Metadata keys that are not headers. The first two say where to: the Publisher reads them, and the Subscriber sets the
// key. The others say where from: the Subscriber sets them, and the Publisher leaves them out. Numbers are decimal.
const (
	// MetadataKey is the record's key; records with one key share a partition.
	MetadataKey = "kafka_key"
	// MetadataPartitionPin is the partition that a message must go to, whatever its key.
	MetadataPartitionPin = "kafka_partition_pin"

	MetadataTopic     = "kafka_topic"
	MetadataPartition = "kafka_partition"
	MetadataOffset    = "kafka_offset"
	// MetadataTime is the record's time in ms since 1970.
	MetadataTime = "kafka_time_ms"
	// MetadataHighWatermark is the partition's end when the record was fetched; minus the offset, minus one: the lag.
	MetadataHighWatermark = "kafka_high_watermark"
	// MetadataGeneration is the consumer group generation that a message was handed out under; 0 without a group.
	MetadataGeneration = "kafka_generation"
)

// HeaderUUID carries a message's UUID, unless its ce_id header does.
const HeaderUUID = "_watermill_message_uuid"

// Position is where a record stands.
type Position struct {
	Topic         string
	Partition     int
	Offset        int64
	Time          time.Time
	HighWatermark int64
	Generation    int32
}

// PositionOf reads the position of a message that the Subscriber handed out; ok is false for any other.
func PositionOf(m *message.Message) (p Position, ok bool) {
	ok = true
	number := func(key string, bits int) int64 {
		n, err := strconv.ParseInt(m.Metadata[key], 10, bits)
		ok = ok && err == nil
		return n
	}
	p = Position{
		Topic:         m.Metadata[MetadataTopic],
		Partition:     int(number(MetadataPartition, 32)),
		Offset:        number(MetadataOffset, 64),
		Time:          time.UnixMilli(number(MetadataTime, 64)).UTC(),
		HighWatermark: number(MetadataHighWatermark, 64),
		Generation:    int32(number(MetadataGeneration, 32)),
	}
	return p, ok
}

func isReserved(key string) bool {
	switch key {
	case MetadataKey, MetadataPartitionPin, MetadataTopic, MetadataPartition, MetadataOffset, MetadataTime,
		MetadataHighWatermark, MetadataGeneration:
		return true
	}
	return false
}

// headers are a message's metadata as record headers.
func headers(m *message.Message) []kafka.Header {
	hs := make([]kafka.Header, 0, len(m.Metadata)+1)
	if m.UUID != "" && m.Metadata[events.HeaderID] != m.UUID {
		hs = append(hs, kafka.Header{Key: HeaderUUID, Value: []byte(m.UUID)})
	}
	for k, v := range m.Metadata {
		if !isReserved(k) {
			hs = append(hs, kafka.Header{Key: k, Value: []byte(v)})
		}
	}
	return hs
}

// record is one of a partition, independent of the buffers that it was fetched in.
type record struct {
	offset        int64
	time          time.Time
	key, value    []byte
	headers       []kafka.Header
	highWatermark int64
}

// is says whether two records, read at one offset, are one.
func (r *record) is(other *record) bool {
	return r.time.Equal(other.time) && bytes.Equal(r.key, other.key) && bytes.Equal(r.value, other.value)
}

// size is what it holds in memory, roughly.
func (r *record) size() int {
	n := len(r.key) + len(r.value) + 256
	for _, h := range r.headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

// message makes a fresh message of a record; one record may be handed out several times.
func (r *record) message(topic string, partition int, generation int32) *message.Message {
	metadata := make(message.Metadata, len(r.headers)+7)
	uuid := ""
	for _, h := range r.headers {
		if h.Key == HeaderUUID {
			uuid = string(h.Value)
			continue
		}
		metadata[h.Key] = string(h.Value)
	}
	if uuid == "" {
		uuid = metadata[events.HeaderID]
	}
	if r.key != nil {
		metadata[MetadataKey] = string(r.key)
	}
	metadata[MetadataTopic] = topic
	metadata[MetadataPartition] = strconv.Itoa(partition)
	metadata[MetadataOffset] = strconv.FormatInt(r.offset, 10)
	metadata[MetadataTime] = strconv.FormatInt(r.time.UnixMilli(), 10)
	metadata[MetadataHighWatermark] = strconv.FormatInt(r.highWatermark, 10)
	metadata[MetadataGeneration] = strconv.FormatInt(int64(generation), 10)
	m := message.NewMessage(uuid, r.value)
	m.Metadata = metadata
	return m
}
