-- Append-only money; readers use the view `ledger`. An entry is a function of its event and the catalogue, so copies are equal.
CREATE TABLE IF NOT EXISTS ledger_log
(
    entry_id String, event_id String, request_id String, attempt UInt16,
    kind LowCardinality(String), amount Decimal(38, 12), currency LowCardinality(String),
    price_version LowCardinality(String), priced_at DateTime64(6, 'UTC'), started_at DateTime64(6, 'UTC'),
    consumer LowCardinality(String), registry LowCardinality(String), provider LowCardinality(String), sent_model LowCardinality(String),
    labels Map(String, String), breakdown Map(String, Decimal(38, 12)),
    stored_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC'),
    ver UInt64
)
ENGINE = ReplacingMergeTree(ver)
PARTITION BY toYYYYMM(started_at)
ORDER BY (toStartOfHour(started_at), consumer, entry_id)
