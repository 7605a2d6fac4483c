package openairesponses

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

// item is one of a request's input or an answer's output.
type item struct {
	Type    string          `json:"type"`
	ID      string          `json:"id"`
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`

	CallID    string          `json:"call_id"`
	Name      string          `json:"name"`
	Arguments string          `json:"arguments"`
	Input     string          `json:"input"`
	Output    json.RawMessage `json:"output"`

	Summary   []contentPart `json:"summary"`
	Encrypted string        `json:"encrypted_content"`

	Result string `json:"result"` // of an image that was made
	Format string `json:"output_format"`
}

// input reads a text, or items. What the model made stands in items of their own, one behind the other: together they are one turn.
func (d *decoder) input(value json.RawMessage) error {
	d.r.Messages = nil
	if text, ok := jsonscan.String(value); ok {
		d.r.Messages = []canonical.Message{{
			Role: canonical.User, Parts: []canonical.Part{{Kind: canonical.Text, Text: text, Field: "input"}},
		}}
		return nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(value, &list); err != nil {
		return wrong("input", "must be a string or an array of items")
	}
	for i, raw := range list {
		if err := d.item(fmt.Sprintf("input[%d]", i), raw); err != nil {
			return err
		}
	}
	return nil
}

// add joins what the model made to the turn before it, if that is the model's.
func (d *decoder) add(m canonical.Message) {
	if n := len(d.r.Messages); n > 0 && m.Role == canonical.Assistant && d.r.Messages[n-1].Role == canonical.Assistant {
		last := &d.r.Messages[n-1]
		last.Parts = append(last.Parts, m.Parts...)
		if last.ID == "" {
			last.ID = m.ID
		}
		return
	}
	d.r.Messages = append(d.r.Messages, m)
}

func (d *decoder) item(field string, raw json.RawMessage) error {
	var it item
	if string(raw) == "null" {
		return wrong(field, "must be an object")
	}
	var kind struct {
		Type string `json:"type"`
		Role string `json:"role"`
	}
	if err := read(field, raw, &kind); err != nil {
		return err
	}
	if !known(kind.Type) { // its members are its own
		role := canonical.Assistant
		if strings.HasSuffix(kind.Type, "_output") || strings.HasSuffix(kind.Type, "_response") {
			role = canonical.ToolRole
		}
		part := canonical.Part{Kind: canonical.Foreign, Dialect: Name, Raw: raw, Field: field}
		d.add(canonical.Message{Role: role, Parts: []canonical.Part{part}})
		return nil
	}
	if err := read(field, raw, &it); err != nil {
		return err
	}
	switch it.Type {
	case "", "message":
		return d.message(field, raw, &it)
	case "function_call_output", "custom_tool_call_output":
		parts, err := decodeContent(field+".output", it.Output)
		if err != nil {
			return err
		}
		result := &canonical.Result{CallID: it.CallID, Parts: parts, Custom: it.Type == "custom_tool_call_output"}
		d.add(canonical.Message{Role: canonical.ToolRole, Parts: []canonical.Part{{Kind: canonical.ToolResult, Result: result, Field: field}}})
		d.rest(field, raw, "type", "id", "status", "call_id", "output")
	case "reasoning":
		d.reasoned(field, &it)
	default:
		d.add(canonical.Message{Role: canonical.Assistant, Parts: []canonical.Part{it.call(field)}})
		d.rest(field, raw, "type", "id", "status", "call_id", "name", "arguments", "input")
	}
	return nil
}

// known are the items that the model has words for.
func known(kind string) bool {
	switch kind {
	case "", "message", "function_call", "custom_tool_call", "function_call_output", "custom_tool_call_output", "reasoning":
		return true
	}
	return false
}

func (d *decoder) message(field string, raw json.RawMessage, it *item) error {
	switch it.Role {
	case "system", "developer", "user", "assistant":
	default:
		return wrong(field+".role", "must be system, developer, user or assistant")
	}
	parts, err := decodeContent(field+".content", it.Content)
	if err != nil {
		return err
	}
	d.add(canonical.Message{Role: canonical.Role(it.Role), ID: it.ID, Parts: parts})
	d.rest(field, raw, "type", "id", "status", "role", "content")
	return nil
}

func (it *item) call(field string) canonical.Part {
	c := &canonical.Call{ID: it.CallID, Name: it.Name, Arguments: it.Arguments}
	if it.Type == "custom_tool_call" {
		c.Arguments, c.Custom = it.Input, true
	}
	return canonical.Part{Kind: canonical.ToolCall, Call: c, Field: field}
}

// reasoned reads what was thought, as it comes back. What stands in for a signature of another provider's becomes that again.
func (d *decoder) reasoned(field string, it *item) {
	kind, payload := unseal(it.Encrypted)
	if kind == sealPart {
		if n := len(d.r.Messages); n > 0 && len(d.r.Messages[n-1].Parts) > 0 {
			parts := d.r.Messages[n-1].Parts
			parts[len(parts)-1].Signature = payload
		}
		return
	}
	d.add(canonical.Message{Role: canonical.Assistant, Parts: it.thoughts(field)})
}

// thoughts are one part for each summary and each text, and one for what is encrypted, all with the item's id.
func (it *item) thoughts(field string) []canonical.Part {
	var parts []canonical.Part
	add := func(t canonical.Thought) {
		parts = append(parts, canonical.Part{Kind: canonical.Thinking, Thought: &t, Field: field})
	}
	kind, payload := unseal(it.Encrypted)
	if kind != "" {
		it.ID = "" // it was ours
	}
	for _, s := range it.Summary {
		add(canonical.Thought{ID: it.ID, Text: s.Text, Summary: true})
	}
	var content []contentPart
	_ = json.Unmarshal(it.Content, &content)
	for _, c := range content {
		add(canonical.Thought{ID: it.ID, Text: c.Text})
	}
	switch {
	case kind == sealSignature && len(parts) > 0:
		parts[len(parts)-1].Thought.Signature = payload
	case kind == sealSignature:
		add(canonical.Thought{Signature: payload})
	case payload != "" || len(parts) == 0:
		add(canonical.Thought{ID: it.ID, Encrypted: payload})
	}
	return parts
}
