package adapters

import "errors"

// Outcome classifies an attempt that ran to its end. Cancelled and abandoned attempts have none.
type Outcome uint8

// Outcomes of an attempt.
const (
	OutcomeSuccess   Outcome = iota + 1
	OutcomeRetryable         // another attempt, here or elsewhere, may succeed
	OutcomeTerminal          // the request itself is wrong; no other endpoint would answer differently
)

// String returns the outcome's word.
func (o Outcome) String() string {
	switch o {
	case OutcomeSuccess:
		return "success"
	case OutcomeRetryable:
		return "retryable"
	case OutcomeTerminal:
		return "terminal"
	}
	return "unknown"
}

// Causes for which an attempt's context is cancelled: read them with context.Cause. The first four are held
// against nobody; the timeouts are the endpoint's.
var (
	ErrClientGone       = errors.New("the client hung up")
	ErrDeadline         = errors.New("the client's deadline passed")
	ErrShutdown         = errors.New("the gateway is shutting down")
	ErrLostHedge        = errors.New("another attempt was faster")
	ErrTimeoutConnect   = errors.New("timeout while connecting")
	ErrTimeoutFirstByte = errors.New("timeout before the first byte")
	ErrTimeoutIdle      = errors.New("timeout between two chunks")
	ErrTimeoutTotal     = errors.New("timeout of the whole call")
)

// ErrNoCredential is what NewRequest's error matches where an endpoint's credential cannot be had.
var ErrNoCredential = errors.New("there is no credential")

// Cancelled reports whether err came of a cancellation that is held against nobody.
func Cancelled(err error) bool {
	return errors.Is(err, ErrClientGone) || errors.Is(err, ErrDeadline) ||
		errors.Is(err, ErrShutdown) || errors.Is(err, ErrLostHedge)
}
