package bedrock

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// emptySchema is that of a tool which takes nothing: Bedrock wants an object always.
var emptySchema = json.RawMessage(`{"type":"object","properties":{}}`)

// tools writes the tools and the choice among them. Converse has no word for none: without its tools the model calls none, but they
// must stay where the conversation has calls already.
func (e *requestEncoder) tools() {
	r := e.r
	choice := r.ToolChoice
	if choice != nil && choice.Mode == canonical.ToolNone {
		if !called(r.Messages) {
			return
		}
		e.loseIf(len(r.Tools) > 0, "tool_choice", false)
		choice = nil
	}
	out := []fields{}
	for i := range r.Tools {
		t := &r.Tools[i]
		if choice != nil && len(choice.Only) > 0 && len(t.Foreign) == 0 && !slices.Contains(choice.Only, t.Name) {
			continue // it may not be called
		}
		field := t.Field
		if field == "" {
			field = "tools[" + strconv.Itoa(i) + "]"
		}
		block := e.tool(t, field)
		if block == nil {
			continue
		}
		out = append(out, block)
		if point := e.cachePoint(t.Cache, field); point != nil {
			out = append(out, point)
		}
	}
	if len(out) == 0 {
		e.loseIf(choice != nil && choice.Mode != canonical.ToolAuto, "tool_choice", false)
		return
	}
	config := e.out.sub("toolConfig")
	config["tools"] = out
	if choice != nil {
		switch choice.Mode {
		case canonical.ToolAuto:
			config["toolChoice"] = fields{"auto": fields{}}
		case canonical.ToolRequired:
			config["toolChoice"] = fields{"any": fields{}}
		case canonical.ToolNamed:
			config["toolChoice"] = fields{"tool": fields{"name": choice.Name}}
		}
	}
	oneCall, hint := r.OneCall()
	e.loseIf(oneCall, "parallel_tools", hint)
}

func (e *requestEncoder) tool(t *canonical.Tool, field string) fields {
	switch {
	case len(t.Foreign) > 0 && t.Dialect == Name:
		return foreign(t.Foreign)
	case len(t.Foreign) > 0, t.Custom:
		e.lose(field, false)
		return nil
	}
	schema := t.Parameters
	if len(schema) == 0 {
		schema = emptySchema
	}
	spec := fields{"name": t.Name, "inputSchema": fields{"json": schema}}
	if t.Description != "" { // an empty one is refused
		spec["description"] = t.Description
	}
	if t.Strict != nil {
		spec["strict"] = *t.Strict
	}
	return fields{"toolSpec": spec}
}

// called reports whether a conversation has calls or results of tools.
func called(messages []canonical.Message) bool {
	return slices.ContainsFunc(messages, func(m canonical.Message) bool {
		return slices.ContainsFunc(m.Parts, func(p canonical.Part) bool {
			return p.Kind == canonical.ToolCall || p.Kind == canonical.ToolResult
		})
	})
}
