// Package all lists what this binary speaks: one line a dialect, one a provider.
package all

import (
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/dialects/anthropic"
	"github.com/tollhouse/tollhouse/adapters/dialects/bedrock"
	"github.com/tollhouse/tollhouse/adapters/dialects/openaichat"
	anthropicapi "github.com/tollhouse/tollhouse/adapters/providers/anthropic"
	bedrockapi "github.com/tollhouse/tollhouse/adapters/providers/bedrock"
	"github.com/tollhouse/tollhouse/adapters/providers/compatible"
	"github.com/tollhouse/tollhouse/adapters/providers/demo"
)

// Set returns every dialect and provider.
func Set() (*adapters.Set, error) {
	dialects := []adapters.Dialect{
		openaichat.Dialect{},
		anthropic.Dialect{},
		bedrock.Dialect{},
	}
	providers := append(compatible.Vendors(),
		anthropicapi.Provider{},
		bedrockapi.New(),
		demo.OpenAI(),
		demo.Anthropic(),
	)
	return adapters.NewSet(dialects, providers)
}
