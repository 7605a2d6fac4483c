package anthropic

import (
	"encoding/json"
	"fmt"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// messages writes the turns. What a system or a developer says stands apart here, wherever it was said; turns of one role that follow
// each other are one, so that the results of calls made at once come together, and before all else in their turn.
func (e *encoder) messages(r *canonical.Request, b *requestBody) {
	for i, m := range r.Messages {
		e.lose(m.Name != "", fmt.Sprintf("messages[%d].name", i), true)
		if m.Role == canonical.System || m.Role == canonical.Developer {
			b.System = append(b.System, e.blocks(m.Parts)...)
			continue
		}
		role := "user"
		if m.Role == canonical.Assistant {
			role = "assistant"
		}
		results, rest := e.results(m.Parts)
		content := append(results, e.blocks(rest)...)
		if n := len(b.Messages); n > 0 && b.Messages[n-1].Role == role {
			b.Messages[n-1].Content = append(b.Messages[n-1].Content, content...)
			continue
		}
		b.Messages = append(b.Messages, outMessage{Role: role, Content: content})
	}
	for i := range b.Messages {
		if b.Messages[i].Content == nil {
			b.Messages[i].Content = []json.RawMessage{}
		}
	}
}

func (e *encoder) blocks(parts []canonical.Part) []json.RawMessage {
	var out []json.RawMessage
	for _, p := range parts {
		if p.Kind == canonical.Text && p.Text == "" {
			continue // refused here, and it says nothing
		}
		if p.Kind == canonical.Thinking && p.Thought.Signature == "" && (p.Thought.Encrypted == "" || p.Thought.ID != "") {
			e.lose(true, p.Field, true) // refused without a signature; what has an id is OpenAI's
			continue
		}
		e.lose(p.Citations != nil && p.Dialect != Name, p.Field+".annotations", true)
		e.lose(p.Signature != "", p.Field+".signature", true) // Gemini's: nobody else knows it
		e.lose(p.Media != nil && p.Media.Detail != "" && p.Media.Detail != "auto", p.Field+".detail", true)
		raw, ok := encodeBlock(p)
		if !ok {
			e.lose(true, p.Field, false)
			continue
		}
		out = append(out, raw)
	}
	return out
}

type toolResult struct {
	Type      string            `json:"type"`
	ToolUseID string            `json:"tool_use_id"`
	Content   []json.RawMessage `json:"content,omitempty"`
	IsError   bool              `json:"is_error,omitempty"`
	Cache     *cacheControl     `json:"cache_control,omitempty"`
}

// results takes the tools' results out of a turn's parts.
func (e *encoder) results(parts []canonical.Part) (results []json.RawMessage, rest []canonical.Part) {
	for _, p := range parts {
		if p.Kind != canonical.ToolResult {
			rest = append(rest, p)
			continue
		}
		results = append(results, canonical.Marshal(toolResult{
			Type: "tool_result", ToolUseID: p.Result.CallID, Content: e.blocks(p.Result.Parts), IsError: p.Result.IsError, Cache: marked(p.Cache),
		}))
	}
	return results, rest
}
