package bedrock

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

var _ adapters.Codec = Dialect{}

// The readers below tell names apart exactly, as Inspect does, and take null for absent. Each error names the field as the client
// wrote it.

func object(path string, text []byte, visit func(name string, value []byte) error) error {
	err := jsonscan.Members(text, 0, func(key []byte, start, end int) error {
		if string(text[start:end]) == "null" {
			return nil
		}
		return visit(string(key), text[start:end])
	})
	if errors.Is(err, jsonscan.ErrNotObject) {
		return adapters.InvalidRequest(path, "%s must be an object", path)
	}
	return err
}

func array(path string, text []byte, visit func(i int, value []byte) error) error {
	if len(text) == 0 || text[0] != '[' {
		return adapters.InvalidRequest(path, "%s must be an array", path)
	}
	i := 0
	return jsonscan.Elements(text, 0, func(start, end int) error {
		i++
		return visit(i-1, text[start:end])
	})
}

func readText(path string, value []byte, into *string) error {
	s, ok := jsonscan.String(value)
	if !ok {
		return adapters.InvalidRequest(path, "%s must be a string", path)
	}
	*into = s
	return nil
}

func readNumber(path string, value []byte, into *json.Number) error {
	if c := value[0]; c != '-' && (c < '0' || c > '9') {
		return adapters.InvalidRequest(path, "%s must be a number", path)
	}
	*into = json.Number(value)
	return nil
}

func readSwitch(path string, value []byte, into *bool) error {
	switch string(value) {
	case "true", "false":
		*into = string(value) == "true"
		return nil
	}
	return adapters.InvalidRequest(path, "%s must be true or false", path)
}

// only reads an object that has one member: what AWS calls a union.
func only(path string, value []byte) (name string, inner []byte, err error) {
	n := 0
	err = object(path, value, func(k string, v []byte) error {
		name, inner = k, v
		n++
		return nil
	})
	if err == nil && n != 1 {
		err = adapters.InvalidRequest(path, "%s must have one member, and has %d", path, n)
	}
	return name, inner, err
}

// members reads an object into a map, where the order means nothing.
func members(path string, value []byte) (map[string]json.RawMessage, error) {
	all := map[string]json.RawMessage{}
	err := object(path, value, func(name string, value []byte) error {
		all[name] = value
		return nil
	})
	return all, err
}

// compact is JSON without spaces: calls are compared and shown by their text.
func compact(raw []byte) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}

// marshal writes JSON without the escapes that are for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// fields is an object that is written: Go sorts its members, so that the same request is always the same bytes.
type fields map[string]any

// sub returns the object that is a member, and makes it where it is not there.
func (f fields) sub(name string) fields {
	switch inner := f[name].(type) {
	case fields:
		return inner
	case json.RawMessage: // a client's own, as it came
		own := fields{}
		if all, err := members("", inner); err == nil {
			for k, v := range all {
				own[k] = v
			}
		}
		f[name] = own
		return own
	}
	own := fields{}
	f[name] = own
	return own
}

// family says who made a model, as far as its id or profile tells: parameters that Converse has no word for are each maker's own.
type family uint8

const (
	unknownFamily family = iota
	claude
	nova
	gptOSS
)

func familyOf(model string) family {
	switch {
	case strings.Contains(model, "anthropic."):
		return claude
	case strings.Contains(model, "amazon.nova"):
		return nova
	case strings.Contains(model, "openai."):
		return gptOSS
	}
	return unknownFamily
}
