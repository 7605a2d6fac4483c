-- The numbers of gaps.
CREATE MATERIALIZED VIEW IF NOT EXISTS seen_gap TO seen AS
SELECT gateway_id, epoch, 'gap' AS kind, intDiv(seq, 65536) AS block, groupBitmapState(seq) AS seqs
FROM gaps GROUP BY gateway_id, epoch, block
