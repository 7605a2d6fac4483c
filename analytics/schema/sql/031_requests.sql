-- The view again: a view keeps the columns that its table had when the view was made.
CREATE OR REPLACE VIEW requests AS SELECT * EXCEPT ver FROM requests_log FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
