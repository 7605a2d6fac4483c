package actors

import (
	"context"

	"github.com/tollhouse/tollhouse/events"
)

// Recorder keeps the facts: intent before spend, settlement after. The journal is one.
//
// What it is given it copies; numbers (gateway, epoch, seq, event id) are its own to fill in.
type Recorder interface {
	// Begin keeps a request's acceptance and the intent of its first attempt as one record, and returns when it is there
	// at the configured level. The error matches events.ErrAccountingUnavailable, or is ctx's.
	Begin(ctx context.Context, a *events.Accept, s *events.Start) (events.Ticket, error)
	// Start keeps the intent of a later attempt. After an error the attempt was begun and is settled again, unless the error
	// matches events.ErrNotStarted.
	Start(ctx context.Context, s *events.Start) (events.Ticket, error)
	// Refuse keeps a request that was accepted and refused before any attempt, in one record.
	Refuse(a *events.Accept, c *events.RequestClosed) error
	// Note keeps the progress of a running attempt, for the case that nobody lives to settle it.
	Note(n *events.Note)
	// Settle closes an attempt, Close a request. They are never waited for and never fail for want of space: what was
	// begun has its room reserved.
	Settle(e *events.AttemptSettled)
	Close(c *events.RequestClosed)
	// SettleAndClose appends both together, for the last attempt of a request.
	SettleAndClose(e *events.AttemptSettled, c *events.RequestClosed)
}
