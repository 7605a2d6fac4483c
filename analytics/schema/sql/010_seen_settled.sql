-- The numbers of attempts_log.
CREATE MATERIALIZED VIEW IF NOT EXISTS seen_settled TO seen AS
SELECT gateway_id, epoch, 'settled' AS kind, intDiv(seq, 65536) AS block, groupBitmapState(seq) AS seqs
FROM attempts_log GROUP BY gateway_id, epoch, block
