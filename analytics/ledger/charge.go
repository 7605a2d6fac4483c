// Package ledger makes the entries of the books of money: a charge for each settled attempt, a pure function of the event and the
// catalogue, so that every sink and every replay writes the same.
package ledger

import (
	"time"

	"github.com/shopspring/decimal"

	"github.com/tollhouse/tollhouse/analytics/prices"
	"github.com/tollhouse/tollhouse/analytics/rating"
	"github.com/tollhouse/tollhouse/events"
)

// Entry is one line of the ledger, with the names of its columns.
type Entry struct {
	EntryID      string                     `ch:"entry_id"`
	EventID      string                     `ch:"event_id"`
	RequestID    string                     `ch:"request_id"`
	Attempt      uint16                     `ch:"attempt"`
	Kind         string                     `ch:"kind"`
	Amount       decimal.Decimal            `ch:"amount"`
	Currency     string                     `ch:"currency"`
	PriceVersion string                     `ch:"price_version"`
	PricedAt     time.Time                  `ch:"priced_at"`
	StartedAt    time.Time                  `ch:"started_at"`
	Consumer     string                     `ch:"consumer"`
	Registry     string                     `ch:"registry"`
	Provider     string                     `ch:"provider"`
	SentModel    string                     `ch:"sent_model"`
	Labels       map[string]string          `ch:"labels"`
	Breakdown    map[string]decimal.Decimal `ch:"breakdown"`
	Ver          uint64                     `ch:"ver"`
}

// Kinds of entries.
const KindCharge = "charge"

// Charge rates one settled attempt: against the price in force when it started, as known when it finished. recorded is Kafka's
// record time; ver is that of the attempt's row, so that the charge of a known fact replaces that of an estimate.
func Charge(e *events.AttemptSettled, catalogue *prices.Catalogue, recorded time.Time, ver uint64) Entry {
	charge := rating.Rate(&e.Usage, catalogue.Lookup(e.Provider, e.SentModel, e.StartedAt, e.FinishedAt))
	return Entry{
		EntryID: e.EventID + "/charge", EventID: e.EventID, RequestID: e.RequestID, Attempt: e.Attempt, Kind: KindCharge,
		Amount: charge.Amount, Currency: charge.Currency, PriceVersion: charge.PriceVersion, PricedAt: recorded, StartedAt: e.StartedAt,
		Consumer: e.Consumer, Registry: e.Registry, Provider: e.Provider, SentModel: e.SentModel, Labels: e.Labels,
		Breakdown: charge.Breakdown, Ver: ver,
	}
}
