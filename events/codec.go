package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Topic is where events go unless the configuration names another; DeadLetterTopic is where unreadable records go.
const (
	Topic           = "tollhouse.events"
	DeadLetterTopic = "tollhouse.events.dlq"
)

// Types of what stands in the topic.
const (
	TypeAttemptSettled = "tollhouse.attempt.settled.v1"
	TypeRequestClosed  = "tollhouse.request.closed.v1"
	TypeCheckpoint     = "tollhouse.gateway.checkpoint.v1"
	TypeGap            = "tollhouse.accounting.gap.v1"
	TypeBarrier        = "tollhouse.gateway.barrier.v1"
)

// Headers of a record: CloudEvents 1.0 in binary mode, and the fact's number, so that a record whose body
// cannot be read still names itself.
const (
	HeaderID          = "ce_id"
	HeaderType        = "ce_type"
	HeaderSource      = "ce_source"
	HeaderTime        = "ce_time"
	HeaderSpecVersion = "ce_specversion"
	HeaderContentType = "content-type"
	HeaderGatewayID   = "gateway_id"
	HeaderEpoch       = "epoch"
	HeaderSeq         = "seq"
)

// MaxPayload bounds one event's JSON, in bytes.
const MaxPayload = 64 << 10

// Numbered is the identity of a published fact: what it is, and its place in its gateway's count.
type Numbered struct {
	EventID   string `json:"event_id"`
	GatewayID string `json:"gateway_id"`
	Epoch     uint64 `json:"epoch"` // Unix microseconds at the gateway's start, below 2⁵³
	Seq       uint64 `json:"seq"`   // from 1 in each epoch, without gaps
}

// Number returns the identity.
func (n *Numbered) Number() *Numbered { return n }

// Event is one published fact.
type Event interface {
	Number() *Numbered
	Type() string
	// Key is the Kafka key: the request id, or the gateway id for what a gateway says of itself.
	Key() string
	// Time is when it happened.
	Time() time.Time
	// AppendJSON appends the event's JSON; seqAt is where PatchSeq writes its number.
	AppendJSON(dst []byte) (out []byte, seqAt int)
}

// Each event's type, key and time.
func (e *AttemptSettled) Type() string    { return TypeAttemptSettled }
func (e *AttemptSettled) Key() string     { return e.RequestID }
func (e *AttemptSettled) Time() time.Time { return e.FinishedAt }
func (e *RequestClosed) Type() string     { return TypeRequestClosed }
func (e *RequestClosed) Key() string      { return e.RequestID }
func (e *RequestClosed) Time() time.Time  { return e.ClosedAt }
func (e *Checkpoint) Type() string        { return TypeCheckpoint }
func (e *Checkpoint) Key() string         { return e.GatewayID }
func (e *Checkpoint) Time() time.Time     { return e.At }
func (e *Gap) Type() string               { return TypeGap }
func (e *Gap) Key() string                { return e.GatewayID }
func (e *Gap) Time() time.Time            { return e.At }

// ErrUnknownType is returned by Decode for a type this version does not know; consumers pass such records by.
var ErrUnknownType = errors.New("unknown event type")

// Decode reads the JSON of an event of the given type and checks its identity.
func Decode(eventType string, payload []byte) (Event, error) {
	var e Event
	switch eventType {
	case TypeAttemptSettled:
		e = new(AttemptSettled)
	case TypeRequestClosed:
		e = new(RequestClosed)
	case TypeCheckpoint:
		e = new(Checkpoint)
	case TypeGap:
		e = new(Gap)
	default:
		return nil, fmt.Errorf("%w %q", ErrUnknownType, eventType)
	}
	if err := json.Unmarshal(payload, e); err != nil {
		return nil, fmt.Errorf("decode %s: %w", eventType, err)
	}
	n := e.Number()
	if n.EventID == "" || n.GatewayID == "" || n.Epoch == 0 || n.Seq == 0 || e.Key() == "" || e.Time().IsZero() {
		return nil, fmt.Errorf("decode %s: event_id, gateway_id, epoch, seq, key and time must be there", eventType)
	}
	return e, nil
}

// Headers returns the record's headers.
func Headers(e Event) map[string]string {
	n := e.Number()
	return map[string]string{
		HeaderID:          n.EventID,
		HeaderType:        e.Type(),
		HeaderSource:      n.GatewayID,
		HeaderTime:        e.Time().UTC().Format(TimeFormat),
		HeaderSpecVersion: "1.0",
		HeaderContentType: "application/json",
		HeaderGatewayID:   n.GatewayID,
		HeaderEpoch:       strconv.FormatUint(n.Epoch, 10),
		HeaderSeq:         strconv.FormatUint(n.Seq, 10),
	}
}

// usageJSON is a Usage as it stands, flat, in an event.
type usageJSON struct {
	InputTokens        uint64            `json:"input_tokens"`
	CacheReadTokens    uint64            `json:"cache_read_tokens"`
	CacheWriteTokens   uint64            `json:"cache_write_tokens"`
	CacheWrite1hTokens uint64            `json:"cache_write_1h_tokens"`
	InputAudioTokens   uint64            `json:"input_audio_tokens"`
	OutputTokens       uint64            `json:"output_tokens"`
	ReasoningTokens    uint64            `json:"reasoning_tokens"`
	OutputAudioTokens  uint64            `json:"output_audio_tokens"`
	OtherUnits         map[string]uint64 `json:"other_units"`
}

// UnmarshalJSON reads what AppendJSON wrote.
func (e *AttemptSettled) UnmarshalJSON(b []byte) error {
	type plain AttemptSettled
	v := struct {
		*plain
		usageJSON
	}{plain: (*plain)(e)}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	e.Usage = Usage(v.usageJSON)
	return nil
}

// UnmarshalJSON reads what AppendJSON wrote.
func (n *Note) UnmarshalJSON(b []byte) error {
	type plain Note
	v := struct {
		*plain
		usageJSON
	}{plain: (*plain)(n)}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	n.Usage = Usage(v.usageJSON)
	return nil
}

// MarshalJSON writes what AppendJSON does, so that both encoders agree.
func (e *AttemptSettled) MarshalJSON() ([]byte, error) {
	out, _ := e.AppendJSON(nil)
	return out, nil
}
