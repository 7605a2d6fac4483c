package cohere

import (
	"encoding/json"
	"slices"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

type wireTool struct {
	Type     string       `json:"type"`
	Function wireFunction `json:"function"`
}

type wireFunction struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters"`
}

// noParameters is the schema of a function that takes nothing: Cohere wants one.
var noParameters = json.RawMessage(`{"type":"object","properties":{}}`)

// tools writes the tools and the choice among them. Cohere can demand a call, but not which: a tool that must be called, or those
// that may be, are the only ones it is told of.
func (e *requestEncoder) tools(r *canonical.Request) {
	only := e.toolChoice(r)
	strict, loose := 0, 0
	for i := range r.Tools {
		t := &r.Tools[i]
		field := t.Field
		if field == "" {
			field = "tools" + index(i)
		}
		if only != nil && !slices.Contains(only, t.Name) {
			continue
		}
		switch {
		case t.Foreign != nil && t.Dialect == Name:
			e.out.Tools = append(e.out.Tools, t.Foreign)
			continue
		case t.Foreign != nil, t.Custom:
			e.lose(field, false)
			continue
		}
		e.loseIf(t.Cache != nil, field+".cache_control", true)
		f := wireFunction{Name: t.Name, Description: t.Description, Parameters: t.Parameters}
		if f.Parameters == nil {
			f.Parameters = noParameters
		}
		e.out.Tools = append(e.out.Tools, wireTool{Type: "function", Function: f})
		if t.Strict != nil && *t.Strict {
			strict++
		} else if t.Strict != nil {
			loose++
		}
	}
	// strict_tools is of all at once, and would refuse a schema that is not made for it.
	n := len(e.out.Tools)
	if n == 0 { // a choice among none is refused
		e.loseIf(e.out.ToolChoice == "REQUIRED", "tool_choice", false)
		e.out.ToolChoice = ""
	}
	switch {
	case n == 0, strict == 0 && loose == 0:
	case strict == n, loose == n:
		all := strict == n
		e.out.StrictTools = &all
	default:
		e.loseIf(strict > 0, "tools.strict", false)
	}
}

// toolChoice returns the names that the model may know of; nil: all.
func (e *requestEncoder) toolChoice(r *canonical.Request) (only []string) {
	c := r.ToolChoice
	if c == nil {
		return nil
	}
	switch c.Mode {
	case canonical.ToolRequired:
		e.out.ToolChoice = "REQUIRED"
	case canonical.ToolNone:
		e.out.ToolChoice = "NONE"
		return nil
	case canonical.ToolNamed:
		has := func(t canonical.Tool) bool { return t.Name == c.Name && !t.Custom && t.Foreign == nil }
		if !slices.ContainsFunc(r.Tools, has) { // what the model cannot be told of cannot be demanded
			e.lose("tool_choice", false)
			return nil
		}
		e.out.ToolChoice = "REQUIRED"
		return []string{c.Name}
	}
	return c.Only
}
