package openairesponses

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

// storedPath is what stands before the id of a response that is asked for.
const storedPath = "/v1/responses/"

// Inspect reads what the gateway must know of a request in one pass over its body. What asks for a stored response has its id in the
// path, and mostly no body.
func (Dialect) Inspect(op adapters.Operation, path string, body []byte) (adapters.Inspection, error) {
	if op == adapters.OperationStored {
		return inspectStored(path)
	}
	in := adapters.Inspection{Keeps: true}
	var seen members
	start, end, err := jsonscan.Object(body, func(key []byte, start, end int) error {
		name, value := string(key), body[start:end]
		if !seen.note(name) {
			return adapters.InvalidRequest(name, "%s is given twice", name)
		}
		if name == "model" {
			in.ModelSpan = adapters.Span{Start: start, End: end}
		}
		if string(value) == "null" {
			return nil
		}
		return inspectMember(&in, name, value)
	})
	if err != nil {
		return in, asInvalid(err)
	}
	in.ObjectSpan = adapters.Span{Start: start, End: end}
	return in, nil
}

func inspectMember(in *adapters.Inspection, name string, value []byte) error {
	var ok bool
	switch name {
	case "model":
		if in.Model, ok = jsonscan.String(value); !ok {
			return adapters.InvalidRequest(name, "model must be a string")
		}
	case "stream":
		if in.Stream, ok = boolean(value); !ok {
			return adapters.InvalidRequest(name, "stream must be true or false")
		}
	case "store":
		if in.Keeps, ok = boolean(value); !ok {
			return adapters.InvalidRequest(name, "store must be true or false")
		}
	case "previous_response_id":
		if in.PreviousResponse, ok = jsonscan.String(value); !ok {
			return adapters.InvalidRequest(name, "previous_response_id must be a string")
		}
	case "max_output_tokens":
		in.OutputLimit, _ = jsonscan.Uint(value)
	}
	return nil
}

// maxID bounds the id of a response.
const maxID = 256

// inspectStored takes the id from the path. Ids are letters, digits and a few signs: nothing in one is ever escaped, or leads elsewhere.
func inspectStored(path string) (adapters.Inspection, error) {
	id, _, _ := strings.Cut(strings.TrimPrefix(path, storedPath), "/")
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_-:", r)
	}
	if id == "" || len(id) > maxID || strings.ContainsFunc(id, odd) {
		e := adapters.InvalidRequest("response_id", "there is no response of that id")
		e.Status = http.StatusNotFound
		return adapters.Inspection{}, e
	}
	return adapters.Inspection{PreviousResponse: id}, nil
}

// members tells which of the members that we read have been seen; the rest may stand as often as it likes.
type members uint8

func (m *members) note(name string) bool {
	for i, known := range [...]string{"model", "stream", "store", "previous_response_id", "max_output_tokens"} {
		if name == known {
			bit := members(1) << i
			fresh := *m&bit == 0
			*m |= bit
			return fresh
		}
	}
	return true
}

func boolean(value []byte) (v, ok bool) {
	v = string(value) == "true"
	return v, v || string(value) == "false"
}

func asInvalid(err error) error {
	var e *adapters.Error
	if errors.As(err, &e) {
		return e
	}
	return adapters.InvalidRequest("", "the request body is %v", err)
}

// Rewrite returns the client's bytes but for the model. Streams carry their usage unasked. What asks for a stored response has no body.
func (Dialect) Rewrite(dst []byte, req *adapters.RequestContext, sentModel string) ([]byte, error) {
	switch {
	case req.Operation == adapters.OperationStored:
		return dst, nil
	case req.Model == sentModel:
		return req.Body, nil
	}
	quoted, err := json.Marshal(sentModel)
	if err != nil {
		return nil, err
	}
	if span := req.ModelSpan; !span.Empty() {
		dst = append(append(dst, req.Body[:span.Start]...), quoted...)
		return append(dst, req.Body[span.End:]...), nil
	}
	open := req.ObjectSpan.Start + 1
	rest := bytes.TrimLeft(req.Body[open:], " \t\r\n")
	dst = append(append(dst, req.Body[:open]...), `"model":`...)
	if dst = append(dst, quoted...); rest[0] != '}' {
		dst = append(dst, ',')
	}
	return append(dst, rest...), nil
}
