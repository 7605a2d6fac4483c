package canonical

import (
	"encoding/json"

	"github.com/tollhouse/tollhouse/events"
)

// Response is a whole answer. What the facts hold (id, model, usage, the first choice's finish reason) is taken from there.
type Response struct {
	Created     int64 // Unix seconds; 0: unknown
	Choices     []Choice
	ServiceTier string
	Fingerprint string
}

// Choice is one answer of several. Parts are in the model's order: thoughts, text, calls.
type Choice struct {
	Index        int
	Parts        []Part
	Finish       events.FinishReason
	StopSequence string          // that ended it
	Logprobs     json.RawMessage // as OpenAI Chat writes them
}
