package gemini

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// envelope is Google's error object.
type envelope struct {
	Error struct {
		Code    int      `json:"code"`
		Message string   `json:"message"`
		Status  string   `json:"status"`
		Details []detail `json:"details,omitempty"`
	} `json:"error"`
}

// detail is one of the details that we write and read; others are ignored.
type detail struct {
	Type       string      `json:"@type"`
	RetryDelay string      `json:"retryDelay,omitempty"`
	Reason     string      `json:"reason,omitempty"`
	Violations []violation `json:"fieldViolations,omitempty"`
}

type violation struct {
	Field       string `json:"field"`
	Description string `json:"description"`
}

const (
	retryInfo  = "type.googleapis.com/google.rpc.RetryInfo"
	badRequest = "type.googleapis.com/google.rpc.BadRequest"
)

// statusOf is Google's own word for what an HTTP status means.
func statusOf(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "UNAUTHENTICATED"
	case http.StatusForbidden:
		return "PERMISSION_DENIED"
	case http.StatusNotFound:
		return "NOT_FOUND"
	case http.StatusConflict:
		return "ABORTED"
	case http.StatusTooManyRequests:
		return "RESOURCE_EXHAUSTED"
	case 499:
		return "CANCELLED"
	case http.StatusNotImplemented, http.StatusMethodNotAllowed:
		return "UNIMPLEMENTED"
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return "UNAVAILABLE"
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return "DEADLINE_EXCEEDED"
	}
	if status >= http.StatusInternalServerError {
		return "INTERNAL"
	}
	return "INVALID_ARGUMENT"
}

// RenderError writes Google's error envelope, with the details that its SDKs read: the field at fault, and how long to wait.
func (Dialect) RenderError(e *adapters.Error) []byte {
	var v envelope
	v.Error.Code, v.Error.Message = e.HTTPStatus(), e.Message
	v.Error.Status = statusOf(v.Error.Code)
	if e.Param != "" {
		v.Error.Details = append(v.Error.Details, detail{Type: badRequest, Violations: []violation{{e.Param, e.Message}}})
	}
	if e.RetryAfter > 0 {
		delay := strconv.FormatFloat(e.RetryAfter.Seconds(), 'f', -1, 64) + "s"
		v.Error.Details = append(v.Error.Details, detail{Type: retryInfo, RetryDelay: delay})
	}
	raw, _ := json.Marshal(v) // strings and numbers only: it cannot fail
	return raw
}

// RenderErrorFrameIn writes the envelope as an event, or as the last element of an array: behind the one before, whose comma came with it
// only if another followed.
func (d Dialect) RenderErrorFrameIn(contentType string, e *adapters.Error) []byte {
	if strings.HasPrefix(contentType, "application/json") {
		return append(append([]byte(",\n"), d.RenderError(e)...), "\n]\n"...)
	}
	return d.RenderErrorFrame(e)
}

// RenderErrorFrame writes the envelope as an event.
func (d Dialect) RenderErrorFrame(e *adapters.Error) []byte {
	return append(append([]byte("data: "), d.RenderError(e)...), "\r\n\r\n"...)
}

// readError reads Google's error object and says in the facts what it means.
func readError(value []byte, facts *adapters.ProviderResponse) *adapters.Error {
	e := struct {
		Code    int             `json:"code"`
		Status  string          `json:"status"`
		Message string          `json:"message"`
		Details json.RawMessage `json:"details"`
	}{}
	_ = json.Unmarshal(value, &e) // what cannot be read stays empty, and is an error all the same
	facts.RetryAfter = retryDelay(e.Details)
	facts.Outcome, facts.ErrorClass = classify(e.Status, e.Code)
	code := adapters.CodeUpstreamError
	switch facts.ErrorClass {
	case events.ErrorRateLimited:
		code = adapters.CodeRateLimited
	case events.ErrorOverloaded:
		code = adapters.CodeOverloaded
	}
	return &adapters.Error{Code: code, Message: e.Message, RetryAfter: facts.RetryAfter}
}

func classify(status string, code int) (adapters.Outcome, events.ErrorClass) {
	switch status {
	case "RESOURCE_EXHAUSTED":
		return adapters.OutcomeRetryable, events.ErrorRateLimited
	case "UNAUTHENTICATED", "PERMISSION_DENIED":
		return adapters.OutcomeRetryable, events.ErrorCredential
	case "INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED":
		return adapters.OutcomeTerminal, events.ErrorInvalidRequest
	case "NOT_FOUND":
		return adapters.OutcomeTerminal, events.ErrorNotFound
	case "DEADLINE_EXCEEDED":
		return adapters.OutcomeRetryable, events.ErrorTimeout
	}
	if code >= 400 && code < 500 {
		v := adapters.ClassifyStatus(code, nil, time.Time{})
		return v.Outcome, v.Class
	}
	return adapters.OutcomeRetryable, events.ErrorOverloaded // UNAVAILABLE, INTERNAL, ABORTED
}

// Classify reads an error answer of a Google endpoint: by its status, and by what Google says only in the body.
func Classify(status int, h http.Header, body []byte, now time.Time) adapters.Verdict {
	v := adapters.ClassifyStatus(status, h, now)
	details := errorDetails(body)
	if v.RetryAfter == 0 {
		v.RetryAfter = retryDelay(details)
	}
	if status == http.StatusBadRequest && hasReason(details, "API_KEY_INVALID", "API_KEY_EXPIRED") {
		v.Outcome, v.Class = adapters.OutcomeRetryable, events.ErrorCredential // the key's fault, not the request's
	}
	return v
}

// errorDetails finds the details of an error body, which stands in an array where a stream was asked for.
func errorDetails(body []byte) json.RawMessage {
	var v struct {
		Error struct {
			Details json.RawMessage `json:"details"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &v) == nil {
		return v.Error.Details
	}
	var list []json.RawMessage
	if json.Unmarshal(body, &list) == nil && len(list) > 0 && json.Unmarshal(list[0], &v) == nil {
		return v.Error.Details
	}
	return nil
}

func readDetails(details json.RawMessage) (list []detail) {
	var raw []json.RawMessage
	_ = json.Unmarshal(details, &raw)
	for _, one := range raw {
		var d detail
		if json.Unmarshal(one, &d) == nil { // else a kind of detail whose members mean something else
			list = append(list, d)
		}
	}
	return list
}

// maxDelay bounds what a provider may ask for.
const maxDelay = 24 * time.Hour

func retryDelay(details json.RawMessage) time.Duration {
	for _, d := range readDetails(details) {
		if d.RetryDelay == "" || !strings.HasSuffix(d.RetryDelay, "s") {
			continue
		}
		if delay, err := time.ParseDuration(d.RetryDelay); err == nil && delay > 0 {
			return min(delay, maxDelay)
		}
	}
	return 0
}

func hasReason(details json.RawMessage, reasons ...string) bool {
	for _, d := range readDetails(details) {
		for _, r := range reasons {
			if d.Reason == r {
				return true
			}
		}
	}
	return false
}

// failure returns the error object of a body or an event, where it has one.
func failure(value []byte, facts *adapters.ProviderResponse) *adapters.Error {
	if len(value) == 0 || value[0] != '{' {
		return nil
	}
	empty := true
	_ = jsonscan.Members(value, 0, func([]byte, int, int) error { empty = false; return nil })
	if empty {
		return nil
	}
	return readError(value, facts)
}
