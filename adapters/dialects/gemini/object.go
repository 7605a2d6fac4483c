package gemini

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

// fields visits the members of an object that stands at a path of the request. Google takes each name in camelCase and in
// snake_case; here they are all camelCase. null is an object without members.
func fields(text []byte, at string, visit func(name string, value []byte) error) error {
	if string(text) == "null" {
		return nil
	}
	if len(text) == 0 || text[0] != '{' {
		return adapters.InvalidRequest(at, "%s must be an object", at)
	}
	return jsonscan.Members(text, 0, func(key []byte, start, end int) error {
		value := text[start:end]
		if string(value) == "null" {
			return nil // as if it were not given
		}
		return visit(camel(string(key)), value)
	})
}

// items visits the elements of an array. A lone object stands for an array of one, as Google takes it.
func items(text []byte, at string, visit func(i int, value []byte) error) error {
	if len(text) > 0 && text[0] == '{' {
		return visit(0, text)
	}
	if len(text) == 0 || text[0] != '[' {
		return adapters.InvalidRequest(at, "%s must be an array", at)
	}
	i := 0
	return jsonscan.Elements(text, 0, func(start, end int) error {
		i++
		return visit(i-1, text[start:end])
	})
}

// camel returns a name of Google's in camelCase.
func camel(name string) string {
	if !strings.Contains(name, "_") {
		return name
	}
	var b strings.Builder
	for i, word := range strings.Split(name, "_") {
		if i > 0 && word != "" {
			word = strings.ToUpper(word[:1]) + word[1:]
		}
		b.WriteString(word)
	}
	return b.String()
}

func text(value []byte, at string) (string, error) {
	s, ok := jsonscan.String(value)
	if !ok {
		return "", adapters.InvalidRequest(at, "%s must be a string", at)
	}
	return s, nil
}

// number keeps a number as it was written. Google takes it as a string too.
func number(value []byte, at string) (json.Number, error) {
	var n json.Number
	if err := json.Unmarshal(value, &n); err != nil || n == "" {
		return "", adapters.InvalidRequest(at, "%s must be a number", at)
	}
	return n, nil
}

func boolean(value []byte, at string) (bool, error) {
	switch string(value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, adapters.InvalidRequest(at, "%s must be true or false", at)
}

func texts(value []byte, at string) (list []string, err error) {
	err = items(value, at, func(_ int, one []byte) error {
		s, err := text(one, at)
		list = append(list, s)
		return err
	})
	return list, err
}

// clone copies a value out of the request's body, which is not ours to keep.
func clone(value []byte) json.RawMessage { return bytes.Clone(value) }

// compact copies JSON without its white space.
func compact(value []byte) string {
	var b bytes.Buffer
	if json.Compact(&b, value) != nil {
		return string(value)
	}
	return b.String()
}

// object is a JSON object while it is written: its members stand in the order in which they were set.
type object struct {
	names  []string
	values map[string]any
}

// set sets a member to what json.Marshal takes, or to another *object.
func (o *object) set(name string, value any) {
	if o.values == nil {
		o.values = map[string]any{}
	}
	if _, there := o.values[name]; !there {
		o.names = append(o.names, name)
	}
	o.values[name] = value
}

// child returns the member that is an object itself, and makes it where it is not there.
func (o *object) child(name string) *object {
	c, ok := o.values[name].(*object)
	if !ok {
		c = &object{}
		o.set(name, c)
	}
	return c
}

// at sets the member at a path like generationConfig.mediaResolution.
func (o *object) at(path string, value any) {
	parent, rest, below := strings.Cut(path, ".")
	if !below {
		o.set(path, value)
		return
	}
	o.child(parent).at(rest, value)
}

// MarshalJSON writes the object.
func (o *object) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, name := range o.names {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, encode(name)...), ':')
		out = append(out, encode(o.values[name])...)
	}
	return append(out, '}'), nil
}

// encode writes a value without escaping what only HTML cares about. A value that is no JSON, which only a model can have
// written, becomes null.
func encode(value any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(value) != nil {
		return []byte("null")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
