// Package bedrock is the Converse format of Amazon Bedrock.
package bedrock

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire"
	"github.com/tollhouse/tollhouse/adapters/wire/eventstream"
)

// Name is the dialect's name in configuration and events.
const Name = "bedrock_converse"

// Dialect implements adapters.Dialect.
type Dialect struct{}

var (
	_ adapters.Dialect      = Dialect{}
	_ adapters.ErrorHeaders = Dialect{}
)

// Name returns the dialect's name.
func (Dialect) Name() string { return Name }

// NewScanner splits AWS's binary frames.
func (Dialect) NewScanner(contentType string, r io.Reader, buf []byte, limit int) wire.Scanner {
	if !strings.HasPrefix(contentType, eventstream.ContentType) {
		return nil
	}
	return eventstream.NewScanner(r, buf, limit)
}

// model is an entry of Bedrock's list of foundation models, as far as it holds for any model behind the gateway.
type model struct {
	ID        string `json:"modelId"`
	Name      string `json:"modelName"`
	Provider  string `json:"providerName,omitempty"`
	Streaming bool   `json:"responseStreamingSupported"`
}

func render(m adapters.Model) model {
	return model{ID: m.ID, Name: m.ID, Provider: m.OwnedBy, Streaming: true}
}

// RenderModels writes what ListFoundationModels answers.
func (Dialect) RenderModels(models []adapters.Model) []byte {
	list := struct {
		Models []model `json:"modelSummaries"`
	}{make([]model, 0, len(models))}
	for _, m := range models {
		list.Models = append(list.Models, render(m))
	}
	raw, _ := json.Marshal(list) // strings and booleans only: it cannot fail
	return raw
}

// RenderModel writes what GetFoundationModel answers.
func (Dialect) RenderModel(m adapters.Model) []byte {
	raw, _ := json.Marshal(struct {
		Model model `json:"modelDetails"`
	}{render(m)})
	return raw
}
