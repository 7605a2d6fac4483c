-- What each label's value spent, by day.
CREATE VIEW IF NOT EXISTS spend_by_label AS
SELECT toDate(started_at) AS day, label.1 AS name, label.2 AS value, currency, sum(amount) AS amount, count() AS entries
FROM ledger ARRAY JOIN CAST(labels, 'Array(Tuple(String, String))') AS label GROUP BY day, name, value, currency
