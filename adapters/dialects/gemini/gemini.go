// Package gemini is Google's generateContent format, as the Gemini API and Vertex speak it.
package gemini

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonarray"
)

// Name is the dialect's name in configuration and events.
const Name = "gemini"

// Dialect implements adapters.Dialect and adapters.Codec.
type Dialect struct{}

var _ adapters.Codec = Dialect{}

// Name returns the dialect's name.
func (Dialect) Name() string { return Name }

// NewScanner splits server-sent events where the client asked for them (alt=sse), and else the elements of a JSON array.
func (Dialect) NewScanner(contentType string, r io.Reader, buf []byte, limit int) wire.Scanner {
	if strings.HasPrefix(contentType, "application/json") {
		return jsonarray.NewScanner(r, buf, limit)
	}
	return adapters.SSEScanner(contentType, r, buf, limit)
}

type model struct {
	Name        string   `json:"name"`
	BaseModelID string   `json:"baseModelId"`
	DisplayName string   `json:"displayName"`
	Methods     []string `json:"supportedGenerationMethods"`
}

func render(m adapters.Model) model {
	return model{
		Name: "models/" + m.ID, BaseModelID: m.ID, DisplayName: m.ID,
		Methods: []string{generateContent, streamGenerateContent, countTokens, embedContent},
	}
}

// RenderModels writes a page that is the whole list: it has no nextPageToken.
func (Dialect) RenderModels(models []adapters.Model) []byte {
	page := struct {
		Models []model `json:"models"`
	}{make([]model, 0, len(models))}
	for _, m := range models {
		page.Models = append(page.Models, render(m))
	}
	raw, _ := json.Marshal(page) // strings only: it cannot fail
	return raw
}

// RenderModel writes a model object.
func (Dialect) RenderModel(m adapters.Model) []byte {
	raw, _ := json.Marshal(render(m))
	return raw
}
