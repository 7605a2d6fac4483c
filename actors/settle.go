package actors

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/tollhouse/tollhouse/actors/health"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// settle closes an open attempt, and with it the request where `relay`, which the client gets, is given. The permit goes back.
func (r *requestActor) settle(t *try, e, relay *ended, verdict *adapters.Error) {
	settled := r.settlement(t, e)
	if relay != nil {
		closed := r.closing(relay, verdict)
		r.f.o.Recorder.SettleAndClose(settled, closed)
		r.closed(closed)
	} else {
		r.f.o.Recorder.Settle(settled)
	}
	r.settled(e, settled)
	r.learn(t, settled)
	if settled.Outcome == events.AttemptSuccess {
		r.gen.registries[t.target.Registry].retries.Earn()
	}
	if e.opened {
		t.permit = t.permit.Decided()
	}
	class := settled.ErrorClass
	if errors.Is(e.err, adapters.ErrTimeoutConnect) { // it was not reached, whatever for
		class = events.ErrorTransport
	}
	r.release(t, health.Report{
		Held: settled.Outcome == events.AttemptRetryable, Cancelled: settled.Outcome == events.AttemptCancelled || r.ourFault(e),
		Class: class, RetryAfter: e.resp.RetryAfter, Limits: e.resp.Limits,
		Waited: r.waited(e, settled),
	})
}

// ourFault says that an attempt tells nothing of its endpoint: it never got there.
func (r *requestActor) ourFault(e *ended) bool { return e.resp.ErrorClass == events.ErrorInternal }

// settlement is the event of the attempt.
func (r *requestActor) settlement(t *try, e *ended) *events.AttemptSettled {
	resp := e.resp
	s := &events.AttemptSettled{
		Accept: r.accept, Model: resp.Model, ResponseID: bounded(resp.ResponseID), UpstreamRequestID: bounded(resp.UpstreamRequestID),
		Status: uint16(resp.StatusCode), ErrorClass: resp.ErrorClass, FinishReason: resp.FinishReason,
		NativeFinishReason: bounded(resp.NativeFinishReason), UsageEvidence: resp.Evidence, FirstByteAt: resp.FirstByteAt,
		FinishedAt: r.f.o.Now(), SettledBy: events.SettledByGateway, ClientDisconnected: e.disconnected || errors.Is(e.err, adapters.ErrClientGone),
	}
	s.Model = bounded(s.Model)
	s.SetStart(t.start)
	if resp.Usage != nil {
		s.Usage = *resp.Usage
	}
	switch {
	case e.err != nil && adapters.Cancelled(e.err):
		s.Outcome, s.ErrorClass = events.AttemptCancelled, ""
	case resp.Outcome == adapters.OutcomeSuccess:
		s.Outcome = events.AttemptSuccess
	case resp.Outcome == adapters.OutcomeTerminal:
		s.Outcome = events.AttemptTerminal
	default:
		s.Outcome = events.AttemptRetryable
	}
	estimateUnheard(s, resp, t.start)
	return s
}

// estimateUnheard gives an attempt that was sent, and never heard of again, the estimate of its input: the provider may
// well have run it. What the provider answered with an error costs nothing.
func estimateUnheard(s *events.AttemptSettled, resp *adapters.ProviderResponse, start *events.Start) {
	if s.UsageEvidence == "" {
		s.UsageEvidence = events.EvidenceNone
	}
	unheard := resp.StatusCode == 0 || resp.StatusCode < 300 && s.Outcome == events.AttemptCancelled
	if s.UsageEvidence == events.EvidenceNone && unheard && !resp.WroteRequestAt.IsZero() && s.ErrorClass != events.ErrorTransport &&
		s.ErrorClass != events.ErrorInternal {
		s.UsageEvidence, s.Usage.InputTokens = events.EvidenceEstimated, start.EstimatedInputTokens
	}
}

// maxText bounds what a provider names: ids, models, reasons.
const maxText = 256

func bounded(s string) string {
	if len(s) > maxText {
		return s[:maxText]
	}
	return s
}

// close closes a request whose attempts are settled.
func (r *requestActor) close(e *ended, verdict *adapters.Error) {
	closed := r.closing(e, verdict)
	r.f.o.Recorder.Close(closed)
	r.closed(closed)
}

