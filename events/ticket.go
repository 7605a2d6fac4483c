package events

import "errors"

// Ticket is the journal's word that an attempt's intent is kept at the configured level. No byte goes
// upstream without one: the journal is its only maker, and it is good for one call.
type Ticket interface {
	// Redeem returns an error where the ticket was used before.
	Redeem() error
}

// ErrAccountingUnavailable is returned where an intent cannot be kept: the journal is full, or its disk fails.
// What cannot be accounted for is not served.
var ErrAccountingUnavailable = errors.New("accounting unavailable")
