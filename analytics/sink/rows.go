package sink

import (
	"time"

	"github.com/tollhouse/tollhouse/events"
)

// attemptRow is a row of attempts_log.
type attemptRow struct {
	EventID            string            `ch:"event_id"`
	RequestID          string            `ch:"request_id"`
	Attempt            uint16            `ch:"attempt"`
	GatewayID          string            `ch:"gateway_id"`
	Epoch              uint64            `ch:"epoch"`
	Seq                uint64            `ch:"seq"`
	Consumer           string            `ch:"consumer"`
	KeyID              string            `ch:"key_id"`
	Labels             map[string]string `ch:"labels"`
	Dialect            string            `ch:"dialect"`
	Provider           string            `ch:"provider"`
	Registry           string            `ch:"registry"`
	Endpoint           string            `ch:"endpoint"`
	RequestedModel     string            `ch:"requested_model"`
	SentModel          string            `ch:"sent_model"`
	Model              string            `ch:"model"`
	ResponseID         string            `ch:"response_id"`
	UpstreamRequestID  string            `ch:"upstream_request_id"`
	Stream             bool              `ch:"stream"`
	Outcome            string            `ch:"outcome"`
	Status             uint16            `ch:"status"`
	ErrorClass         string            `ch:"error_class"`
	FinishReason       string            `ch:"finish_reason"`
	NativeFinishReason string            `ch:"native_finish_reason"`
	ClientDisconnected bool              `ch:"client_disconnected"`
	UsageEvidence      string            `ch:"usage_evidence"`
	InputTokens        uint64            `ch:"input_tokens"`
	CacheReadTokens    uint64            `ch:"cache_read_tokens"`
	CacheWriteTokens   uint64            `ch:"cache_write_tokens"`
	CacheWrite1hTokens uint64            `ch:"cache_write_1h_tokens"`
	InputAudioTokens   uint64            `ch:"input_audio_tokens"`
	OutputTokens       uint64            `ch:"output_tokens"`
	ReasoningTokens    uint64            `ch:"reasoning_tokens"`
	OutputAudioTokens  uint64            `ch:"output_audio_tokens"`
	OtherUnits         map[string]uint64 `ch:"other_units"`
	OutputLimit        uint64            `ch:"output_limit"`
	BodyBytes          uint64            `ch:"body_bytes"`
	SettledBy          string            `ch:"settled_by"`
	ReceivedAt         time.Time         `ch:"received_at"`
	StartedAt          time.Time         `ch:"started_at"`
	FirstByteAt        *time.Time        `ch:"first_byte_at"`
	FinishedAt         time.Time         `ch:"finished_at"`
	KafkaPartition     uint32            `ch:"kafka_partition"`
	KafkaOffset        uint64            `ch:"kafka_offset"`
	RecordedAt         time.Time         `ch:"recorded_at"`
	Ver                uint64            `ch:"ver"`
}

// requestRow is a row of requests_log.
type requestRow struct {
	EventID            string            `ch:"event_id"`
	RequestID          string            `ch:"request_id"`
	GatewayID          string            `ch:"gateway_id"`
	Epoch              uint64            `ch:"epoch"`
	Seq                uint64            `ch:"seq"`
	Consumer           string            `ch:"consumer"`
	KeyID              string            `ch:"key_id"`
	Labels             map[string]string `ch:"labels"`
	Dialect            string            `ch:"dialect"`
	RequestedModel     string            `ch:"requested_model"`
	Stream             bool              `ch:"stream"`
	BodyBytes          uint64            `ch:"body_bytes"`
	Status             uint16            `ch:"status"`
	Outcome            string            `ch:"outcome"`
	ErrorCode          string            `ch:"error_code"`
	Attempts           uint16            `ch:"attempts"`
	WinningAttempt     uint16            `ch:"winning_attempt"`
	FinishReason       string            `ch:"finish_reason"`
	ClientDisconnected bool              `ch:"client_disconnected"`
	Dropped            []string          `ch:"dropped"`
	Considered         []consideredRow   `ch:"considered"`
	ReceivedAt         time.Time         `ch:"received_at"`
	ClosedAt           time.Time         `ch:"closed_at"`
	GatewayOverheadUS  uint64            `ch:"gateway_overhead_us"`
	KafkaPartition     uint32            `ch:"kafka_partition"`
	KafkaOffset        uint64            `ch:"kafka_offset"`
	RecordedAt         time.Time         `ch:"recorded_at"`
	Ver                uint64            `ch:"ver"`
}

// consideredRow is one of a request's candidates.
type consideredRow struct {
	Attempt  uint16 `ch:"attempt"`
	Registry string `ch:"registry"`
	Endpoint string `ch:"endpoint"`
	Model    string `ch:"model"`
	Reason   string `ch:"reason"`
	Score    uint64 `ch:"score"`
}

