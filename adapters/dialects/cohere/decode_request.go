package cohere

import (
	"encoding/json"
	"strconv"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// requestDecoder fills a canonical request, member by member.
type requestDecoder struct {
	r      *canonical.Request
	strict *bool // strict_tools, which is of all tools at once
}

// DecodeRequest reads a chat request.
func (Dialect) DecodeRequest(req *adapters.RequestContext) (*canonical.Request, error) {
	d := requestDecoder{r: &canonical.Request{Stream: req.Stream}}
	body := req.Body[req.ObjectSpan.Start:]
	if err := object("the body", body, d.member); err != nil {
		return nil, adapters.AsError(err)
	}
	if len(d.r.Messages) == 0 {
		return nil, adapters.InvalidRequest("messages", "messages must be given")
	}
	d.strictTools()
	return d.r, nil
}

func (d *requestDecoder) member(name string, value []byte) error {
	r := d.r
	switch name {
	case "model":
		return readText(name, value, &r.Model)
	case "stream":
		return nil // read by Inspect
	case "messages":
		return array(name, value, d.message)
	case "tools":
		return array(name, value, d.tool)
	case "strict_tools":
		return readSwitch(name, value, &d.strict)
	case "tool_choice":
		return d.toolChoice(value)
	case "response_format":
		return d.format(value)
	case "thinking":
		return d.thinking(value)
	case "max_tokens":
		return readNumber(name, value, &r.MaxOutputTokens)
	case "temperature":
		return readNumber(name, value, &r.Temperature)
	case "p":
		return readNumber(name, value, &r.TopP)
	case "k":
		return readNumber(name, value, &r.TopK)
	case "seed":
		return readNumber(name, value, &r.Seed)
	case "frequency_penalty":
		return readNumber(name, value, &r.FrequencyPenalty)
	case "presence_penalty":
		return readNumber(name, value, &r.PresencePenalty)
	case "logprobs":
		return readSwitch(name, value, &r.Logprobs)
	case "stop_sequences":
		r.Stop = nil
		return array(name, value, func(i int, value []byte) error {
			var s string
			err := readText(name+index(i), value, &s)
			r.Stop = append(r.Stop, s)
			return err
		})
	}
	d.other(name, value) // documents, citation_options, safety_mode, priority, and what is newer than this
	return nil
}

// other keeps a member that has no word in the model, wherever it stood. Of the same member given twice the last counts.
func (d *requestDecoder) other(path string, value []byte) {
	o := canonical.Other{Dialect: Name, Name: path, Value: value, Hint: path == "priority"}
	for i := range d.r.Others {
		if d.r.Others[i].Name == path {
			d.r.Others[i] = o
			return
		}
	}
	d.r.Others = append(d.r.Others, o)
}

func (d *requestDecoder) message(i int, value []byte) error {
	m, err := decodeMessage("messages"+index(i), value, d.other)
	if err != nil {
		return err
	}
	d.r.Messages = append(d.r.Messages, m)
	return nil
}

func (d *requestDecoder) tool(i int, value []byte) error {
	path := "tools" + index(i)
	t := canonical.Tool{Field: path}
	kind, fields := "function", 0
	err := object(path, value, func(name string, value []byte) error {
		at := path + "." + name
		switch name {
		case "type":
			return readText(at, value, &kind)
		case "function":
			fields++
			return object(at, value, func(name string, value []byte) error {
				at := at + "." + name
				switch name {
				case "name":
					return readText(at, value, &t.Name)
				case "description":
					return readText(at, value, &t.Description)
				case "parameters":
					t.Parameters = value
					return nil
				}
				d.other(at, value)
				return nil
			})
		}
		if kind == "function" {
			d.other(at, value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if kind != "function" {
		t = canonical.Tool{Name: kind, Foreign: value, Dialect: Name, Field: path}
	} else if t.Name == "" {
		return adapters.InvalidRequest(path+".function.name", "%s.function.name must be given", path)
	}
	d.r.Tools = append(d.r.Tools, t)
	return nil
}

// strictTools gives each tool what Cohere says of all.
func (d *requestDecoder) strictTools() {
	if d.strict == nil {
		return
	}
	if len(d.r.Tools) == 0 {
		d.other("strict_tools", strconv.AppendBool(nil, *d.strict))
	}
	for i := range d.r.Tools {
		strict := *d.strict
		d.r.Tools[i].Strict = &strict
	}
}

func (d *requestDecoder) toolChoice(value []byte) error {
	var choice string
	if err := readText("tool_choice", value, &choice); err != nil {
		return err
	}
	modes := map[string]canonical.ToolMode{"REQUIRED": canonical.ToolRequired, "NONE": canonical.ToolNone}
	mode, ok := modes[choice]
	if !ok {
		return adapters.InvalidRequest("tool_choice", "tool_choice must be REQUIRED or NONE")
	}
	d.r.ToolChoice = &canonical.ToolChoice{Mode: mode}
	return nil
}

func (d *requestDecoder) format(value []byte) error {
	f := &canonical.Format{}
	var kind string
	err := object("response_format", value, func(name string, value []byte) error {
		switch name {
		case "type":
			return readText("response_format.type", value, &kind)
		case "json_schema", "schema": // its first name, which is still taken
			f.Schema = value
			return nil
		}
		d.other("response_format."+name, value)
		return nil
	})
	switch {
	case err != nil:
		return err
	case kind == "text":
		f.Kind = canonical.FormatText
	case kind == "json_object" && f.Schema != nil:
		f.Kind = canonical.FormatSchema
	case kind == "json_object":
		f.Kind = canonical.FormatJSON
	default:
		return adapters.InvalidRequest("response_format.type", "response_format.type must be text or json_object")
	}
	d.r.Format = f
	return nil
}

func (d *requestDecoder) thinking(value []byte) error {
	thinks := &canonical.Reasoning{}
	err := object("thinking", value, func(name string, value []byte) error {
		at := "thinking." + name
		switch name {
		case "type":
			var kind string
			if err := readText(at, value, &kind); err != nil {
				return err
			}
			on := kind == "enabled"
			if !on && kind != "disabled" {
				return adapters.InvalidRequest(at, "%s must be enabled or disabled", at)
			}
			thinks.Enabled = &on
			return nil
		case "token_budget":
			return readNumber(at, value, &thinks.Budget)
		}
		d.other(at, value)
		return nil
	})
	d.r.Reasoning = thinks
	return err
}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

// rawArray joins elements to an array; none: nil.
func rawArray(elements []json.RawMessage) json.RawMessage {
	if len(elements) == 0 {
		return nil
	}
	out := []byte{'['}
	for i, e := range elements {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, e...)
	}
	return append(out, ']')
}
