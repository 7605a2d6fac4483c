package bedrock

import (
	"errors"
	"net/url"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

// What is asked of a model: the last segment of the path.
const (
	converse       = "converse"
	converseStream = "converse-stream"
	countTokens    = "count-tokens"
)

// splitPath reads /model/{id}/{action}. The id is a model's, an inference profile's or an ARN, which may have slashes; SDKs escape
// it whole, and by hand it is often written as it is.
func splitPath(path string) (model, action string, err error) {
	rest, ok := strings.CutPrefix(path, "/model/")
	slash := strings.LastIndexByte(rest, '/')
	if !ok || slash < 0 {
		return "", "", adapters.Errorf(adapters.CodeRouteNotFound, "there is no route %s", path)
	}
	if model, err = url.PathUnescape(rest[:slash]); err != nil || model == "" {
		return "", "", adapters.InvalidRequest("modelId", "the model in the path is not well escaped")
	}
	return model, rest[slash+1:], nil
}

// Inspect reads the model and the wish for a stream from the path, and from the body only whether it is well formed and how much
// may be written.
func (Dialect) Inspect(_ adapters.Operation, path string, body []byte) (adapters.Inspection, error) {
	in := adapters.Inspection{}
	model, action, err := splitPath(path)
	if err != nil {
		return in, err
	}
	in.Model, in.Stream = model, action == converseStream
	seen := false
	start, end, err := jsonscan.Object(body, func(key []byte, start, end int) error {
		if string(key) != "inferenceConfig" {
			return nil
		}
		if seen {
			return adapters.InvalidRequest("inferenceConfig", "inferenceConfig is given twice")
		}
		seen = true
		in.OutputLimit, err = outputLimit(body[start:end])
		return err
	})
	if err != nil {
		var e *adapters.Error
		if errors.As(err, &e) {
			return in, e
		}
		return in, adapters.InvalidRequest("", "the request body is %v", err)
	}
	in.ObjectSpan = adapters.Span{Start: start, End: end}
	return in, nil
}

func outputLimit(config []byte) (limit uint64, err error) {
	if config[0] != '{' {
		return 0, nil // the provider refuses it in its own words
	}
	seen := false
	err = jsonscan.Members(config, 0, func(key []byte, start, end int) error {
		if string(key) != "maxTokens" {
			return nil
		}
		if seen {
			return adapters.InvalidRequest("inferenceConfig.maxTokens", "inferenceConfig.maxTokens is given twice")
		}
		seen = true
		limit, _ = jsonscan.Uint(config[start:end])
		return nil
	})
	return limit, err
}

// Rewrite returns the client's body: neither the model nor the stream stands in it.
func (Dialect) Rewrite(_ []byte, req *adapters.RequestContext, _ string) ([]byte, error) {
	return req.Body, nil
}

// Path asks the model that is sent for what the client asked. Of a client that speaks another dialect, operation and stream say
// what that is.
func (Dialect) Path(req *adapters.RequestContext, sentModel string) string {
	action := converse
	switch {
	case req.Operation == adapters.OperationCountTokens:
		action = countTokens
	case req.Stream:
		action = converseStream
	}
	return "/model/" + escape(sentModel) + "/" + action
}

// escape escapes a path's segment as AWS does: all but what RFC 3986 calls unreserved.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}
