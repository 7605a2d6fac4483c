package openairesponses

import (
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// ending is what an answer says of its end.
type ending struct {
	status string // completed, incomplete, failed, cancelled; queued and in_progress in the background
	reason string // why it is incomplete
	calls  bool   // it calls tools that the client runs
	refuse bool
}

// native is the provider's own word: why it is incomplete says more than that it is.
func (e *ending) native() string {
	if e.status == "incomplete" && e.reason != "" {
		return e.reason
	}
	return e.status
}

// finish is the canonical reason.
func (e *ending) finish() events.FinishReason {
	switch e.native() {
	case "":
		return ""
	case "completed":
		switch {
		case e.calls:
			return events.FinishToolCalls
		case e.refuse:
			return events.FinishRefusal
		}
		return events.FinishStop
	case "max_output_tokens", "max_tokens":
		return events.FinishLength
	case "content_filter":
		return events.FinishContentFilter
	case "failed":
		return events.FinishError
	}
	return events.FinishOther
}

// clientTools are the items by which a model asks its client to run something.
func clientTool(item string) bool {
	switch item {
	case "function_call", "custom_tool_call", "computer_call", "local_shell_call", "apply_patch_call":
		return true
	}
	return false
}

// classify says what a failed answer's code means. It stands where no status does.
func classify(code string) (adapters.Outcome, events.ErrorClass) {
	switch code {
	case "rate_limit_exceeded", "rate_limit_error", "rate_limited", "too_many_requests", "429":
		return adapters.OutcomeRetryable, events.ErrorRateLimited
	case "insufficient_quota", "billing_hard_limit_reached", "invalid_api_key", "authentication_error", "permission_error":
		return adapters.OutcomeRetryable, events.ErrorCredential
	case "content_filter", "bio_policy", "image_content_policy_violation":
		return adapters.OutcomeTerminal, events.ErrorContentFilter
	case "model_not_found", "previous_response_not_found", "not_found":
		return adapters.OutcomeTerminal, events.ErrorNotFound
	case "invalid_prompt", "invalid_request_error", "invalid_request", "context_length_exceeded", "data_residency_mismatch",
		"invalid_image", "invalid_image_format", "invalid_base64_image", "invalid_image_url", "image_too_large", "image_too_small",
		"image_parse_error", "invalid_image_mode", "image_file_too_large", "unsupported_image_media_type", "empty_image_file",
		"failed_to_download_image", "image_file_not_found", "400", "422":
		return adapters.OutcomeTerminal, events.ErrorInvalidRequest
	case "vector_store_timeout", "timeout":
		return adapters.OutcomeRetryable, events.ErrorTimeout
	}
	return adapters.OutcomeRetryable, events.ErrorOverloaded
}
