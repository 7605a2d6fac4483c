-- Each row of attempts_log once. The key fixes the partition, so FINAL need not look across months.
CREATE VIEW IF NOT EXISTS attempts AS SELECT * EXCEPT ver FROM attempts_log FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
