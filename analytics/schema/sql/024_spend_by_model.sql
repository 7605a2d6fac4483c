-- What each model cost, by day: the model that was sent, on which the price hangs.
CREATE VIEW IF NOT EXISTS spend_by_model AS
SELECT toDate(started_at) AS day, provider, sent_model, currency, sum(amount) AS amount, count() AS entries FROM ledger GROUP BY day, provider, sent_model, currency
