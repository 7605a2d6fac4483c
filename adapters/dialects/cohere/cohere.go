// Package cohere is Cohere's format, version 2: chat, embed and rerank.
package cohere

import (
	"encoding/json"
	"io"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire"
)

// Name is the dialect's name in configuration and events.
const Name = "cohere"

// Dialect implements adapters.Dialect.
type Dialect struct{}

var _ adapters.Dialect = Dialect{}

// Name returns the dialect's name.
func (Dialect) Name() string { return Name }

// Path returns the route of the operation: Cohere has one each, and the model stands in the body.
func (Dialect) Path(req *adapters.RequestContext, _ string) string {
	switch req.Operation {
	case adapters.OperationChat:
		return "/v2/chat"
	case adapters.OperationEmbeddings:
		return "/v2/embed"
	case adapters.OperationRerank:
		return "/v2/rerank"
	}
	return req.Path
}

// NewScanner splits server-sent events.
func (Dialect) NewScanner(contentType string, r io.Reader, buf []byte, limit int) wire.Scanner {
	return adapters.SSEScanner(contentType, r, buf, limit)
}

// model is one entry of Cohere's list. What else stands in an entry there (endpoints, context length, tokenizer) the gateway does
// not know, and an empty list of endpoints would say that the model can do nothing.
type model struct {
	Name      string `json:"name"`
	Finetuned bool   `json:"finetuned"`
}

// RenderModels writes a page that is the whole list.
func (Dialect) RenderModels(models []adapters.Model) []byte {
	page := struct {
		Models []model `json:"models"`
	}{Models: make([]model, 0, len(models))}
	for _, m := range models {
		page.Models = append(page.Models, model{Name: m.ID})
	}
	raw, _ := json.Marshal(page) // strings only: it cannot fail
	return raw
}

// RenderModel writes a model object.
func (Dialect) RenderModel(m adapters.Model) []byte {
	raw, _ := json.Marshal(model{Name: m.ID})
	return raw
}
