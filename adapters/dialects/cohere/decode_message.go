package cohere

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

// messageDecoder reads one message, of a request or of an answer. Its members come in any order and are put together at the end.
type messageDecoder struct {
	path      string
	other     func(path string, value []byte) // for what has no word here
	role      string
	content   []canonical.Part
	plan      *canonical.Part
	calls     []canonical.Part
	callID    string
	citations []json.RawMessage
}

func decodeMessage(path string, value []byte, other func(string, []byte)) (canonical.Message, error) {
	d := messageDecoder{path: path, other: other}
	if err := object(path, value, d.member); err != nil {
		return canonical.Message{}, err
	}
	return d.message()
}

func (d *messageDecoder) member(name string, value []byte) error {
	at := d.path + "." + name
	switch name {
	case "role":
		return readText(at, value, &d.role)
	case "content":
		if value[0] == '"' {
			part := canonical.Part{Kind: canonical.Text, Field: at}
			d.content = append(d.content[:0], part)
			return readText(at, value, &d.content[0].Text)
		}
		if value[0] != '[' {
			return adapters.InvalidRequest(at, "%s must be a string or an array", at)
		}
		return array(at, value, d.part)
	case "tool_plan":
		d.plan = &canonical.Part{Kind: canonical.Text, Field: at}
		return readText(at, value, &d.plan.Text)
	case "tool_calls":
		return array(at, value, d.call)
	case "tool_call_id":
		return readText(at, value, &d.callID)
	case "citations":
		return array(at, value, func(_ int, value []byte) error {
			d.citations = append(d.citations, value)
			return nil
		})
	}
	d.other(at, value)
	return nil
}

func (d *messageDecoder) part(i int, value []byte) error {
	at := d.path + ".content" + index(i)
	p := canonical.Part{Field: at}
	var kind, thought string
	var extra []string
	err := object(at, value, func(name string, value []byte) error {
		at := at + "." + name
		switch name {
		case "type":
			return readText(at, value, &kind)
		case "text":
			return readText(at, value, &p.Text)
		case "thinking":
			return readText(at, value, &thought)
		case "image_url":
			p.Media = &canonical.Media{}
			return d.image(at, value, p.Media)
		case "document":
			p.Media = &canonical.Media{}
			exact, err := readDocument(at, value, p.Media)
			if !exact {
				p.Raw, p.Dialect = value, Name
			}
			return err
		}
		extra = append(extra, name)
		return nil
	})
	if err != nil {
		return err
	}
	switch {
	case kind == "text":
		p.Kind = canonical.Text
	case kind == "thinking":
		p.Kind, p.Thought = canonical.Thinking, &canonical.Thought{Text: thought}
	case kind == "image_url" && p.Media != nil:
		p.Kind = canonical.Image
	case kind == "document" && p.Media != nil:
		p.Kind = canonical.File
	case kind == "":
		return adapters.InvalidRequest(at+".type", "%s.type must be given", at)
	default:
		p, extra = canonical.Part{Kind: canonical.Foreign, Raw: value, Dialect: Name, Field: at}, nil
	}
	for _, name := range extra {
		_ = object(at, value, func(n string, value []byte) error {
			if n == name {
				d.other(at+"."+n, value)
			}
			return nil
		})
	}
	d.content = append(d.content, p)
	return nil
}

func (d *messageDecoder) image(path string, value []byte, m *canonical.Media) error {
	var address string
	err := object(path, value, func(name string, value []byte) error {
		switch name {
		case "url":
			return readText(path+".url", value, &address)
		case "detail":
			return readText(path+".detail", value, &m.Detail)
		}
		d.other(path+"."+name, value)
		return nil
	})
	if data, ok := strings.CutPrefix(address, "data:"); ok {
		if kind, data, ok := strings.Cut(data, ";base64,"); ok {
			m.MIME, m.Data = kind, data
			return err
		}
	}
	m.URL = address
	return err
}

