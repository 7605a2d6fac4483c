package cohere

import "github.com/tollhouse/tollhouse/events"

// finish is the canonical reason for Cohere's word.
func finish(native string) events.FinishReason {
	switch native {
	case "":
		return ""
	case "COMPLETE", "STOP_SEQUENCE":
		return events.FinishStop
	case "MAX_TOKENS":
		return events.FinishLength
	case "TOOL_CALL":
		return events.FinishToolCalls
	case "ERROR", "TIMEOUT":
		return events.FinishError
	}
	return events.FinishOther
}

// native is Cohere's word for a canonical reason. A refusal and a pause are whole answers; what was cut by a filter is not.
func native(reason events.FinishReason, stopSequence string) string {
	switch reason {
	case events.FinishLength:
		return "MAX_TOKENS"
	case events.FinishToolCalls:
		return "TOOL_CALL"
	case events.FinishError, events.FinishContentFilter:
		return "ERROR"
	}
	if stopSequence != "" {
		return "STOP_SEQUENCE"
	}
	return "COMPLETE"
}
