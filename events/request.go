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
