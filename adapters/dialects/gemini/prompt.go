package gemini

import "github.com/tollhouse/tollhouse/adapters"

var prompt = adapters.Prompt{Before: []string{"cachedContent", "systemInstruction", "system_instruction", "tools"}, Turns: "contents", Roleless: true}

var _ adapters.Prompted = Dialect{}

// Prompt says where the prompt of a chat stands.
func (Dialect) Prompt() *adapters.Prompt { return &prompt }
