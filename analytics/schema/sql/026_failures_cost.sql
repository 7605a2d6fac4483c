-- What was paid for attempts that brought nobody an answer.
CREATE VIEW IF NOT EXISTS failures_cost AS
SELECT toDate(a.started_at) AS day, a.registry AS registry, a.outcome AS outcome, a.error_class AS error_class, l.currency AS currency,
    sum(l.amount) AS amount, count() AS attempts
FROM attempts AS a INNER JOIN ledger AS l ON a.event_id = l.event_id
WHERE a.outcome != 'success' GROUP BY day, registry, outcome, error_class, currency
