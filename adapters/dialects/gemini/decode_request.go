package gemini

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// decoder reads one request.
type decoder struct {
	r       *canonical.Request
	calls   int     // how many have been seen
	waiting []names // calls whose results have not come
}

// names are those of a call.
type names struct{ id, name string }

// DecodeRequest reads a client's request.
func (Dialect) DecodeRequest(req *adapters.RequestContext) (*canonical.Request, error) {
	d := decoder{r: &canonical.Request{Model: req.Model, Stream: req.Stream}}
	body := req.Body[req.ObjectSpan.Start:]
	// The system's words come first, wherever they stand.
	err := fields(body, "the request body", func(name string, value []byte) error {
		if name == "systemInstruction" {
			return d.system(value)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = fields(body, "the request body", func(name string, value []byte) error {
		switch name {
		case "systemInstruction", "model": // the latter says again what the path says
			return nil
		case "contents":
			return items(value, name, d.content)
		case "tools":
			return items(value, name, d.tool)
		case "toolConfig":
			return d.toolConfig(value)
		case "generationConfig":
			return d.config(value)
		case "safetySettings":
			d.other(name, value, onlyLoosens(value))
		default:
			d.other(name, value, name == "labels")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// The order of an object's members means nothing.
	slices.SortStableFunc(d.r.Others, func(a, b canonical.Other) int { return strings.Compare(a.Name, b.Name) })
	return d.r, nil
}

// other keeps a member that the model has no word for.
func (d *decoder) other(path string, value []byte, hint bool) {
	d.r.Others = append(d.r.Others, canonical.Other{Dialect: Name, Name: path, Value: clone(value), Hint: hint})
}

// onlyLoosens reports whether safety settings only turn filters off, which who has none of them does anyway.
func onlyLoosens(settings []byte) bool {
	var list []struct {
		Threshold string `json:"threshold"`
	}
	if json.Unmarshal(settings, &list) != nil {
		return false
	}
	for _, s := range list {
		if s.Threshold != "BLOCK_NONE" && s.Threshold != "OFF" {
			return false
		}
	}
	return true
}

func (d *decoder) system(value []byte) error {
	const at = "systemInstruction"
	if value[0] == '"' { // a bare string, which the SDKs take
		s, err := text(value, at)
		d.r.Messages = append(d.r.Messages, canonical.Message{
			Role: canonical.System, Parts: []canonical.Part{{Kind: canonical.Text, Text: s, Field: at}},
		})
		return err
	}
	m, err := d.message(value, at)
	m.Role = canonical.System
	d.r.Messages = append(d.r.Messages, m)
	return err
}

func (d *decoder) content(i int, value []byte) error {
	m, err := d.message(value, fmt.Sprintf("contents[%d]", i))
	d.r.Messages = append(d.r.Messages, m)
	return err
}

// message reads a content. Results of functions stand in a user's message, also where an older client calls it function.
func (d *decoder) message(value []byte, at string) (canonical.Message, error) {
	m := canonical.Message{Role: canonical.User}
	err := fields(value, at, func(name string, value []byte) error {
		switch name {
		case "role":
			role, err := text(value, at+".role")
			switch role {
			case "user", "function", "":
			case "model":
				m.Role = canonical.Assistant
			case "system":
				m.Role = canonical.System
			default:
				return adapters.InvalidRequest(at+".role", "%s.role must be user or model", at)
			}
			return err
		case "parts":
			return items(value, at+".parts", func(i int, value []byte) error {
				p, err := d.part(value, fmt.Sprintf("%s.parts[%d]", at, i))
				m.Parts = append(m.Parts, p)
				return err
			})
		}
		d.other(at+"."+name, value, false)
		return nil
	})
	return m, err
}

// part reads one part of a request, with the names of calls and results made to match.
func (d *decoder) part(value []byte, at string) (canonical.Part, error) {
	p, extra, err := decodePart(value, at)
	for _, e := range extra {
		d.other(e.name, e.value, false)
	}
	switch {
	case err != nil:
	case p.Kind == canonical.ToolCall:
		if p.Call.ID == "" {
			p.Call.ID = fmt.Sprintf("%scall_%d", made, d.calls)
		}
		d.calls++
		d.waiting = append(d.waiting, names{p.Call.ID, p.Call.Name})
	case p.Kind == canonical.ToolResult:
		p.Result.CallID = d.answered(p.Result.CallID, p.Result.Name)
	}
	return p, err
}

// answered finds the call that a result belongs to. Without an id it is the first of its name that has none yet.
func (d *decoder) answered(id, name string) string {
	for i, c := range d.waiting {
		if c.id == id || id == "" && c.name == name {
			d.waiting = append(d.waiting[:i], d.waiting[i+1:]...)
			return c.id
		}
	}
	if id == "" {
		return made + "call_of_" + name
	}
	return id
}

// made begins the ids of calls to which Gemini gave none. They are for other dialects, which cannot do without, and never go to
// Google.
const made = "gemini_"
