-- Each row of ledger_log once. The key fixes the partition, so FINAL need not look across months.
CREATE VIEW IF NOT EXISTS ledger AS SELECT * EXCEPT ver FROM ledger_log FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