// markRow is a row of marks.
type markRow struct {
	GatewayID        string    `ch:"gateway_id"`
	Epoch            uint64    `ch:"epoch"`
	Seq              uint64    `ch:"seq"`
	EventID          string    `ch:"event_id"`
	Kind             string    `ch:"kind"`
	At               time.Time `ch:"at"`
	Accepted         uint64    `ch:"accepted"`
	Closed           uint64    `ch:"closed"`
	Started          uint64    `ch:"started"`
	Settled          uint64    `ch:"settled"`
	Abandoned        uint64    `ch:"abandoned"`
	OpenRequests     uint64    `ch:"open_requests"`
	OpenAttempts     uint64    `ch:"open_attempts"`
	OpenInputTokens  uint64    `ch:"open_input_tokens"`
	OpenOutputTokens uint64    `ch:"open_output_tokens"`
	OpenUnlimited    uint64    `ch:"open_unlimited"`
	PreviousEpoch    uint64    `ch:"previous_epoch"`
	JournalID        string    `ch:"journal_id"`
	Sync             string    `ch:"sync"`
	BootID           string    `ch:"boot_id"`
	Version          string    `ch:"version"`
	RecordedAt       time.Time `ch:"recorded_at"`
	Ver              uint64    `ch:"ver"`
}

// gapRow is a row of gaps.
type gapRow struct {
	GatewayID    string    `ch:"gateway_id"`
	Epoch        uint64    `ch:"epoch"`
	Seq          uint64    `ch:"seq"`
	EventID      string    `ch:"event_id"`
	Reason       string    `ch:"reason"`
	At           time.Time `ch:"at"`
	FromAt       time.Time `ch:"from_at"`
	UntilAt      time.Time `ch:"until_at"`
	Count        uint64    `ch:"count"`
	CountKnown   bool      `ch:"count_known"`
	FirstSeq     uint64    `ch:"first_seq"`
	LastSeq      uint64    `ch:"last_seq"`
	InputTokens  uint64    `ch:"input_tokens"`
	OutputTokens uint64    `ch:"output_tokens"`
	AboutEpoch   uint64    `ch:"about_epoch"`
	By           string    `ch:"by"`
	RecordedAt   time.Time `ch:"recorded_at"`
	Ver          uint64    `ch:"ver"`
}

// rejectedRow is a row of rejected.
type rejectedRow struct {
	GatewayID      string    `ch:"gateway_id"`
	Epoch          uint64    `ch:"epoch"`
	Seq            uint64    `ch:"seq"`
	Topic          string    `ch:"topic"`
	KafkaPartition uint32    `ch:"kafka_partition"`
	KafkaOffset    uint64    `ch:"kafka_offset"`
	EventType      string    `ch:"event_type"`
	Reason         string    `ch:"reason"`
	RecordedAt     time.Time `ch:"recorded_at"`
	Ver            uint64    `ch:"ver"`
}

// barrierRow is a row of barriers.
type barrierRow struct {
	GatewayID  string    `ch:"gateway_id"`
	Epoch      uint64    `ch:"epoch"`
	Partition  uint32    `ch:"partition"`
	Acked      uint64    `ch:"acked"`
	Partitions uint32    `ch:"partitions"`
	StoredAt   time.Time `ch:"stored_at"`
}

// progressRow is a row of sink_progress.
type progressRow struct {
	Topic          string `ch:"topic"`
	Incarnation    uint32 `ch:"incarnation"`
	KafkaPartition uint32 `ch:"kafka_partition"`
	Next           uint64 `ch:"next"`
	LastID         string `ch:"last_id"`
}

// gapOfLogRow is a row of sink_gaps.
type gapOfLogRow struct {
	Topic          string `ch:"topic"`
	Incarnation    uint32 `ch:"incarnation"`
	KafkaPartition uint32 `ch:"kafka_partition"`
	FromOffset     uint64 `ch:"from_offset"`
	ToOffset       uint64 `ch:"to_offset"`
	Reason         string `ch:"reason"`
}

// version orders the copies of one fact: what its own gateway settled beats what recovery estimated, then the earliest wins.
func version(known bool, recorded time.Time) uint64 {
	v := uint64(1)<<62 - 1 - uint64(max(recorded.UnixMicro(), 0))
	if known {
		v += 1 << 62
	}
	return v
}

