package events

import "time"

// Start is the intent of one attempt. It is in the journal before the first byte goes upstream.
type Start struct {
	RequestID string `json:"request_id"`
	Attempt   uint16 `json:"attempt"` // from 1
	Provider  string `json:"provider"`
	Registry  string `json:"registry"`
	Endpoint  string `json:"endpoint"`
	SentModel string `json:"sent_model"`
	// EstimatedInputTokens is our guess from the body's size: what an abandoned attempt is billed at.
	EstimatedInputTokens uint64 `json:"estimated_input_tokens"`
	// OutputLimit is the most the client allowed the model to write, in tokens; 0 where it set no limit.
	// Estimated input and output limit together bound what an unfinished attempt can have cost.
	OutputLimit uint64    `json:"output_limit"`
	StartedAt   time.Time `json:"started_at"`
	// Beside is whether another attempt of the request is open still, and goes on: a hedge.
	Beside bool `json:"beside,omitempty"`
}

// Note is the progress of a running stream: a while after its first byte, then now and then.
// It replaces an earlier note of the same attempt.
type Note struct {
	RequestID   string    `json:"request_id"`
	Attempt     uint16    `json:"attempt"`
	Usage       Usage     `json:"-"`
	FirstByteAt time.Time `json:"first_byte_at"`
	At          time.Time `json:"at"`
	Status      uint16    `json:"status"`
	Model       string    `json:"model,omitempty"`
	ResponseID  string    `json:"response_id,omitempty"`
}

// AttemptSettled is the one fact that closes an attempt. Its event id is `<request id>/<attempt>/settled`.
type AttemptSettled struct {
	Numbered
	Accept
	Attempt            uint16         `json:"attempt"`
	Provider           string         `json:"provider"`
	Registry           string         `json:"registry"`
	Endpoint           string         `json:"endpoint"`
	SentModel          string         `json:"sent_model"`
	Model              string         `json:"model,omitempty"` // as echoed by the provider
	ResponseID         string         `json:"response_id,omitempty"`
	UpstreamRequestID  string         `json:"upstream_request_id,omitempty"`
	Outcome            AttemptOutcome `json:"outcome"`
	Status             uint16         `json:"status"` // the upstream's; 0: there was none
	ErrorClass         ErrorClass     `json:"error_class,omitempty"`
	FinishReason       FinishReason   `json:"finish_reason,omitempty"`
	NativeFinishReason string         `json:"native_finish_reason,omitempty"`
	ClientDisconnected bool           `json:"client_disconnected"`
	UsageEvidence      Evidence       `json:"usage_evidence"`
	Usage              Usage          `json:"-"` // flat in the JSON, see usageJSON
	OutputLimit        uint64         `json:"output_limit"`
	StartedAt          time.Time      `json:"started_at"`
	FirstByteAt        time.Time      `json:"first_byte_at,omitzero"`
	FinishedAt         time.Time      `json:"finished_at"`
	// SettledBy is `gateway` for the process that made the call, `recovery` for the next start of its journal.
	SettledBy string `json:"settled_by"`
}

// Who settled an attempt.
const (
	SettledByGateway  = "gateway"
	SettledByRecovery = "recovery"
)

// SetStart copies the attempt's intent into its settlement.
func (e *AttemptSettled) SetStart(s *Start) {
	e.Attempt, e.Provider, e.Registry, e.Endpoint = s.Attempt, s.Provider, s.Registry, s.Endpoint
	e.SentModel, e.OutputLimit, e.StartedAt = s.SentModel, s.OutputLimit, s.StartedAt
}

// AppendJSON appends the event's JSON; seqAt is where PatchSeq writes its number.
func (e *AttemptSettled) AppendJSON(dst []byte) (out []byte, seqAt int) {
	j := beginNumbered(dst, &e.Numbered)
	j.accept(&e.Accept)
	j.uint("attempt", uint64(e.Attempt))
	j.str("provider", e.Provider)
	j.str("registry", e.Registry)
	j.str("endpoint", e.Endpoint)
	j.str("sent_model", e.SentModel)
	j.optStr("model", e.Model)
	j.optStr("response_id", e.ResponseID)
	j.optStr("upstream_request_id", e.UpstreamRequestID)
	j.str("outcome", string(e.Outcome))
	j.uint("status", uint64(e.Status))
	j.optStr("error_class", string(e.ErrorClass))
	j.optStr("finish_reason", string(e.FinishReason))
	j.optStr("native_finish_reason", e.NativeFinishReason)
	j.bool("client_disconnected", e.ClientDisconnected)
	j.str("usage_evidence", string(e.UsageEvidence))
	j.usage(&e.Usage)
	j.uint("output_limit", e.OutputLimit)
	j.time("started_at", e.StartedAt)
	j.optTime("first_byte_at", e.FirstByteAt)
	j.time("finished_at", e.FinishedAt)
	j.str("settled_by", e.SettledBy)
	return j.end()
}

// AppendJSON appends the record's JSON.
func (s *Start) AppendJSON(dst []byte) []byte {
	j := jsonObject{buf: append(dst, '{')}
	j.str("request_id", s.RequestID)
	j.uint("attempt", uint64(s.Attempt))
	j.str("provider", s.Provider)
	j.str("registry", s.Registry)
	j.str("endpoint", s.Endpoint)
	j.str("sent_model", s.SentModel)
	j.uint("estimated_input_tokens", s.EstimatedInputTokens)
	j.uint("output_limit", s.OutputLimit)
	j.time("started_at", s.StartedAt)
	if s.Beside {
		j.bool("beside", true)
	}
	dst, _ = j.end()
	return dst
}

// AppendJSON appends the record's JSON.
func (a *Accept) AppendJSON(dst []byte) []byte {
	j := jsonObject{buf: append(dst, '{')}
	j.accept(a)
	dst, _ = j.end()
	return dst
}

// AppendJSON appends the record's JSON.
func (n *Note) AppendJSON(dst []byte) []byte {
	j := jsonObject{buf: append(dst, '{')}
	j.str("request_id", n.RequestID)
	j.uint("attempt", uint64(n.Attempt))
	j.usage(&n.Usage)
	j.time("first_byte_at", n.FirstByteAt)
	j.time("at", n.At)
	j.uint("status", uint64(n.Status))
	j.optStr("model", n.Model)
	j.optStr("response_id", n.ResponseID)
	dst, _ = j.end()
	return dst
}
