package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Requests that a Fault can name, by their key in the protocol.
const (
	Produce      = int16(kmsg.Produce)
	Fetch        = int16(kmsg.Fetch)
	ListOffsets  = int16(kmsg.ListOffsets)
	Metadata     = int16(kmsg.Metadata)
	OffsetCommit = int16(kmsg.OffsetCommit)
	OffsetFetch  = int16(kmsg.OffsetFetch)
	JoinGroup    = int16(kmsg.JoinGroup)
	SyncGroup    = int16(kmsg.SyncGroup)
	Heartbeat    = int16(kmsg.Heartbeat)
	CreateTopics = int16(kmsg.CreateTopics)
)

// Fault makes requests fail, for tests of what stands on a broker. Empty selectors match all.
type Fault struct {
	Requests   []int16
	Topic      string
	Partitions []int32
	Group      string
	// Code is the protocol's error code. 7 (REQUEST_TIMED_OUT) on Produce is answered after the records are written, as a
	// real broker may do; all others instead of the work.
	Code int16
	// Count is how many requests fail; 0: one, -1: all until Remove.
	Count int
}

// Injected is a fault at work.
type Injected struct{ handle *kfake.FaultHandle }

// Hits is how many requests it has failed.
func (i Injected) Hits() int { return i.handle.Hits() }

// Remove ends it.
func (i Injected) Remove() { i.handle.Remove() }

// Inject makes requests fail from now on.
func (b *Broker) Inject(f Fault) Injected {
	keys := make([]kmsg.Key, len(f.Requests))
	for i, key := range f.Requests {
		keys[i] = kmsg.Key(key)
	}
	return Injected{b.cluster.Fault(kfake.Fault{
		Keys: keys, Topic: f.Topic, Partitions: f.Partitions, Group: f.Group,
		Err: kerr.TypedErrorForCode(f.Code), Count: f.Count,
	})}
}

// CreateTopic creates a topic with the broker's limits; settings add to them, or override them.
func (b *Broker) CreateTopic(name string, partitions int, settings map[string]string) error {
	limits := b.limits()
	for k, v := range settings {
		limits[k] = v
	}
	if err := b.cluster.CreateTopic(name, int32(partitions), limits); err != nil {
		return fmt.Errorf("broker: create topic %s: %w", name, err)
	}
	return nil
}

// DeleteTopic deletes a topic with its records.
func (b *Broker) DeleteTopic(name string) error {
	if err := b.cluster.DeleteTopic(name); err != nil {
		return fmt.Errorf("broker: delete topic %s: %w", name, err)
	}
	return nil
}

// DeleteRecords deletes a partition's records below an offset, as retention would.
func (b *Broker) DeleteRecords(topic string, partition int, before int64) error {
	if err := b.cluster.DeleteRecords(topic, int32(partition), before); err != nil {
		return fmt.Errorf("broker: delete records of %s/%d: %w", topic, partition, err)
	}
	return nil
}

// ApplyRetention deletes now what the topics' limits allow; otherwise that happens every few minutes.
func (b *Broker) ApplyRetention() { b.cluster.ApplyRetention() }

// AddPartitions makes a topic have count partitions, which must be more than it has.
func (b *Broker) AddPartitions(topic string, count int) error {
	client, err := b.client()
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	request := kmsg.NewPtrCreatePartitionsRequest()
	t := kmsg.NewCreatePartitionsRequestTopic()
	t.Topic, t.Count = topic, int32(count)
	request.Topics = append(request.Topics, t)
	response, err := request.RequestWith(ctx, client)
	if err == nil {
		err = kerr.ErrorForCode(response.Topics[0].ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("broker: add partitions to %s: %w", topic, err)
	}
	return nil
}
