// Package all lists what this binary speaks: one line a dialect, one a provider.
package all

import (
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/dialects/anthropic"
	"github.com/tollhouse/tollhouse/adapters/dialects/bedrock"
	"github.com/tollhouse/tollhouse/adapters/dialects/cohere"
	"github.com/tollhouse/tollhouse/adapters/dialects/gemini"
	"github.com/tollhouse/tollhouse/adapters/dialects/openaichat"
	"github.com/tollhouse/tollhouse/adapters/dialects/openairesponses"
	anthropicapi "github.com/tollhouse/tollhouse/adapters/providers/anthropic"
	"github.com/tollhouse/tollhouse/adapters/providers/azure"
	bedrockapi "github.com/tollhouse/tollhouse/adapters/providers/bedrock"
	cohereapi "github.com/tollhouse/tollhouse/adapters/providers/cohere"
	"github.com/tollhouse/tollhouse/adapters/providers/compatible"
	"github.com/tollhouse/tollhouse/adapters/providers/demo"
	geminiapi "github.com/tollhouse/tollhouse/adapters/providers/gemini"
	"github.com/tollhouse/tollhouse/adapters/providers/vertex"
)

// Set returns every dialect and provider.
func Set() (*adapters.Set, error) {
	dialects := []adapters.Dialect{
		openaichat.Dialect{},
		openairesponses.Dialect{},
		anthropic.Dialect{},
		bedrock.Dialect{},
		cohere.Dialect{},
		gemini.Dialect{},
	}
	providers := append(compatible.Vendors(),
		anthropicapi.Provider{},
		azure.Provider{},
		bedrockapi.New(),
		cohereapi.Provider{},
		geminiapi.Provider{},
		vertex.New(),
		demo.Provider{},
	)
	return adapters.NewSet(dialects, providers)
}
