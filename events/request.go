package events

import "time"

// Accept is the first fact of a request: whose it is and what it asked for. It holds nothing of the prompt.
// The journal keeps it; it is not published by itself, every published event of the request repeats it.
type Accept struct {
	RequestID      string            `json:"request_id"`
	Consumer       string            `json:"consumer"`
	KeyID          string            `json:"key_id"` // names the key without revealing it
	Labels         map[string]string `json:"labels,omitempty"`
	Dialect        string            `json:"dialect"`
	RequestedModel string            `json:"requested_model"`
	Stream         bool              `json:"stream"`
	BodyBytes      uint64            `json:"body_bytes"`
	ReceivedAt     time.Time         `json:"received_at"`
}

// RequestClosed is the last fact of a request. Its event id is `<request id>/closed`.
type RequestClosed struct {
	Numbered
	Accept
	// Status is what the client got: 499 where it hung up before an answer, 0 where nobody can know.
	Status             uint16         `json:"status"`
	Outcome            RequestOutcome `json:"outcome"`
	ErrorCode          string         `json:"error_code,omitempty"` // the stable code of X-Tollhouse-Error
	Attempts           uint16         `json:"attempts"`
	WinningAttempt     uint16         `json:"winning_attempt"` // 0: none
	FinishReason       FinishReason   `json:"finish_reason,omitempty"`
	ClientDisconnected bool           `json:"client_disconnected"`
	Dropped            []string       `json:"dropped,omitempty"` // fields a lenient translation left out
	Considered         []Considered   `json:"considered,omitempty"`
	ClosedAt           time.Time      `json:"closed_at"`
	// GatewayOverheadUS is the time the gateway itself added before the first byte went upstream of the
	// first attempt, in microseconds.
	GatewayOverheadUS uint64 `json:"gateway_overhead_us"`
}

// Considered is an endpoint, or a whole registry, that was looked at for an attempt, and what became of it.
type Considered struct {
	Attempt  uint16 `json:"attempt"` // that was to be placed, from 1
	Registry string `json:"registry"`
	Endpoint string `json:"endpoint,omitempty"` // empty: none of the registry's was looked at
	Model    string `json:"model,omitempty"`    // as it would have been sent
	Reason   Reason `json:"reason"`
	// Score is what the policy compared, the lowest best: microseconds (latency), 10⁻¹² of the currency (cost), requests in flight × 1000
	// for a weight of 1 (least_busy); 0 where it compares nothing.
	Score uint64 `json:"score,omitempty"`
}

// Reason is why a candidate was used, or passed over.
type Reason string

// Reasons, beside those of an endpoint's health (actors/health).
const (
	Chosen       Reason = "chosen"
	Behind       Reason = "behind"           // another was better, or its turn
	TriedBefore  Reason = "tried"            // in this round
	NotServed    Reason = "model_not_served" // by the registry's list
	OtherFormat  Reason = "other_format"     // it speaks another API format only
	NotTriggered Reason = "not_triggered"    // a fallback that is for another kind of failure
	NoRetryLeft  Reason = "no_retry_left"    // the registry's share of retries is used up
	TooDear      Reason = "too_dear"         // for a hedge: it is expected to cost more than one may
	NotTheOwner  Reason = "not_the_owner"    // another endpoint keeps the answer on which the request builds
)

// AppendJSON appends the event's JSON; seqAt is where PatchSeq writes its number.
func (e *RequestClosed) AppendJSON(dst []byte) (out []byte, seqAt int) {
	j := beginNumbered(dst, &e.Numbered)
	j.accept(&e.Accept)
	j.uint("status", uint64(e.Status))
	j.str("outcome", string(e.Outcome))
	j.optStr("error_code", e.ErrorCode)
	j.uint("attempts", uint64(e.Attempts))
	j.uint("winning_attempt", uint64(e.WinningAttempt))
	j.optStr("finish_reason", string(e.FinishReason))
	j.bool("client_disconnected", e.ClientDisconnected)
	j.strings("dropped", e.Dropped)
	j.considered(e.Considered)
	j.time("closed_at", e.ClosedAt)
	j.uint("gateway_overhead_us", e.GatewayOverheadUS)
	return j.end()
}
