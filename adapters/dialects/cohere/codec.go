package cohere

import (
	"bytes"
	"encoding/json"
	"errors"

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

func readSwitch(path string, value []byte, into **bool) error {
	on := string(value) == "true"
	if !on && string(value) != "false" {
		return adapters.InvalidRequest(path, "%s must be true or false", path)
	}
	*into = &on
	return nil
}

// marshal writes JSON without the escapes that are for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
