// Package openaichat is OpenAI's Chat Completions format, with the embeddings and models that share its envelope.
package openaichat

import (
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire"
)

// Name is the dialect's name in configuration and events.
const Name = "openai_chat"

// Dialect implements adapters.Dialect.
type Dialect struct{}

var _ adapters.Dialect = Dialect{}

// Name returns the dialect's name.
func (Dialect) Name() string { return Name }

// envelope is OpenAI's error object.
type envelope struct {
	Error body `json:"error"`
}

type body struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    string  `json:"code"`
}

func errorBody(e *adapters.Error) []byte {
	b := body{Message: e.Message, Type: errorType(e.HTTPStatus()), Code: string(e.Code)}
	if e.Param != "" {
		b.Param = &e.Param
	}
	raw, _ := json.Marshal(envelope{b}) // strings only: it cannot fail
	return raw
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
func (Dialect) RenderError(e *adapters.Error) []byte { return errorBody(e) }

// RenderErrorFrame writes the envelope as one event. There is no [DONE] after it: the stream did not end well.
func (Dialect) RenderErrorFrame(e *adapters.Error) []byte {
	return append(append([]byte("data: "), errorBody(e)...), "\n\n"...)
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

// Path returns the client's own; a translated request has the route of its operation.
func (Dialect) Path(req *adapters.RequestContext, _ string) string {
	switch {
	case req.Path != "":
		return req.Path
	case req.Operation == adapters.OperationEmbeddings:
		return "/v1/embeddings"
	}
	return "/v1/chat/completions"
}

// NewScanner splits server-sent events.
func (Dialect) NewScanner(contentType string, r io.Reader, buf []byte, limit int) wire.Scanner {
	return adapters.SSEScanner(contentType, r, buf, limit)
}
