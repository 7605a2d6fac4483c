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
