// Package openairesponses is OpenAI's Responses format: answers made of items, kept by the provider where the client lets it, and
// streamed with the whole life of each item.
package openairesponses

import (
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire"
)

// Name is the dialect's name in configuration and events.
const Name = "openai_responses"

// Dialect implements adapters.Dialect.
type Dialect struct{}

var _ adapters.Dialect = Dialect{}

// Name returns the dialect's name.
func (Dialect) Name() string { return Name }

// Path returns the client's own; a translated request has the route of its operation.
func (Dialect) Path(req *adapters.RequestContext, _ string) string {
	if req.Path == "" {
		return "/v1/responses"
	}
	return req.Path
}

// NewScanner splits server-sent events.
func (Dialect) NewScanner(contentType string, r io.Reader, buf []byte, limit int) wire.Scanner {
	return adapters.SSEScanner(contentType, r, buf, limit)
}

// failure is OpenAI's error object.
type failure struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    string  `json:"code"`
}

func failureOf(e *adapters.Error) failure {
	f := failure{Message: e.Message, Type: errorType(e.HTTPStatus()), Code: string(e.Code)}
	if e.Param != "" {
		f.Param = &e.Param
	}
	return f
}

// errorType is OpenAI's own word for what a status means.
func errorType(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	}
	if status >= http.StatusInternalServerError {
		return "server_error"
	}
	return "invalid_request_error"
}

// RenderError writes OpenAI's error envelope.
func (Dialect) RenderError(e *adapters.Error) []byte {
	raw, _ := json.Marshal(map[string]failure{"error": failureOf(e)}) // strings only: it cannot fail
	return raw
}

// RenderErrorFrame writes the stream's own error event. Its members stand in it as the documentation has them, and in an object as the
// API itself sends them: SDKs look in either place. Nothing comes after it: the stream did not end well.
func (Dialect) RenderErrorFrame(e *adapters.Error) []byte {
	f := failureOf(e)
	raw, _ := json.Marshal(struct {
		Type     string  `json:"type"`
		Sequence int     `json:"sequence_number"`
		Code     string  `json:"code"`
		Message  string  `json:"message"`
		Param    *string `json:"param"`
		Error    failure `json:"error"`
	}{"error", 0, f.Code, f.Message, f.Param, f})
	return append(append([]byte("event: error\ndata: "), raw...), "\n\n"...)
}

type model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func render(m adapters.Model) model {
	created := m.Created
	if created.IsZero() {
		created = time.Unix(0, 0)
	}
	return model{ID: m.ID, Object: "model", Created: created.Unix(), OwnedBy: m.OwnedBy}
}

// RenderModels writes a list object.
func (Dialect) RenderModels(models []adapters.Model) []byte {
	list := struct {
		Object string  `json:"object"`
		Data   []model `json:"data"`
	}{Object: "list", Data: make([]model, 0, len(models))}
	for _, m := range models {
		list.Data = append(list.Data, render(m))
	}
	raw, _ := json.Marshal(list)
	return raw
}

// RenderModel writes a model object.
func (Dialect) RenderModel(m adapters.Model) []byte {
	raw, _ := json.Marshal(render(m))
	return raw
}