func newAttemptRow(e *events.AttemptSettled, at place) *attemptRow {
	row := &attemptRow{
		EventID: e.EventID, RequestID: e.RequestID, Attempt: e.Attempt, GatewayID: e.GatewayID, Epoch: e.Epoch, Seq: e.Seq,
		Consumer: e.Consumer, KeyID: e.KeyID, Labels: e.Labels, Dialect: e.Dialect, Provider: e.Provider, Registry: e.Registry,
		Endpoint: e.Endpoint, RequestedModel: e.RequestedModel, SentModel: e.SentModel, Model: e.Model, ResponseID: e.ResponseID,
		UpstreamRequestID: e.UpstreamRequestID, Stream: e.Stream, Outcome: string(e.Outcome), Status: e.Status,
		ErrorClass: string(e.ErrorClass), FinishReason: string(e.FinishReason), NativeFinishReason: e.NativeFinishReason,
		ClientDisconnected: e.ClientDisconnected, UsageEvidence: string(e.UsageEvidence), InputTokens: e.Usage.InputTokens,
		CacheReadTokens: e.Usage.CacheReadTokens, CacheWriteTokens: e.Usage.CacheWriteTokens, CacheWrite1hTokens: e.Usage.CacheWrite1hTokens,
		InputAudioTokens: e.Usage.InputAudioTokens, OutputTokens: e.Usage.OutputTokens, ReasoningTokens: e.Usage.ReasoningTokens,
		OutputAudioTokens: e.Usage.OutputAudioTokens, OtherUnits: e.Usage.OtherUnits, OutputLimit: e.OutputLimit, BodyBytes: e.BodyBytes,
		SettledBy: e.SettledBy, ReceivedAt: e.ReceivedAt, StartedAt: e.StartedAt, FinishedAt: e.FinishedAt,
		KafkaPartition: uint32(at.partition), KafkaOffset: uint64(at.offset), RecordedAt: at.recorded,
		Ver: version(e.SettledBy == events.SettledByGateway, at.recorded),
	}
	if !e.FirstByteAt.IsZero() {
		row.FirstByteAt = &e.FirstByteAt
	}
	return row
}

func newRequestRow(e *events.RequestClosed, at place) *requestRow {
	row := &requestRow{
		EventID: e.EventID, RequestID: e.RequestID, GatewayID: e.GatewayID, Epoch: e.Epoch, Seq: e.Seq, Consumer: e.Consumer,
		KeyID: e.KeyID, Labels: e.Labels, Dialect: e.Dialect, RequestedModel: e.RequestedModel, Stream: e.Stream, BodyBytes: e.BodyBytes,
		Status: e.Status, Outcome: string(e.Outcome), ErrorCode: e.ErrorCode, Attempts: e.Attempts, WinningAttempt: e.WinningAttempt,
		FinishReason: string(e.FinishReason), ClientDisconnected: e.ClientDisconnected, Dropped: e.Dropped, ReceivedAt: e.ReceivedAt,
		ClosedAt: e.ClosedAt, GatewayOverheadUS: e.GatewayOverheadUS, KafkaPartition: uint32(at.partition), KafkaOffset: uint64(at.offset),
		RecordedAt: at.recorded, Ver: version(e.Outcome != events.RequestAbandoned, at.recorded),
	}
	for _, c := range e.Considered {
		row.Considered = append(row.Considered, consideredRow{
			Attempt: c.Attempt, Registry: c.Registry, Endpoint: c.Endpoint, Model: c.Model, Reason: string(c.Reason), Score: c.Score,
		})
	}
	return row
}

func newMarkRow(e *events.Checkpoint, at place) *markRow {
	return &markRow{
		GatewayID: e.GatewayID, Epoch: e.Epoch, Seq: e.Seq, EventID: e.EventID, Kind: string(e.Kind), At: e.At, Accepted: e.Accepted,
		Closed: e.Closed, Started: e.Started, Settled: e.Settled, Abandoned: e.Abandoned, OpenRequests: e.OpenRequests,
		OpenAttempts: e.OpenAttempts, OpenInputTokens: e.OpenInputTokens, OpenOutputTokens: e.OpenOutputTokens, OpenUnlimited: e.OpenUnlimited,
		PreviousEpoch: e.PreviousEpoch, JournalID: e.JournalID, Sync: e.Sync, BootID: e.BootID, Version: e.Version,
		RecordedAt: at.recorded, Ver: version(true, at.recorded),
	}
}

func newGapRow(e *events.Gap, at place) *gapRow {
	return &gapRow{
		GatewayID: e.GatewayID, Epoch: e.Epoch, Seq: e.Seq, EventID: e.EventID, Reason: string(e.Reason), At: e.At, FromAt: e.From,
		UntilAt: e.Until, Count: e.Count, CountKnown: e.CountKnown, FirstSeq: e.FirstSeq, LastSeq: e.LastSeq, InputTokens: e.InputTokens,
		OutputTokens: e.OutputTokens, AboutEpoch: e.AboutEpoch, By: e.By, RecordedAt: at.recorded, Ver: version(true, at.recorded),
	}
}
