-- How far each partition is stored: written after everything below `next` is, and read before anything is fetched.
CREATE TABLE IF NOT EXISTS sink_progress
(
    topic LowCardinality(String), incarnation UInt32, kafka_partition UInt32, next UInt64, last_id String,
    stored_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(next)
ORDER BY (topic, incarnation, kafka_partition)
