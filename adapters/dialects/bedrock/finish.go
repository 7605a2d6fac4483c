package bedrock

import "github.com/tollhouse/tollhouse/events"

// finish is the canonical reason for Bedrock's word.
func finish(native string) events.FinishReason {
	switch native {
	case "":
		return ""
	case "end_turn", "stop_sequence":
		return events.FinishStop
	case "max_tokens", "model_context_window_exceeded":
		return events.FinishLength
	case "tool_use":
		return events.FinishToolCalls
	case "guardrail_intervened", "content_filtered":
		return events.FinishContentFilter
	case "malformed_model_output", "malformed_tool_use":
		return events.FinishError
	}
	return events.FinishOther
}
