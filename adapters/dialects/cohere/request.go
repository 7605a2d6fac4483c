package cohere

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

// watched are the members that the gateway reads or edits: given twice, two readers could read two things.
var watched = []string{"model", "stream", "max_tokens"}

// Inspect reads what the gateway must know of a request in one pass over its body.
func (Dialect) Inspect(op adapters.Operation, _ string, body []byte) (adapters.Inspection, error) {
	in := adapters.Inspection{}
	var seen [3]bool
	start, end, err := jsonscan.Object(body, func(key []byte, start, end int) error {
		i := slices.Index(watched, string(key))
		if i < 0 {
			return nil
		}
		name, value := watched[i], body[start:end]
		if seen[i] {
			return adapters.InvalidRequest(name, "%s is given twice", name)
		}
		seen[i] = true
		switch name {
		case "model":
			in.ModelSpan = adapters.Span{Start: start, End: end}
			if string(value) == "null" {
				return nil
			}
			var ok bool
			if in.Model, ok = jsonscan.String(value); !ok {
				return adapters.InvalidRequest(name, "model must be a string")
			}
		case "stream":
			switch string(value) {
			case "true":
				in.Stream = true
			case "false", "null":
			default:
				return adapters.InvalidRequest(name, "stream must be true or false")
			}
		case "max_tokens":
			in.OutputLimit, _ = jsonscan.Uint(value)
		}
		return nil
	})
	if err != nil {
		var e *adapters.Error
		if errors.As(err, &e) {
			return in, e
		}
		return in, adapters.InvalidRequest("", "the request body is %v", err)
	}
	in.ObjectSpan = adapters.Span{Start: start, End: end}
	if op != adapters.OperationChat {
		in.Stream, in.OutputLimit = false, 0 // embed's max_tokens bounds its input
	}
	return in, nil
}

// Rewrite returns the client's bytes but for the model.
func (Dialect) Rewrite(dst []byte, req *adapters.RequestContext, sentModel string) ([]byte, error) {
	if req.Model == sentModel {
		return req.Body, nil
	}
	quoted, err := json.Marshal(sentModel)
	if err != nil {
		return nil, err
	}
	if !req.ModelSpan.Empty() {
		dst = append(append(dst, req.Body[:req.ModelSpan.Start]...), quoted...)
		return append(dst, req.Body[req.ModelSpan.End:]...), nil
	}
	// No model was given: it goes first, so that what follows needs no look at how the object ends.
	open := req.ObjectSpan.Start + 1
	dst = append(append(append(dst, req.Body[:open]...), `"model":`...), quoted...)
	for i := open; ; i++ {
		switch req.Body[i] {
		case ' ', '\n', '\r', '\t':
			continue
		case '}':
			return append(dst, req.Body[open:]...), nil
		}
		return append(append(dst, ','), req.Body[open:]...), nil
	}
}
