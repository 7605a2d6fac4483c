-- How far each partition is known to hold a gateway's numbers. The floor of an epoch is the least over all its partitions.
CREATE TABLE IF NOT EXISTS barriers
(
    gateway_id LowCardinality(String), epoch UInt64, partition UInt32,
    acked SimpleAggregateFunction(max, UInt64), partitions SimpleAggregateFunction(max, UInt32),
    stored_at SimpleAggregateFunction(max, DateTime64(6, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (gateway_id, epoch, partition)
