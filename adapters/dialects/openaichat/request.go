package openaichat

import (
	"encoding/json"
	"errors"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

// Inspect reads what the gateway must know of a request in one pass over its body.
func (Dialect) Inspect(op adapters.Operation, _ string, body []byte) (adapters.Inspection, error) {
	in := adapters.Inspection{}
	limit, choices := uint64(0), uint64(1)
	var seen members
	start, end, err := jsonscan.Object(body, func(key []byte, start, end int) error {
		name, value := string(key), body[start:end]
		if !seen.note(name) {
			return adapters.InvalidRequest(name, "%s is given twice", name)
		}
		var ok bool
		switch name {
		case "model":
			in.ModelSpan = adapters.Span{Start: start, End: end}
			if string(value) == "null" {
				return nil
			}
			if in.Model, ok = jsonscan.String(value); !ok {
				return adapters.InvalidRequest(name, "model must be a string")
			}
		case "stream":
			if in.Stream, ok = boolean(value); !ok {
				return adapters.InvalidRequest(name, "stream must be true or false")
			}
		case "stream_options":
			return streamOptions(&in, body, start, end)
		case "max_tokens", "max_completion_tokens":
			if n, ok := jsonscan.Uint(value); ok {
				limit = max(limit, n)
			}
		case "n":
			if n, ok := jsonscan.Uint(value); ok && n > 0 && n <= 1024 {
				choices = n
			}
		}
		return nil
	})
	if err != nil {
		return in, asInvalid(err)
	}
	in.ObjectSpan = adapters.Span{Start: start, End: end}
	in.OutputLimit = limit * choices
	if op != adapters.OperationChat {
		in.Stream, in.OutputLimit = false, 0
	}
	return in, nil
}

// members tells which of the members that we read have been seen; the rest may stand as often as it likes.
type members uint8

func (m *members) note(name string) bool {
	for i, known := range [...]string{"model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n"} {
		if name == known {
			bit := members(1) << i
			fresh := *m&bit == 0
			*m |= bit
			return fresh
		}
	}
	return true
}

func streamOptions(in *adapters.Inspection, body []byte, start, end int) error {
	in.StreamOptionSpan = adapters.Span{Start: start, End: end}
	if string(body[start:end]) == "null" {
		return nil
	}
	twice := false
	err := jsonscan.Members(body, start, func(key []byte, start, end int) error {
		if string(key) != "include_usage" {
			return nil
		}
		if twice {
			return adapters.InvalidRequest("stream_options.include_usage", "stream_options.include_usage is given twice")
		}
		twice = true
		var ok bool
		in.IncludeUsageSpan = adapters.Span{Start: start, End: end}
		if in.IncludeUsage, ok = boolean(body[start:end]); !ok {
			return adapters.InvalidRequest("stream_options.include_usage", "stream_options.include_usage must be true or false")
		}
		return nil
	})
	if errors.Is(err, jsonscan.ErrNotObject) {
		return adapters.InvalidRequest("stream_options", "stream_options must be an object")
	}
	return err
}

// boolean reads true, false, or null for false.
func boolean(value []byte) (v, ok bool) {
	switch string(value) {
	case "true":
		return true, true
	case "false", "null":
		return false, true
	}
	return false, false
}

func asInvalid(err error) error {
	var e *adapters.Error
	if errors.As(err, &e) {
		return e
	}
	return adapters.InvalidRequest("", "the request body is %v", err)
}

// Rewrite returns the client's bytes but for the model and, in a stream, the wish for usage.
func (Dialect) Rewrite(dst []byte, req *adapters.RequestContext, sentModel string) ([]byte, error) {
	e := edit{body: req.Body, dst: dst}
	asksUsage := req.Operation == adapters.OperationChat && req.Stream && !req.IncludeUsage
	if req.Model == sentModel && !asksUsage {
		return req.Body, nil
	}
	// The two edits stand in either order in the body; each is done when its place comes.
	first, second := e.model, func(*adapters.RequestContext, string) {}
	if asksUsage {
		second = e.usage
		if !req.StreamOptionSpan.Empty() && (req.ModelSpan.Empty() || req.StreamOptionSpan.Start < req.ModelSpan.Start) {
			first, second = second, first
		}
	}
	if req.Model == sentModel {
		e.usage(req, sentModel)
	} else {
		first(req, sentModel)
		second(req, sentModel)
	}
	return append(e.dst, req.Body[e.at:]...), nil
}

// edit copies a body and replaces spans of it on the way.
type edit struct {
	body, dst []byte
	at        int // how far the body is copied
}

func (e *edit) replace(span adapters.Span, with ...string) {
	e.dst = append(e.dst, e.body[e.at:span.Start]...)
	for _, w := range with {
		e.dst = append(e.dst, w...)
	}
	e.at = span.End
}

// insert adds a member at the end of the object.
func (e *edit) insert(object adapters.Span, member string) {
	at := object.End - 1
	last := at - 1
	for last > object.Start && (e.body[last] == ' ' || e.body[last] == '\n' || e.body[last] == '\r' || e.body[last] == '\t') {
		last--
	}
	comma := ","
	if last == object.Start && len(e.dst) == 0 {
		comma = "" // an empty object
	}
	e.replace(adapters.Span{Start: at, End: at}, comma, member)
}

func (e *edit) model(req *adapters.RequestContext, sentModel string) {
	quoted, _ := json.Marshal(sentModel)
	if req.ModelSpan.Empty() {
		e.insert(req.ObjectSpan, `"model":`+string(quoted))
		return
	}
	e.replace(req.ModelSpan, string(quoted))
}

func (e *edit) usage(req *adapters.RequestContext, _ string) {
	span := req.StreamOptionSpan
	switch {
	case span.Empty():
		e.insert(req.ObjectSpan, `"stream_options":{"include_usage":true}`)
	case !req.IncludeUsageSpan.Empty():
		e.replace(req.IncludeUsageSpan, "true")
	case string(req.Body[span.Start:span.End]) == "null":
		e.replace(span, `{"include_usage":true}`)
	default: // an object without the member
		after := adapters.Span{Start: span.Start + 1, End: span.Start + 1}
		for i := after.Start; ; i++ {
			switch req.Body[i] {
			case ' ', '\n', '\r', '\t':
				continue
			case '}':
				e.replace(after, `"include_usage":true`)
			default:
				e.replace(after, `"include_usage":true,`)
			}
			return
		}
	}
}
