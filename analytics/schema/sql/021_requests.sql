-- Each row of requests_log once. The key fixes the partition, so FINAL need not look across months.
CREATE VIEW IF NOT EXISTS requests AS SELECT * EXCEPT ver FROM requests_log FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
