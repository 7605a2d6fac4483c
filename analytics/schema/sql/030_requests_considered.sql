-- Who was looked at for each attempt of a request, and why it was used or passed over. One column, which is read as it is printed; the
-- names repeat, so that LowCardinality halves what stands on the disk. Rows from before there was the column have none.
ALTER TABLE requests_log ADD COLUMN IF NOT EXISTS considered Array(Tuple(
    attempt UInt16, registry LowCardinality(String), endpoint LowCardinality(String), model LowCardinality(String),
    reason LowCardinality(String), score UInt64)) AFTER dropped
