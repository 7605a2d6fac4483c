package gemini

import "github.com/tollhouse/tollhouse/events"

// finish is the canonical reason for Gemini's word. An answer with a function call in it also says STOP.
func finish(native string, calls bool) events.FinishReason {
	switch native {
	case "":
		return ""
	case "STOP":
		if calls {
			return events.FinishToolCalls
		}
		return events.FinishStop
	case "MAX_TOKENS":
		return events.FinishLength
	case "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR",
		"IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION":
		return events.FinishContentFilter
	case "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE":
		return events.FinishError
	}
	return events.FinishOther // LANGUAGE, OTHER, NO_IMAGE, and what is newer than this
}
