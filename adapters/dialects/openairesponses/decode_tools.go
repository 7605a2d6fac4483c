package openairesponses

import (
	"encoding/json"
	"fmt"

	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

type tool struct {
	Type        string          `json:"type"`
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters"`
	Strict      *bool           `json:"strict"`
}

// tools reads functions; what else there is OpenAI runs itself, or takes free text.
func (d *decoder) tools(value json.RawMessage) error {
	var list []json.RawMessage
	if err := read("tools", value, &list); err != nil {
		return err
	}
	d.r.Tools = nil
	for i, item := range list {
		field := fmt.Sprintf("tools[%d]", i)
		var t tool
		if err := read(field, item, &t); err != nil {
			return err
		}
		if t.Type != "function" {
			d.r.Tools = append(d.r.Tools, canonical.Tool{
				Name: t.Type, Custom: t.Type == "custom", Foreign: item, Dialect: Name, Field: field,
			})
			continue
		}
		if t.Strict == nil { // a function is held to its schema here unless the client says otherwise
			strict := true
			t.Strict = &strict
		}
		if canonical.Null(t.Parameters) {
			t.Parameters = nil
		}
		d.r.Tools = append(d.r.Tools, canonical.Tool{
			Name: t.Name, Description: t.Description, Parameters: t.Parameters, Strict: t.Strict, Field: field,
		})
		d.rest(field, item, "type", "name", "description", "parameters", "strict")
	}
	return nil
}

type namedTool struct {
	Type string `json:"type"`
	Name string `json:"name,omitempty"`
}

func (d *decoder) toolChoice(value json.RawMessage) error {
	const field = "tool_choice"
	if word, ok := jsonscan.String(value); ok {
		switch mode := canonical.ToolMode(word); mode {
		case canonical.ToolAuto, canonical.ToolNone, canonical.ToolRequired:
			d.r.ToolChoice = &canonical.ToolChoice{Mode: mode}
			return nil
		}
		return wrong(field, "must be auto, none, required or an object that names a tool")
	}
	var c struct {
		namedTool
		Mode  canonical.ToolMode `json:"mode"`
		Tools []namedTool        `json:"tools"`
	}
	if err := read(field, value, &c); err != nil {
		return err
	}
	switch {
	case (c.Type == "function" || c.Type == "custom") && c.Name != "":
		d.r.ToolChoice = &canonical.ToolChoice{Mode: canonical.ToolNamed, Name: c.Name}
	case c.Type == "allowed_tools" && functions(c.Tools):
		if c.Mode != canonical.ToolAuto && c.Mode != canonical.ToolRequired {
			return wrong(field+".mode", "must be auto or required")
		}
		d.r.ToolChoice = &canonical.ToolChoice{Mode: c.Mode}
		for _, t := range c.Tools {
			d.r.ToolChoice.Only = append(d.r.ToolChoice.Only, t.Name)
		}
	case c.Type == "" || c.Type == "function" || c.Type == "custom":
		return wrong(field, "must name a tool")
	default: // one that the provider runs
		d.other(field, value, false)
	}
	return nil
}

// functions reports whether all that may be called are functions, of which there is one.
func functions(tools []namedTool) bool {
	for _, t := range tools {
		if t.Type != "function" {
			return false
		}
	}
	return len(tools) > 0
}
