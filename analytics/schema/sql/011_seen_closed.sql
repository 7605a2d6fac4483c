-- The numbers of requests_log.
CREATE MATERIALIZED VIEW IF NOT EXISTS seen_closed TO seen AS
SELECT gateway_id, epoch, 'closed' AS kind, intDiv(seq, 65536) AS block, groupBitmapState(seq) AS seqs
FROM requests_log GROUP BY gateway_id, epoch, block
