package adapters

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Code is the stable name of an error of ours, sent in X-Tollhouse-Error.
type Code string

// Codes, with the status each is answered with.
const (
	CodeInvalidRequest        Code = "invalid_request"
	CodeUnsupportedFeature    Code = "unsupported_feature"
	CodeInvalidKey            Code = "invalid_key"
	CodeModelNotAllowed       Code = "model_not_allowed"
	CodeModelNotFound         Code = "model_not_found"
	CodeRouteNotFound         Code = "route_not_found"
	CodeMethodNotAllowed      Code = "method_not_allowed"
	CodeRequestTimeout        Code = "request_timeout"
	CodeRequestTooLarge       Code = "request_too_large"
	CodeUnsupportedMediaType  Code = "unsupported_media_type"
	CodeRateLimited           Code = "rate_limited"
	CodeBudgetExceeded        Code = "budget_exceeded"
	CodeInternal              Code = "internal"
	CodeUpstreamError         Code = "upstream_error"
	CodeNoRegistryInPool      Code = "no_registry_in_pool"
	CodeNoBackendAvailable    Code = "no_backend_available"
	CodeAccountingUnavailable Code = "accounting_unavailable"
	CodeOverloaded            Code = "overloaded"
	CodeShuttingDown          Code = "shutting_down"
	CodeUpstreamTimeout       Code = "upstream_timeout"
	CodeClientClosedRequest   Code = "client_closed_request" // nobody reads it: the client hung up
)

var statusOf = map[Code]int{
	CodeInvalidRequest:        http.StatusBadRequest,
	CodeUnsupportedFeature:    http.StatusBadRequest,
	CodeInvalidKey:            http.StatusUnauthorized,
	CodeModelNotAllowed:       http.StatusForbidden,
	CodeModelNotFound:         http.StatusNotFound,
	CodeRouteNotFound:         http.StatusNotFound,
	CodeMethodNotAllowed:      http.StatusMethodNotAllowed,
	CodeRequestTimeout:        http.StatusRequestTimeout,
	CodeRequestTooLarge:       http.StatusRequestEntityTooLarge,
	CodeUnsupportedMediaType:  http.StatusUnsupportedMediaType,
	CodeRateLimited:           http.StatusTooManyRequests,
	CodeBudgetExceeded:        http.StatusTooManyRequests,
	CodeInternal:              http.StatusInternalServerError,
	CodeUpstreamError:         http.StatusBadGateway,
	CodeNoRegistryInPool:      http.StatusServiceUnavailable,
	CodeNoBackendAvailable:    http.StatusServiceUnavailable,
	CodeAccountingUnavailable: http.StatusServiceUnavailable,
	CodeOverloaded:            http.StatusServiceUnavailable,
	CodeShuttingDown:          http.StatusServiceUnavailable,
	CodeUpstreamTimeout:       http.StatusGatewayTimeout,
	CodeClientClosedRequest:   499,
}

// ErrInvalidRequestPayload is what every CodeInvalidRequest matches.
var ErrInvalidRequestPayload = errors.New("invalid request payload")

// Error is an error that reaches the client, rendered in its dialect. Message is safe to show: no credential, no
// upstream address, nothing of the prompt.
type Error struct {
	Code       Code
	Status     int    // 0: the code's own
	Message    string // a sentence that names the field or the thing
	Param      string // the request's field at fault, where there is one
	RetryAfter time.Duration
	Cause      error // for logs and errors.Is; never rendered
}

// Errorf makes an error of the given code.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// InvalidRequest makes an invalid_request error that names the field.
func InvalidRequest(param, format string, args ...any) *Error {
	return &Error{
		Code: CodeInvalidRequest, Param: param,
		Message: fmt.Sprintf(format, args...), Cause: ErrInvalidRequestPayload,
	}
}

// Error returns the code and the message.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// HTTPStatus returns the status the client gets.
func (e *Error) HTTPStatus() int {
	if e.Status != 0 {
		return e.Status
	}
	if s := statusOf[e.Code]; s != 0 {
		return s
	}
	return http.StatusInternalServerError
}

// AsError returns the *Error in err's chain, or an `internal` one that hides what err says.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeInternal, Message: "the gateway could not handle the request", Cause: err}
}
