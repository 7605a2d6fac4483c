-- Records that could not be read or stored: they are in the dead-letter topic, and their numbers are here.
CREATE TABLE IF NOT EXISTS rejected
(
    gateway_id String, epoch UInt64, seq UInt64, topic LowCardinality(String), kafka_partition UInt32, kafka_offset UInt64,
    event_type String, reason String, recorded_at DateTime64(6, 'UTC'), ver UInt64
)
ENGINE = ReplacingMergeTree(ver)
ORDER BY (gateway_id, epoch, seq, topic, kafka_partition, kafka_offset)
