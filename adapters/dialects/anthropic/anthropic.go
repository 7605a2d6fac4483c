// Package anthropic is Anthropic's Messages format.
package anthropic

import (
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire"
)

// Name is the dialect's name in configuration and events.
const Name = "anthropic_messages"

// Dialect implements adapters.Dialect.
type Dialect struct{}

var _ adapters.Dialect = Dialect{}

// Name returns the dialect's name.
func (Dialect) Name() string { return Name }

// envelope is Anthropic's error object.
type envelope struct {
	Type  string `json:"type"`
	Error struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	} `json:"error"`
}

func errorBody(e *adapters.Error) []byte {
	v := envelope{Type: "error"}
	v.Error.Type, v.Error.Message = errorType(e.HTTPStatus()), e.Message
	raw, _ := json.Marshal(v) // strings only: it cannot fail
	return raw
}

// errorType is Anthropic's own word for what a status means: its SDKs choose the exception by it.
func errorType(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusServiceUnavailable, 529:
		return "overloaded_error"
	case http.StatusGatewayTimeout:
		return "timeout_error"
	}
	if status >= http.StatusInternalServerError {
		return "api_error"
	}
	return "invalid_request_error"
}

// RenderError writes Anthropic's error envelope.
func (Dialect) RenderError(e *adapters.Error) []byte { return errorBody(e) }

// RenderErrorFrame writes the envelope as an event of type error. There is no message_stop after it.
func (Dialect) RenderErrorFrame(e *adapters.Error) []byte {
	return append(append([]byte("event: error\ndata: "), errorBody(e)...), "\n\n"...)
}

type model struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
	CreatedAt   string `json:"created_at"`
}

func render(m adapters.Model) model {
	created := m.Created
	if created.IsZero() {
		created = time.Unix(0, 0)
	}
	return model{Type: "model", ID: m.ID, DisplayName: m.ID, CreatedAt: created.UTC().Format(time.RFC3339)}
}

// RenderModels writes a page that is the whole list.
func (Dialect) RenderModels(models []adapters.Model) []byte {
	page := struct {
		Data    []model `json:"data"`
		HasMore bool    `json:"has_more"`
		FirstID *string `json:"first_id"`
		LastID  *string `json:"last_id"`
	}{Data: make([]model, 0, len(models))}
	for _, m := range models {
		page.Data = append(page.Data, render(m))
	}
	if n := len(page.Data); n > 0 {
		page.FirstID, page.LastID = &page.Data[0].ID, &page.Data[n-1].ID
	}
	raw, _ := json.Marshal(page)
	return raw
}

// RenderModel writes a model object.
func (Dialect) RenderModel(m adapters.Model) []byte {
	raw, _ := json.Marshal(render(m))
	return raw
}

// Path returns the client's own; a translated request has the route of its operation.
func (Dialect) Path(req *adapters.RequestContext, _ string) string {
	if req.Path == "" {
		return "/v1/messages"
	}
	return req.Path
}

// NewScanner splits server-sent events.
func (Dialect) NewScanner(contentType string, r io.Reader, buf []byte, limit int) wire.Scanner {
	return adapters.SSEScanner(contentType, r, buf, limit)
}
