package warehouse

import (
	"net/http"
	"regexp"
	"strconv"
)

// Exception is an error of ClickHouse's own, with its code.
type Exception struct {
	Code    int
	Message string
}

// Error returns ClickHouse's message.
func (e *Exception) Error() string { return e.Message }

var codePattern = regexp.MustCompile(`^Code: (\d+)\.`)

func newException(message string) *Exception {
	e := &Exception{Code: 1002, Message: message} // UNKNOWN_EXCEPTION
	if m := codePattern.FindStringSubmatch(message); m != nil {
		e.Code, _ = strconv.Atoi(m[1])
	}
	return e
}

// Codes that arise here as well as in the engine.
const (
	codeSyntax          = 62
	codeNotImplemented  = 48
	codeTooManyQueries  = 202
	codeQueryIsTooLarge = 241
	codeCancelled       = 394
)

func exception(code int, name, message string) *Exception {
	return &Exception{Code: code, Message: "Code: " + strconv.Itoa(code) + ". DB::Exception: " + message + " (" + name + ")"}
}

// status is the HTTP status that ClickHouse gives the code; clients go by the code.
func (e *Exception) status() int {
	switch e.Code {
	case 6, 26, 27, 33, 36, 38, 41, 43, 53, 62, 69, 72, 117: // what cannot be parsed or does not fit
		return http.StatusBadRequest
	case 16, 46, 47, 50, 56, 60, 73, 81, 115: // an unknown column, function, type, table, format, database, setting
		return http.StatusNotFound
	case 164: // READONLY
		return http.StatusForbidden
	case codeNotImplemented:
		return http.StatusNotImplemented
	case codeTooManyQueries:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
