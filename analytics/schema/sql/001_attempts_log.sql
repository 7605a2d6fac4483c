-- One row a settled attempt, as often as it was delivered; readers use the view `attempts`.
-- Order: the hour first, because FINAL skips ranges that no other part overlaps; then identity and nothing that can change, so
-- that every copy of a fact meets the others. Partition: months are few parts and are dropped whole; it is fixed by the key.
-- Version: a fact that its own gateway settled beats what recovery estimated, in any order; then the earliest copy wins, so that
-- recorded_at does not move under replay.
CREATE TABLE IF NOT EXISTS attempts_log
(
    event_id String, request_id String, attempt UInt16,
    gateway_id LowCardinality(String), epoch UInt64, seq UInt64,
    consumer LowCardinality(String), key_id LowCardinality(String), labels Map(String, String),
    dialect LowCardinality(String), provider LowCardinality(String), registry LowCardinality(String), endpoint LowCardinality(String),
    requested_model LowCardinality(String), sent_model LowCardinality(String), model LowCardinality(String),
    response_id String, upstream_request_id String, stream Bool,
    outcome LowCardinality(String), status UInt16, error_class LowCardinality(String),
    finish_reason LowCardinality(String), native_finish_reason LowCardinality(String), client_disconnected Bool,
    usage_evidence LowCardinality(String),
    input_tokens UInt64, cache_read_tokens UInt64, cache_write_tokens UInt64, cache_write_1h_tokens UInt64, input_audio_tokens UInt64,
    output_tokens UInt64, reasoning_tokens UInt64, output_audio_tokens UInt64, other_units Map(String, UInt64),
    output_limit UInt64, body_bytes UInt64, settled_by LowCardinality(String),
    received_at DateTime64(6, 'UTC'), started_at DateTime64(6, 'UTC'), first_byte_at Nullable(DateTime64(6, 'UTC')), finished_at DateTime64(6, 'UTC'),
    kafka_partition UInt32, kafka_offset UInt64, recorded_at DateTime64(6, 'UTC'),
    stored_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC'),
    ver UInt64
)
ENGINE = ReplacingMergeTree(ver)
PARTITION BY toYYYYMM(started_at)
ORDER BY (toStartOfHour(started_at), consumer, request_id, attempt)