// readDocument reads a document that the model may cite. Its data is an object of any members: a text and a title have words in the
// model, any others stand in the text as they came, and then the document is not exactly what the words say.
func readDocument(path string, value []byte, m *canonical.Media) (exact bool, err error) {
	exact, m.MIME = true, "text/plain"
	if value[0] == '"' {
		return false, readText(path, value, &m.Text)
	}
	err = object(path, value, func(name string, value []byte) error {
		at := path + "." + name
		switch {
		case name == "id":
			return readText(at, value, &m.Filename) // what citations call it
		case name == "data" && value[0] == '"':
			exact = false
			return readText(at, value, &m.Text)
		case name == "data":
			plain := true
			err := object(at, value, func(name string, value []byte) error {
				var ok bool
				switch name {
				case "text":
					m.Text, ok = jsonscan.String(value)
				case "title":
					m.Title, ok = jsonscan.String(value)
				}
				plain = plain && ok
				return nil
			})
			if !plain {
				var b bytes.Buffer
				_ = json.Compact(&b, value) // it has been scanned
				exact, m.Text = false, b.String()
			}
			return err
		}
		exact = false
		return nil
	})
	return exact, err
}

func (d *messageDecoder) call(i int, value []byte) error {
	at := d.path + ".tool_calls" + index(i)
	c := &canonical.Call{}
	err := object(at, value, func(name string, value []byte) error {
		switch name {
		case "id":
			return readText(at+".id", value, &c.ID)
		case "type":
			return nil
		case "function":
			at := at + ".function"
			return object(at, value, func(name string, value []byte) error {
				switch name {
				case "name":
					return readText(at+".name", value, &c.Name)
				case "arguments":
					return readText(at+".arguments", value, &c.Arguments)
				}
				d.other(at+"."+name, value)
				return nil
			})
		}
		d.other(at+"."+name, value)
		return nil
	})
	d.calls = append(d.calls, canonical.Part{Kind: canonical.ToolCall, Call: c, Field: at})
	return err
}

// message puts a message together. The plan is what the model says before it calls: a text, which every other dialect has there.
func (d *messageDecoder) message() (canonical.Message, error) {
	roles := map[string]canonical.Role{
		"system": canonical.System, "user": canonical.User, "assistant": canonical.Assistant, "tool": canonical.ToolRole,
	}
	m := canonical.Message{Role: roles[d.role]}
	if m.Role == "" {
		return m, adapters.InvalidRequest(d.path+".role", "%s.role must be system, user, assistant or tool", d.path)
	}
	d.cite()
	if m.Role == canonical.ToolRole {
		result := &canonical.Result{CallID: d.callID, Parts: d.content}
		m.Parts = []canonical.Part{{Kind: canonical.ToolResult, Result: result, Field: d.path}}
		return m, nil
	}
	m.Parts = d.content
	if d.plan != nil {
		m.Parts = append(m.Parts, *d.plan)
	}
	m.Parts = append(m.Parts, d.calls...)
	// Clients send an empty text beside calls, and others refuse one.
	if len(m.Parts) > 1 {
		kept := m.Parts[:0:0]
		for _, p := range m.Parts {
			if p.Kind != canonical.Text || p.Text != "" {
				kept = append(kept, p)
			}
		}
		m.Parts = kept
	}
	return m, nil
}

// cite gives each text its citations, in Cohere's own writing.
func (d *messageDecoder) cite() {
	of := map[*canonical.Part][]json.RawMessage{}
	for _, c := range d.citations {
		at, plan := uint64(0), false
		_ = object("", c, func(name string, value []byte) error {
			switch name {
			case "content_index":
				at, _ = jsonscan.Uint(value)
			case "type":
				plan = string(value) == `"PLAN"`
			}
			return nil
		})
		switch {
		case plan && d.plan != nil:
			of[d.plan] = append(of[d.plan], c)
		case at < uint64(len(d.content)):
			of[&d.content[at]] = append(of[&d.content[at]], c)
		default:
			d.other(d.path+".citations", rawArray(d.citations))
			return
		}
	}
	for p, citations := range of {
		p.Citations, p.Dialect = rawArray(citations), Name
	}
}
