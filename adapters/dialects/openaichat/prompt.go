package openaichat

import "github.com/tollhouse/tollhouse/adapters"

var prompt = adapters.Prompt{CacheKey: "prompt_cache_key", Before: []string{"tools", "functions"}, Turns: "messages"}

var _ adapters.Prompted = Dialect{}

// Prompt says where the prompt of a chat stands.
func (Dialect) Prompt() *adapters.Prompt { return &prompt }
