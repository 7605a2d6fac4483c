package anthropic

import (
	"encoding/json"
	"fmt"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

var _ adapters.Codec = Dialect{}

// wrong is the error for a member that is not what it must be.
func wrong(field, what string) error { return adapters.InvalidRequest(field, "%s: %s", field, what) }

// read decodes one member's value.
func read(field string, value json.RawMessage, into any) error {
	if err := json.Unmarshal(value, into); err != nil {
		return wrong(field, "is not what it must be")
	}
	return nil
}

// DecodeRequest reads a messages request into the canonical model.
func (Dialect) DecodeRequest(req *adapters.RequestContext) (*canonical.Request, error) {
	r := &canonical.Request{Model: req.Model, Stream: req.Stream}
	var system []canonical.Message
	var err error
	_, _, scanErr := jsonscan.Object(req.Body, func(key []byte, start, end int) error {
		value := json.RawMessage(req.Body[start:end])
		switch {
		case string(value) == "null":
		case string(key) == "system":
			var parts []canonical.Part
			if parts, err = decodeBlocks("system", value); len(parts) > 0 {
				system = []canonical.Message{{Role: canonical.System, Parts: parts}}
			}
		default:
			err = decodeMember(r, string(key), value)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if scanErr != nil {
		return nil, adapters.InvalidRequest("", "the request body is %v", scanErr)
	}
	r.Messages = append(system, r.Messages...)
	return r, nil
}

// decodeMember reads one member of the body.
func decodeMember(r *canonical.Request, name string, value json.RawMessage) error {
	switch name {
	case "model", "stream":
		return nil // known already
	case "messages":
		return decodeMessages(r, value)
	case "max_tokens":
		return read(name, value, &r.MaxOutputTokens)
	case "temperature":
		return read(name, value, &r.Temperature)
	case "top_p":
		return read(name, value, &r.TopP)
	case "top_k":
		return read(name, value, &r.TopK)
	case "stop_sequences":
		return read(name, value, &r.Stop)
	case "service_tier":
		return read(name, value, &r.ServiceTier)
	case "metadata":
		var m struct {
			UserID string `json:"user_id"`
		}
		err := read(name, value, &m)
		r.User = m.UserID
		return err
	case "thinking":
		return decodeThinking(r, value)
	case "tools":
		return decodeTools(r, value)
	case "tool_choice":
		return decodeToolChoice(r, value)
	case "output_config":
		return decodeOutput(r, value)
	case "output_format":
		return decodeFormat(r, name, value)
	}
	r.Others = append(r.Others, canonical.Other{Dialect: Name, Name: name, Value: value})
	return nil
}

type thinking struct {
	Type    string      `json:"type"`
	Budget  json.Number `json:"budget_tokens,omitempty"`
	Display string      `json:"display,omitempty"`
}

func decodeThinking(r *canonical.Request, value json.RawMessage) error {
	var t thinking
	if err := read("thinking", value, &t); err != nil {
		return err
	}
	if r.Reasoning == nil {
		r.Reasoning = &canonical.Reasoning{}
	}
	on := t.Type != "disabled"
	r.Reasoning.Enabled, r.Reasoning.Budget = &on, t.Budget
	switch t.Display {
	case "omitted":
		r.Reasoning.Show = "omitted"
	case "summarized":
		r.Reasoning.Show = "auto"
	}
	return nil
}

type output struct {
	Effort string          `json:"effort,omitempty"`
	Format json.RawMessage `json:"format,omitempty"`
}

func decodeOutput(r *canonical.Request, value json.RawMessage) error {
	var o output
	if err := read("output_config", value, &o); err != nil {
		return err
	}
	if o.Effort != "" {
		if r.Reasoning == nil {
			r.Reasoning = &canonical.Reasoning{}
		}
		r.Reasoning.Effort = o.Effort
	}
	if canonical.Null(o.Format) {
		return nil
	}
	return decodeFormat(r, "output_config.format", o.Format)
}

type format struct {
	Type   string          `json:"type"`
	Schema json.RawMessage `json:"schema"`
}

func decodeFormat(r *canonical.Request, field string, value json.RawMessage) error {
	var f format
	if err := read(field, value, &f); err != nil {
		return err
	}
	if f.Type != "json_schema" {
		return wrong(field+".type", "must be json_schema")
	}
	r.Format = &canonical.Format{Kind: canonical.FormatSchema, Schema: f.Schema}
	return nil
}

func decodeMessages(r *canonical.Request, value json.RawMessage) error {
	var all []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	}
	if err := read("messages", value, &all); err != nil {
		return err
	}
	for i, m := range all {
		at := fmt.Sprintf("messages.%d", i)
		switch m.Role {
		case "user", "assistant", "system":
		default:
			return wrong(at+".role", "must be user or assistant")
		}
		parts, err := decodeBlocks(at+".content", m.Content)
		if err != nil {
			return err
		}
		r.Messages = append(r.Messages, canonical.Message{Role: canonical.Role(m.Role), Parts: parts})
	}
	return nil
}

type cacheControl struct {
	Type string `json:"type"`
	TTL  string `json:"ttl,omitempty"`
}

func (c *cacheControl) canonical() *canonical.Cache {
	if c == nil {
		return nil
	}
	return &canonical.Cache{TTL: c.TTL}
}

func marked(c *canonical.Cache) *cacheControl {
	if c == nil {
		return nil
	}
	return &cacheControl{Type: "ephemeral", TTL: c.TTL}
}

type tool struct {
	Type        string          `json:"type,omitempty"`
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	InputSchema json.RawMessage `json:"input_schema,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
	Cache       *cacheControl   `json:"cache_control,omitempty"`
}

func decodeTools(r *canonical.Request, value json.RawMessage) error {
	var list []json.RawMessage
	if err := read("tools", value, &list); err != nil {
		return err
	}
	for i, item := range list {
		field := fmt.Sprintf("tools.%d", i)
		var t tool
		if err := read(field, item, &t); err != nil {
			return err
		}
		if t.Type != "" && t.Type != "custom" { // one that Anthropic runs or knows
			r.Tools = append(r.Tools, canonical.Tool{Name: t.Type, Foreign: item, Dialect: Name, Field: field})
			continue
		}
		r.Tools = append(r.Tools, canonical.Tool{
			Name: t.Name, Description: t.Description, Parameters: t.InputSchema, Strict: t.Strict, Cache: t.Cache.canonical(), Field: field,
		})
	}
	return nil
}

type toolChoice struct {
	Type            string `json:"type"`
	Name            string `json:"name,omitempty"`
	DisableParallel *bool  `json:"disable_parallel_tool_use,omitempty"`
}

func decodeToolChoice(r *canonical.Request, value json.RawMessage) error {
	var c toolChoice
	if err := read("tool_choice", value, &c); err != nil {
		return err
	}
	modes := map[string]canonical.ToolMode{
		"auto": canonical.ToolAuto, "any": canonical.ToolRequired, "tool": canonical.ToolNamed, "none": canonical.ToolNone,
	}
	mode, ok := modes[c.Type]
	if !ok {
		return wrong("tool_choice.type", "must be auto, any, tool or none")
	}
	r.ToolChoice = &canonical.ToolChoice{Mode: mode, Name: c.Name}
	if c.DisableParallel != nil {
		parallel := !*c.DisableParallel
		r.ParallelTools = &parallel
	}
	return nil
}
