package events

// AttemptOutcome is how one attempt ended.
type AttemptOutcome string

// Outcomes of an attempt.
const (
	AttemptSuccess   AttemptOutcome = "success"
	AttemptRetryable AttemptOutcome = "retryable"
	AttemptTerminal  AttemptOutcome = "terminal"
	AttemptCancelled AttemptOutcome = "cancelled" // by the client, a lost hedge, a deadline or a shutdown
	AttemptAbandoned AttemptOutcome = "abandoned" // the gateway died before it could know
)

// RequestOutcome is how a request ended.
type RequestOutcome string

// Outcomes of a request.
const (
	RequestSuccess   RequestOutcome = "success"
	RequestFailed    RequestOutcome = "failed"
	RequestCancelled RequestOutcome = "cancelled"
	RequestAbandoned RequestOutcome = "abandoned"
)

// ErrorClass names why an attempt did not succeed. It is empty for a success.
type ErrorClass string

// Classes of errors.
const (
	ErrorTransport         ErrorClass = "transport"
	ErrorTimeout           ErrorClass = "timeout"
	ErrorRateLimited       ErrorClass = "rate_limited"
	ErrorOverloaded        ErrorClass = "overloaded"
	ErrorCredential        ErrorClass = "credential"
	ErrorInvalidRequest    ErrorClass = "invalid_request"
	ErrorNotFound          ErrorClass = "not_found"
	ErrorContentFilter     ErrorClass = "content_filter"
	ErrorMalformedResponse ErrorClass = "malformed_response"
	ErrorInternal          ErrorClass = "internal"
)
