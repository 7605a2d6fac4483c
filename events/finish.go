package events

// FinishReason is the canonical reason why a model stopped. The provider's own word is kept beside it.
type FinishReason string

// Canonical finish reasons.
const (
	FinishStop          FinishReason = "stop"
	FinishLength        FinishReason = "length"
	FinishToolCalls     FinishReason = "tool_calls"
	FinishContentFilter FinishReason = "content_filter"
	FinishRefusal       FinishReason = "refusal"
	FinishPause         FinishReason = "pause"
	FinishError         FinishReason = "error"
	FinishOther         FinishReason = "other"
)
