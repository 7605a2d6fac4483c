-- What each gateway said of itself. Ordered by its number: there is one fact a number.
CREATE TABLE IF NOT EXISTS marks
(
    gateway_id LowCardinality(String), epoch UInt64, seq UInt64, event_id String, kind LowCardinality(String), at DateTime64(6, 'UTC'),
    accepted UInt64, closed UInt64, started UInt64, settled UInt64, abandoned UInt64,
    open_requests UInt64, open_attempts UInt64, open_input_tokens UInt64, open_output_tokens UInt64, open_unlimited UInt64,
    previous_epoch UInt64, journal_id String, sync LowCardinality(String), boot_id String, version String,
    recorded_at DateTime64(6, 'UTC'), ver UInt64
)
ENGINE = ReplacingMergeTree(ver)
ORDER BY (gateway_id, epoch, seq)
