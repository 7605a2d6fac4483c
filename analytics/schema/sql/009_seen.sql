-- The set of numbers seen, as bitmaps: union absorbs every repetition. Filled by views over the logs, never by itself.
CREATE TABLE IF NOT EXISTS seen
(
    gateway_id LowCardinality(String), epoch UInt64, kind LowCardinality(String), block UInt64,
    seqs AggregateFunction(groupBitmap, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY (gateway_id, epoch, kind, block)
