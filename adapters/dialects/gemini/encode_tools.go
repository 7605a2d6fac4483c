package gemini

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// tools writes all functions as one entry, and Google's own tools as they stood.
func (e *encoder) tools() {
	var entries []any
	var functions []any
	for i := range e.r.Tools {
		t := &e.r.Tools[i]
		field := t.Field
		if field == "" {
			field = fmt.Sprintf("tools[%d]", i)
		}
		e.loseIf(t.Cache != nil, field+".cache_control", true)
		switch {
		case t.Foreign != nil && t.Dialect == Name:
			entries = append(entries, t.Foreign)
			continue
		case t.Foreign != nil || t.Custom:
			e.lose(field, false)
			continue
		}
		e.loseIf(t.Strict != nil && *t.Strict, field+".strict", true)
		f := &object{}
		f.set("name", t.Name)
		if t.Description != "" {
			f.set("description", t.Description)
		}
		if t.Parameters != nil {
			f.set("parametersJsonSchema", t.Parameters)
		}
		if functions = append(functions, f); len(functions) == 1 {
			entries = append(entries, nil) // its place
		}
	}
	for i := range entries {
		if entries[i] == nil {
			o := &object{}
			o.set("functionDeclarations", functions)
			entries[i] = o
		}
	}
	if len(entries) > 0 {
		e.out.set("tools", entries)
	}
}

// choice writes whether functions must, may or may not be called.
func (e *encoder) choice() {
	c := e.r.ToolChoice
	if c == nil {
		return
	}
	mode, only := "AUTO", c.Only
	switch c.Mode {
	case canonical.ToolNone:
		mode = "NONE"
	case canonical.ToolRequired:
		mode = "ANY"
	case canonical.ToolNamed:
		mode, only = "ANY", []string{c.Name}
	default:
		if len(only) > 0 {
			mode = "VALIDATED" // AUTO takes no names
		}
	}
	e.out.at("toolConfig.functionCallingConfig.mode", mode)
	if len(only) > 0 {
		e.out.at("toolConfig.functionCallingConfig.allowedFunctionNames", only)
	}
}

// arguments are what a call's args may be: an object. What is none, since the model wrote it badly or the tool takes free text,
// is carried in one.
func arguments(c *canonical.Call) (args json.RawMessage, wrapped bool) {
	var o map[string]json.RawMessage
	if c.Arguments == "" {
		return json.RawMessage("{}"), false
	}
	if !c.Custom && json.Unmarshal([]byte(c.Arguments), &o) == nil && o != nil {
		return json.RawMessage(c.Arguments), false
	}
	return encode(map[string]string{"input": c.Arguments}), true
}

// callPart writes a call. An id that Gemini never gave is left out, and the order tells which result is which.
func callPart(c *canonical.Call, signature string) (o *object, wrapped bool) {
	o = &object{}
	call := o.child("functionCall")
	if c.ID != "" && !strings.HasPrefix(c.ID, made) {
		call.set("id", c.ID)
	}
	call.set("name", c.Name)
	args, wrapped := arguments(c)
	call.set("args", args)
	sign(o, signature)
	return o, wrapped
}

// result writes a result, and behind it the images and files in it: Gemini 3 takes them inside, older models beside.
func (e *encoder) result(p *canonical.Part) ([]part, error) {
	r := p.Result
	name := r.Name
	if name == "" {
		name = e.names[r.CallID]
	}
	if name == "" {
		return nil, adapters.InvalidRequest(p.Field, "no call before this result has the id %q", r.CallID)
	}
	o := &object{}
	response := o.child("functionResponse")
	if r.CallID != "" && !strings.HasPrefix(r.CallID, made) {
		response.set("id", r.CallID)
	}
	response.set("name", name)
	var said []string
	var inside []any
	var beside []part
	for i := range r.Parts {
		in := &r.Parts[i]
		switch in.Kind {
		case canonical.Image, canonical.Audio, canonical.Video, canonical.File:
			if in.Media.Text != "" { // a document of words, as Cohere has results: it is what was said
				said = append(said, in.Media.Text)
				if in.Media.Title != "" {
					e.lose(in.Field+".title", true)
				}
				continue
			}
			m := e.media(in)
			switch {
			case m == nil:
			case isNewer(e.r.Model):
				inside = append(inside, m)
			default:
				beside = append(beside, part{written: m})
			}
		case canonical.Text, canonical.Refusal:
			said = append(said, in.Text)
		default:
			e.lose(in.Field, false)
		}
	}
	response.set("response", responseOf(strings.Join(said, "\n"), r.IsError))
	if len(inside) > 0 {
		response.set("parts", inside)
	}
	return append([]part{{written: o, result: &r.CallID}}, beside...), nil
}

// responseOf is the object that Google wants a result to be: what is none goes into the member that it names for that.
func responseOf(said string, failed bool) any {
	var o map[string]json.RawMessage
	isObject := json.Unmarshal([]byte(said), &o) == nil && o != nil
	if isObject && !failed {
		return json.RawMessage(said)
	}
	member, out := "output", &object{}
	if failed {
		member = "error"
	}
	if isObject {
		out.set(member, json.RawMessage(said))
	} else {
		out.set(member, said)
	}
	return out
}
