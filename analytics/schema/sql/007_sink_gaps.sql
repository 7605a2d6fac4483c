-- Causes: offsets that the log did not hold any more, or never did. What is lost is counted by number, not by these.
CREATE TABLE IF NOT EXISTS sink_gaps
(
    topic LowCardinality(String), incarnation UInt32, kafka_partition UInt32, from_offset UInt64, to_offset UInt64,
    reason LowCardinality(String), seen_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(to_offset)
ORDER BY (topic, incarnation, kafka_partition, from_offset)
