package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

const (
	// toolFetchBytes and toolFetchWait are those of the reads that no subscription does.
	toolFetchBytes = 1 << 20
	toolFetchWait  = 250 * time.Millisecond
	// toolFetchesEmpty is how many answers without a record, short of the partition's end, are patience enough.
	toolFetchesEmpty = 20
)

// fetched is one answer: the records from the wanted offset on, and where to go on.
type fetched struct {
	records []record
	next    int64
	first   int64 // the partition's, -1 where the broker did not say
	end     int64 // the partition's high watermark
}

// fetch asks a partition's leader for records from an offset on and waits for them up to maxWait. None is no error.
// Fetching goes around kafka.Reader, which on an offset below the log's start goes on from the start without a word.
func (c *Client) fetch(ctx context.Context, topic string, partition int, offset int64, maxBytes int, maxWait time.Duration) (fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, c.connection.DialTimeout+c.connection.Timeout+maxWait)
	defer cancel()
	response, err := c.kafka.Fetch(ctx, &kafka.FetchRequest{
		Topic: topic, Partition: partition, Offset: offset,
		MinBytes: 1, MaxBytes: int64(maxBytes), MaxWait: maxWait,
	})
	if err == nil {
		err = response.Error
	}
	if err != nil {
		return fetched{}, fmt.Errorf("kafka: fetch %s/%d at %d: %w", topic, partition, offset, classify(err))
	}
	f := fetched{next: offset, first: response.LogStartOffset, end: response.HighWatermark}
	if err := f.read(response.Records, offset); err != nil {
		return fetched{}, fmt.Errorf("kafka: read %s/%d at %d: %w", topic, partition, offset, err)
	}
	return f, nil
}

// read takes the records out of the buffers of an answer. A batch may begin before the wanted offset; control batches
// are passed by, but their offsets are behind us then.
func (f *fetched) read(records kafka.RecordReader, from int64) error {
	batches := []protocol.RecordReader{records}
	if stream, ok := records.(*protocol.RecordStream); ok {
		batches = stream.Records
	}
	for _, batch := range batches {
		_, control := batch.(*protocol.ControlBatch)
		for {
			r, err := batch.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			taken, err := take(r)
			if err != nil {
				return err
			}
			if taken.offset < from {
				continue
			}
			f.next = taken.offset + 1
			if !control {
				taken.highWatermark = f.end
				f.records = append(f.records, taken)
			}
		}
	}
	return nil
}

// take copies a record and gives its buffers back.
func take(r *protocol.Record) (record, error) {
	key, err := takeBytes(r.Key)
	if err != nil {
		return record{}, err
	}
	value, err := takeBytes(r.Value)
	if err != nil {
		return record{}, err
	}
	return record{offset: r.Offset, time: r.Time, key: key, value: value, headers: r.Headers}, nil
}

func takeBytes(b protocol.Bytes) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	defer b.Close()
	return protocol.ReadAll(b)
}

// ReadAt reads the one record at an offset. It returns nil, and no error, if the partition does not hold it.
func (c *Client) ReadAt(ctx context.Context, topic string, partition int, offset int64) (*message.Message, error) {
	if offset < 0 {
		return nil, nil
	}
	for m, err := range c.ReadPartition(ctx, topic, partition, offset, offset+1) {
		if errors.Is(err, ErrOffsetOutOfRange) {
			return nil, nil
		}
		return m, err
	}
	return nil, nil
}

// ReadPartition reads a partition's records with from ≤ offset < to, and ends there or where the partition ended when the
// reading began. It yields one error at most, as its last word: ErrOffsetOutOfRange if the log starts above from.
// Every record is its own message; nothing is to be acknowledged.
func (c *Client) ReadPartition(ctx context.Context, topic string, partition int, from, to int64) iter.Seq2[*message.Message, error] {
	return func(yield func(*message.Message, error) bool) {
		first, end, err := c.Offsets(ctx, topic, partition)
		if err != nil {
			yield(nil, err)
			return
		}
		if from < first && to > from {
			yield(nil, fmt.Errorf("kafka: read %s/%d from %d: the log starts at %d: %w", topic, partition, from, first, ErrOffsetOutOfRange))
			return
		}
		end = min(end, to)
		for empty := 0; from < end; empty++ {
			var f fetched
			err := c.try(ctx, func(ctx context.Context) (err error) {
				f, err = c.fetch(ctx, topic, partition, from, toolFetchBytes, toolFetchWait)
				return err
			})
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range f.records {
				if f.records[i].offset >= end {
					return
				}
				if !yield(f.records[i].message(topic, partition, 0), nil) {
					return
				}
			}
			if f.next > from {
				from, empty = f.next, 0
			} else if empty == toolFetchesEmpty {
				yield(nil, fmt.Errorf("kafka: read %s/%d at %d, of %d: %w", topic, partition, from, end, io.ErrNoProgress))
				return
			}
		}
	}
}
