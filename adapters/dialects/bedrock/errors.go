package bedrock

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire/eventstream"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// ErrorTypeHeader is where AWS names an error's type; the body has its message only, and SDKs choose the exception by the header.
const ErrorTypeHeader = "X-Amzn-Errortype"

type envelope struct {
	Message string `json:"message"`
}

func errorBody(e *adapters.Error) []byte {
	raw, _ := json.Marshal(envelope{e.Message}) // a string only: it cannot fail
	return raw
}

// errorType is Bedrock's own word for what a status means.
func errorType(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "AccessDeniedException"
	case http.StatusNotFound:
		return "ResourceNotFoundException"
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return "ModelTimeoutException"
	case http.StatusTooManyRequests:
		return "ThrottlingException"
	case http.StatusServiceUnavailable:
		return "ServiceUnavailableException"
	}
	if status >= http.StatusInternalServerError {
		return "InternalServerException"
	}
	return "ValidationException"
}

// RenderError writes AWS's error body.
func (Dialect) RenderError(e *adapters.Error) []byte { return errorBody(e) }

// SetErrorHeader names the error's type.
func (Dialect) SetErrorHeader(h http.Header, e *adapters.Error) {
	h.Set(ErrorTypeHeader, errorType(e.HTTPStatus()))
}

// RenderErrorFrame writes an exception as a frame, by one of the names that a stream of Converse may end with.
func (Dialect) RenderErrorFrame(e *adapters.Error) []byte {
	name := "internalServerException"
	switch status := e.HTTPStatus(); {
	case status == http.StatusTooManyRequests:
		name = "throttlingException"
	case status == http.StatusServiceUnavailable:
		name = "serviceUnavailableException"
	case status == http.StatusBadGateway, status == http.StatusGatewayTimeout:
		name = "modelStreamErrorException"
	case status < http.StatusInternalServerError:
		name = "validationException"
	}
	return eventstream.AppendException(nil, name, errorBody(e))
}

// Classify says what an error's type means, in either spelling: of headers (ThrottlingException) or of frames
// (throttlingException). known is false for one that is not in the service's model; the status then says more.
func Classify(kind string) (outcome adapters.Outcome, class events.ErrorClass, known bool) {
	switch strings.ToLower(kind) {
	case "throttlingexception", "servicequotaexceededexception":
		return adapters.OutcomeRetryable, events.ErrorRateLimited, true
	case "serviceunavailableexception", "internalserverexception", "internalfailure", "serviceunavailable",
		"modelstreamerrorexception", "modelerrorexception",
		"modelnotreadyexception": // 429, but nobody sent too much: the model is being loaded
		return adapters.OutcomeRetryable, events.ErrorOverloaded, true
	case "modeltimeoutexception":
		return adapters.OutcomeRetryable, events.ErrorTimeout, true
	case "accessdeniedexception", "unrecognizedclientexception", "expiredtokenexception", "invalidsignatureexception",
		"incompletesignatureexception", "missingauthenticationtokenexception", "optinrequired":
		return adapters.OutcomeRetryable, events.ErrorCredential, true
	case "resourcenotfoundexception":
		return adapters.OutcomeTerminal, events.ErrorNotFound, true
	case "validationexception":
		return adapters.OutcomeTerminal, events.ErrorInvalidRequest, true
	}
	return adapters.OutcomeRetryable, events.ErrorOverloaded, false
}

// exception reads an exception out of a stream and says in the facts what it means.
func exception(kind string, data []byte, facts *adapters.ProviderResponse) *adapters.Error {
	facts.Outcome, facts.ErrorClass, _ = Classify(strings.TrimPrefix(kind, eventstream.ErrorPrefix))
	e := &adapters.Error{Code: adapters.CodeUpstreamError, Message: "the provider broke off with " + kind}
	switch facts.ErrorClass {
	case events.ErrorRateLimited:
		e.Code = adapters.CodeRateLimited
	case events.ErrorOverloaded:
		e.Code = adapters.CodeOverloaded
	}
	// The payload has the provider's own words; the headers of an error that is no exception have them as plain text.
	_, _, err := jsonscan.Object(data, func(key []byte, start, end int) error {
		if text, ok := jsonscan.String(data[start:end]); ok && (string(key) == "message" || string(key) == "Message") {
			e.Message = text
		}
		return nil
	})
	if err != nil && len(data) > 0 && strings.HasPrefix(kind, eventstream.ErrorPrefix) {
		e.Message = string(data)
	}
	return e
}

// isException tells exceptions from events: by their names, since a scanner gives both in one place.
func isException(name string) bool {
	return strings.HasSuffix(name, "Exception") || strings.HasPrefix(name, eventstream.ErrorPrefix)
}
