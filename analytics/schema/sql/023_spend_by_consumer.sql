-- What each consumer spent, by day.
CREATE VIEW IF NOT EXISTS spend_by_consumer AS
SELECT toDate(started_at) AS day, consumer, currency, sum(amount) AS amount, count() AS entries FROM ledger GROUP BY day, consumer, currency
