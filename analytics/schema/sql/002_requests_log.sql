-- One row a closed request; readers use the view `requests`. Order and version as attempts_log.
CREATE TABLE IF NOT EXISTS requests_log
(
    event_id String, request_id String,
    gateway_id LowCardinality(String), epoch UInt64, seq UInt64,
    consumer LowCardinality(String), key_id LowCardinality(String), labels Map(String, String),
    dialect LowCardinality(String), requested_model LowCardinality(String), stream Bool, body_bytes UInt64,
    status UInt16, outcome LowCardinality(String), error_code LowCardinality(String),
    attempts UInt16, winning_attempt UInt16, finish_reason LowCardinality(String), client_disconnected Bool, dropped Array(String),
    received_at DateTime64(6, 'UTC'), closed_at DateTime64(6, 'UTC'), gateway_overhead_us UInt64,
    kafka_partition UInt32, kafka_offset UInt64, recorded_at DateTime64(6, 'UTC'),
    stored_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC'),
    ver UInt64
)
ENGINE = ReplacingMergeTree(ver)
PARTITION BY toYYYYMM(received_at)
ORDER BY (toStartOfHour(received_at), consumer, request_id)
