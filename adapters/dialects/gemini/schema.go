package gemini

import (
	"encoding/json"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

// schemaFrom makes a JSON schema of Google's own kind of schema: its types are in capitals, null is a flag, and whole numbers may be
// strings. Nothing is taken away, and the properties keep their order. The other way needs no translation: Google takes JSON
// schemas as they are.
func schemaFrom(value []byte) json.RawMessage { return encode(lower(value)) }

func lower(schema []byte) any {
	if schema[0] != '{' {
		return clone(schema)
	}
	o := &object{}
	kind, nullable := "", false
	_ = jsonscan.Members(schema, 0, func(key []byte, start, end int) error { // it was scanned before
		value := schema[start:end]
		switch name := camel(string(key)); name {
		case "type":
			if s, ok := jsonscan.String(value); ok {
				kind = strings.ToLower(s)
				o.set(name, kind)
				return nil
			}
			o.set(name, clone(value))
		case "nullable":
			nullable = string(value) == "true"
		case "items", "additionalProperties", "not":
			o.set(name, lower(value))
		case "anyOf", "oneOf", "allOf", "prefixItems":
			o.set(name, lowerAll(value))
		case "properties", "$defs", "defs", "definitions":
			o.set(name, lowerNamed(value))
		case "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties":
			if s, ok := jsonscan.String(value); ok {
				value = []byte(s)
			}
			if _, ok := jsonscan.Uint(value); ok {
				o.set(name, clone(value))
			}
		default:
			o.set(string(key), clone(value))
		}
		return nil
	})
	if nullable && kind != "" {
		o.set("type", []string{kind, "null"})
		var words []any
		if raw, ok := o.values["enum"].(json.RawMessage); ok && json.Unmarshal(raw, &words) == nil {
			o.set("enum", append(words, nil))
		}
	}
	return o
}

func lowerAll(list []byte) any {
	if list[0] != '[' {
		return clone(list)
	}
	all := []any{}
	_ = jsonscan.Elements(list, 0, func(start, end int) error {
		all = append(all, lower(list[start:end]))
		return nil
	})
	return all
}

func lowerNamed(named []byte) any {
	if named[0] != '{' {
		return clone(named)
	}
	o := &object{}
	_ = jsonscan.Members(named, 0, func(key []byte, start, end int) error {
		o.set(string(key), lower(named[start:end]))
		return nil
	})
	return o
}
