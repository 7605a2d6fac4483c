package openaichat

import (
	"encoding/json"
	"fmt"

	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

type definition struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

type tool struct {
	Type     string      `json:"type"`
	Function *definition `json:"function,omitempty"`
	Cache    *struct {
		TTL string `json:"ttl"`
	} `json:"cache_control,omitempty"`
}

func decodeTools(r *canonical.Request, value json.RawMessage) error {
	var list []json.RawMessage
	if err := read("tools", value, &list); err != nil {
		return err
	}
	for i, item := range list {
		field := fmt.Sprintf("tools[%d]", i)
		var t tool
		if err := read(field, item, &t); err != nil {
			return err
		}
		if t.Type != "function" || t.Function == nil {
			r.Tools = append(r.Tools, canonical.Tool{
				Name: t.Type, Custom: t.Type == "custom", Foreign: item, Dialect: Name, Field: field,
			})
			continue
		}
		out := t.Function.canonical(field)
		if t.Cache != nil {
			out.Cache = &canonical.Cache{TTL: t.Cache.TTL}
		}
		r.Tools = append(r.Tools, out)
	}
	return nil
}

func (d definition) canonical(field string) canonical.Tool {
	return canonical.Tool{Name: d.Name, Description: d.Description, Parameters: d.Parameters, Strict: d.Strict, Field: field}
}

// decodeFunctions reads the old name of tools.
func decodeFunctions(r *canonical.Request, value json.RawMessage) error {
	var list []definition
	if err := read("functions", value, &list); err != nil {
		return err
	}
	for i, d := range list {
		r.Tools = append(r.Tools, d.canonical(fmt.Sprintf("functions[%d]", i)))
	}
	return nil
}

type named struct {
	Name string `json:"name"`
}

func decodeToolChoice(r *canonical.Request, field string, value json.RawMessage) error {
	if word, ok := jsonscan.String(value); ok {
		mode := canonical.ToolMode(word)
		switch mode {
		case canonical.ToolAuto, canonical.ToolNone, canonical.ToolRequired:
			r.ToolChoice = &canonical.ToolChoice{Mode: mode}
			return nil
		}
		return wrong(field, "must be auto, none, required or an object that names a tool")
	}
	var c struct {
		named
		Type     string `json:"type"`
		Function named  `json:"function"`
		Custom   named  `json:"custom"`
		Allowed  *struct {
			Mode  canonical.ToolMode `json:"mode"`
			Tools []struct {
				Function named `json:"function"`
			} `json:"tools"`
		} `json:"allowed_tools"`
	}
	if err := read(field, value, &c); err != nil {
		return err
	}
	if c.Allowed != nil {
		r.ToolChoice = &canonical.ToolChoice{Mode: c.Allowed.Mode}
		for _, t := range c.Allowed.Tools {
			r.ToolChoice.Only = append(r.ToolChoice.Only, t.Function.Name)
		}
		return nil
	}
	name := c.Function.Name + c.Custom.Name + c.Name
	if name == "" {
		return wrong(field, "must name a tool")
	}
	r.ToolChoice = &canonical.ToolChoice{Mode: canonical.ToolNamed, Name: name}
	return nil
}

type schema struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Schema      json.RawMessage `json:"schema,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

type format struct {
	Type   string  `json:"type"`
	Schema *schema `json:"json_schema,omitempty"`
}

func decodeFormat(r *canonical.Request, value json.RawMessage) error {
	var f format
	if err := read("response_format", value, &f); err != nil {
		return err
	}
	switch {
	case f.Type == "text":
		r.Format = &canonical.Format{Kind: canonical.FormatText}
	case f.Type == "json_object":
		r.Format = &canonical.Format{Kind: canonical.FormatJSON}
	case f.Type == "json_schema" && f.Schema != nil:
		r.Format = &canonical.Format{
			Kind: canonical.FormatSchema, Name: f.Schema.Name, Description: f.Schema.Description, Schema: f.Schema.Schema, Strict: f.Schema.Strict,
		}
	default:
		return wrong("response_format.type", "must be text, json_object or json_schema")
	}
	return nil
}
