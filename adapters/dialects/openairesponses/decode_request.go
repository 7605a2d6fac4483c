package openairesponses

import (
	"encoding/json"
	"slices"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

var _ adapters.Codec = Dialect{}

// decoder fills a canonical request, member by member.
type decoder struct {
	r            *canonical.Request
	instructions *canonical.Message
}

// wrong is the error for a member that is not what it must be.
func wrong(field string, what any) error { return adapters.InvalidRequest(field, "%s %v", field, what) }

// read decodes one member's value.
func read(field string, value json.RawMessage, into any) error {
	if err := json.Unmarshal(value, into); err != nil {
		return wrong(field, "is not what it must be")
	}
	return nil
}

// DecodeRequest reads a request for a response.
func (Dialect) DecodeRequest(req *adapters.RequestContext) (*canonical.Request, error) {
	d := decoder{r: &canonical.Request{Model: req.Model, Stream: req.Stream}}
	_, _, err := jsonscan.Object(req.Body, func(key []byte, start, end int) error {
		value := json.RawMessage(req.Body[start:end])
		if string(value) == "null" {
			return nil
		}
		return d.member(string(key), value)
	})
	if err != nil {
		return nil, asInvalid(err)
	}
	if d.instructions != nil {
		d.r.Messages = slices.Insert(d.r.Messages, 0, *d.instructions)
	}
	return d.r, nil
}

// member reads one member of the body.
func (d *decoder) member(name string, value json.RawMessage) error {
	r := d.r
	switch name {
	case "model", "stream":
		return nil // known already
	case "input":
		return d.input(value)
	case "instructions":
		text, ok := jsonscan.String(value)
		if !ok {
			return wrong(name, "must be a string")
		}
		d.instructions = &canonical.Message{Role: canonical.System, Parts: []canonical.Part{{Kind: canonical.Text, Text: text, Field: name}}}
		return nil
	case "tools":
		return d.tools(value)
	case "tool_choice":
		return d.toolChoice(value)
	case "parallel_tool_calls":
		return read(name, value, &r.ParallelTools)
	case "text":
		return d.text(value)
	case "reasoning":
		return d.reasoning(value)
	case "include":
		return d.include(value)
	case "max_output_tokens":
		return read(name, value, &r.MaxOutputTokens)
	case "temperature":
		return read(name, value, &r.Temperature)
	case "top_p":
		return read(name, value, &r.TopP)
	case "top_logprobs":
		return read(name, value, &r.TopLogprobs)
	case "service_tier":
		return read(name, value, &r.ServiceTier)
	case "user", "safety_identifier":
		return read(name, value, &r.User)
	case "metadata":
		return read(name, value, &r.Metadata)
	case "prompt_cache_key":
		return read(name, value, &r.PromptCacheKey)
	}
	if !said(name, value) {
		return nil
	}
	d.other(name, value, hints[name])
	return nil
}

// hints change nothing in the answer. What is kept, and for how long, is the provider's own affair.
var hints = map[string]bool{
	"store": true, "stream_options": true, "prompt_cache_retention": true, "prompt_cache_options": true, "truncation": true, "max_tool_calls": true,
}

// said is whether a member asks for anything but what would be done without it. In the model nothing is kept unless it is asked for.
func said(name string, value json.RawMessage) bool {
	switch name {
	case "background", "store":
		return string(value) != "false"
	case "truncation":
		return string(value) != `"disabled"`
	}
	return true
}

// other keeps a member that has no word in the model, wherever it stood. Of the same member given twice the last counts.
func (d *decoder) other(path string, value json.RawMessage, hint bool) {
	o := canonical.Other{Dialect: Name, Name: path, Value: value, Hint: hint}
	for i := range d.r.Others {
		if d.r.Others[i].Name == path {
			d.r.Others[i] = o
			return
		}
	}
	d.r.Others = append(d.r.Others, o)
}

// rest keeps the members of an object that are not known here: they say how, not what.
func (d *decoder) rest(path string, object json.RawMessage, known ...string) {
	_ = jsonscan.Members(object, 0, func(key []byte, start, end int) error {
		value := object[start:end]
		if name := string(key); string(value) != "null" && !slices.Contains(known, name) {
			d.other(path+"."+name, value, true)
		}
		return nil
	})
}

func (d *decoder) text(value json.RawMessage) error {
	var t struct {
		Format *struct {
			Type        string          `json:"type"`
			Name        string          `json:"name"`
			Description string          `json:"description"`
			Schema      json.RawMessage `json:"schema"`
			Strict      *bool           `json:"strict"`
		} `json:"format"`
		Verbosity string `json:"verbosity"`
	}
	if err := read("text", value, &t); err != nil {
		return err
	}
	d.r.Verbosity = t.Verbosity
	d.rest("text", value, "format", "verbosity")
	switch f := t.Format; {
	case f == nil:
	case f.Type == "text":
		d.r.Format = &canonical.Format{Kind: canonical.FormatText}
	case f.Type == "json_object":
		d.r.Format = &canonical.Format{Kind: canonical.FormatJSON}
	case f.Type == "json_schema":
		d.r.Format = &canonical.Format{
			Kind: canonical.FormatSchema, Name: f.Name, Description: f.Description, Schema: f.Schema, Strict: f.Strict,
		}
	default:
		return wrong("text.format.type", "must be text, json_object or json_schema")
	}
	return nil
}

// thinks is the request's reasoning, made where there is none yet: two members speak of it.
func (d *decoder) thinks() *canonical.Reasoning {
	if d.r.Reasoning == nil {
		d.r.Reasoning = &canonical.Reasoning{}
	}
	return d.r.Reasoning
}

func (d *decoder) reasoning(value json.RawMessage) error {
	var t struct {
		Effort  string `json:"effort"`
		Summary string `json:"summary"`
		Older   string `json:"generate_summary"`
	}
	if err := read("reasoning", value, &t); err != nil {
		return err
	}
	if t.Summary == "" {
		t.Summary = t.Older
	}
	if t.Effort+t.Summary != "" {
		d.thinks().Effort, d.thinks().Show = t.Effort, t.Summary
	}
	d.rest("reasoning", value, "effort", "summary", "generate_summary")
	return nil
}

// What include asks for that has a word in the model.
const (
	includeEncrypted = "reasoning.encrypted_content"
	includeLogprobs  = "message.output_text.logprobs"
)

func (d *decoder) include(value json.RawMessage) error {
	var list, others []string
	if err := read("include", value, &list); err != nil {
		return err
	}
	for _, what := range list {
		switch what {
		case includeEncrypted:
			d.thinks().Encrypted = true
		case includeLogprobs:
			wanted := true
			d.r.Logprobs = &wanted
		default:
			others = append(others, what)
		}
	}
	if len(others) > 0 { // what the provider's own tools found
		d.other("include", canonical.Marshal(others), true)
	}
	return nil
}