// closing is the event of the request.
func (r *requestActor) closing(e *ended, verdict *adapters.Error) *events.RequestClosed {
	c := &events.RequestClosed{
		Accept: r.accept, Status: uint16(e.resp.StatusCode), Outcome: events.RequestFailed, Attempts: r.attempts,
		FinishReason: e.resp.FinishReason, ClosedAt: r.f.o.Now(), GatewayOverheadUS: uint64(max(r.overhead, 0) / time.Microsecond),
		ClientDisconnected: e.disconnected || errors.Is(e.err, adapters.ErrClientGone), Considered: r.told,
	}
	if verdict != nil {
		c.ErrorCode = string(verdict.Code)
		if !e.committed || c.ClientDisconnected { // else the client has its status already
			c.Status = uint16(verdict.HTTPStatus())
		}
	}
	switch {
	case e.err != nil && adapters.Cancelled(e.err):
		c.Outcome = events.RequestCancelled
	case verdict == nil && e.resp.Outcome == adapters.OutcomeSuccess:
		c.Outcome, c.WinningAttempt = events.RequestSuccess, e.attempt
	}
	return c
}

// verdict is the error that the client is shown; nil where the provider's own answer is relayed.
func (r *requestActor) verdict(e *ended) *adapters.Error {
	resp := e.resp
	switch {
	case e.err != nil:
		return failure(resp, e.err)
	case resp.Outcome == adapters.OutcomeSuccess:
		return nil
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusPaymentRequired, resp.StatusCode == http.StatusForbidden:
		return &adapters.Error{Code: adapters.CodeUpstreamError, Message: "the provider refused the gateway's credential"}
	case resp.StatusCode >= 400:
		return nil // the provider's own words
	}
	return &adapters.Error{Code: adapters.CodeUpstreamError, Message: "the provider's answer was not usable", RetryAfter: resp.RetryAfter}
}

// failure is what the client is told of an attempt that gave no answer, or half of one.
func failure(resp *adapters.ProviderResponse, err error) *adapters.Error {
	var said *adapters.Error
	switch {
	case adapters.Cancelled(err):
		return cancelError(err)
	case errors.As(err, &said): // the dialect's own
		if said.RetryAfter == 0 {
			said.RetryAfter = resp.RetryAfter
		}
		return said
	case resp.ErrorClass == events.ErrorTimeout:
		return &adapters.Error{Code: adapters.CodeUpstreamTimeout, Message: "the provider did not answer in time", Cause: err}
	case resp.ErrorClass == events.ErrorInternal:
		return &adapters.Error{Code: adapters.CodeInternal, Message: "the gateway could not handle the request", Cause: err}
	}
	return &adapters.Error{Code: adapters.CodeUpstreamError, Message: "the provider could not be reached or broke off", Cause: err}
}

// cancelError is what a cancelled request would be told, were its client still there.
func cancelError(cause error) *adapters.Error {
	switch {
	case errors.Is(cause, adapters.ErrDeadline):
		return &adapters.Error{Code: adapters.CodeUpstreamTimeout, Message: "the request's own deadline passed", Cause: cause}
	case errors.Is(cause, adapters.ErrShutdown):
		return &adapters.Error{Code: adapters.CodeShuttingDown, Message: "the gateway is shutting down", RetryAfter: time.Second, Cause: cause}
	}
	return &adapters.Error{Code: adapters.CodeClientClosedRequest, Message: "the client hung up", Cause: cause}
}

func accountingError(cause error) *adapters.Error {
	return &adapters.Error{
		Code: adapters.CodeAccountingUnavailable, Message: "the gateway cannot account for new requests now",
		RetryAfter: 5 * time.Second, Cause: cause,
	}
}

// ErrNoBackendAvailable is returned where every endpoint that could serve is full, cooling down or out.
var ErrNoBackendAvailable = errors.New("no backend available")

// cause returns why a context ended, as one of the causes of adapters.
func cause(ctx context.Context) error {
	err := context.Cause(ctx)
	switch {
	case err == nil || adapters.Cancelled(err):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return adapters.ErrDeadline
	}
	return adapters.ErrClientGone
}
