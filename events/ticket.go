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

// ErrNotStarted is returned, beside ErrAccountingUnavailable, where the start of a later attempt was refused before anything was
// written of it: there was no such attempt. Without it the attempt was begun, and is settled as one that was never sent.
var ErrNotStarted = errors.New("the attempt was not started")
