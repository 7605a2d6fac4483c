package bedrock

import "github.com/tollhouse/tollhouse/adapters"

var prompt = adapters.Prompt{Before: []string{"toolConfig", "system"}, Turns: "messages"}

var _ adapters.Prompted = Dialect{}

// Prompt says where the prompt of a chat stands.
func (Dialect) Prompt() *adapters.Prompt { return &prompt }
