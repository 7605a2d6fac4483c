package compatible

import "github.com/tollhouse/tollhouse/adapters"

// Vendors lists the option sets. Adding a vendor is a line here and one in the README.
func Vendors() []adapters.Provider {
	vendors := []Vendor{
		{Kind: "openai", BaseURL: "https://api.openai.com/v1", NeedsKey: true, Responses: true},
		{Kind: "openai_compatible", Asked: true}, // vLLM, Ollama, llama.cpp, LM Studio, TGI …
		{Kind: "mistral", BaseURL: "https://api.mistral.ai/v1", NeedsKey: true, UsageUnasked: true},
		{Kind: "groq", BaseURL: "https://api.groq.com/openai/v1", NeedsKey: true, Responses: true},
		{Kind: "deepseek", BaseURL: "https://api.deepseek.com/v1", NeedsKey: true, Responses: true},
		{Kind: "xai", BaseURL: "https://api.x.ai/v1", NeedsKey: true, Responses: true},
		{Kind: "openrouter", BaseURL: "https://openrouter.ai/api/v1", NeedsKey: true, Responses: true},
		{Kind: "cerebras", BaseURL: "https://api.cerebras.ai/v1", NeedsKey: true},
		{Kind: "together", BaseURL: "https://api.together.xyz/v1", NeedsKey: true},
		{Kind: "fireworks", BaseURL: "https://api.fireworks.ai/inference/v1", NeedsKey: true},
		{Kind: "perplexity", BaseURL: "https://api.perplexity.ai", NeedsKey: true, UsageUnasked: true},
	}
	providers := make([]adapters.Provider, len(vendors))
	for i, v := range vendors {
		providers[i] = Provider{v}
	}
	return providers
}
