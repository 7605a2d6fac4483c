-- Losses that are known, as the gateways or an operator named them.
CREATE TABLE IF NOT EXISTS gaps
(
    gateway_id LowCardinality(String), epoch UInt64, seq UInt64, event_id String, reason LowCardinality(String), at DateTime64(6, 'UTC'),
    from_at DateTime64(6, 'UTC'), until_at DateTime64(6, 'UTC'), count UInt64, count_known Bool, first_seq UInt64, last_seq UInt64,
    input_tokens UInt64, output_tokens UInt64, about_epoch UInt64, by String,
    recorded_at DateTime64(6, 'UTC'), ver UInt64
)
ENGINE = ReplacingMergeTree(ver)
ORDER BY (gateway_id, epoch, seq)
