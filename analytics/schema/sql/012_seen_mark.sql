-- The numbers of marks.
CREATE MATERIALIZED VIEW IF NOT EXISTS seen_mark TO seen AS
SELECT gateway_id, epoch, 'mark' AS kind, intDiv(seq, 65536) AS block, groupBitmapState(seq) AS seqs
FROM marks GROUP BY gateway_id, epoch, block
