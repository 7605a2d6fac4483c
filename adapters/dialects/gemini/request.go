package gemini

import (
	"errors"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

// Inspect reads what the gateway must know of a request in one pass over its body. The model and whether the answer is streamed
// stand in the path.
func (Dialect) Inspect(_ adapters.Operation, path string, body []byte) (adapters.Inspection, error) {
	in := adapters.Inspection{}
	at, ok := parsePath(path)
	if !ok {
		return in, adapters.Errorf(adapters.CodeRouteNotFound, "the path is not of the form /v1beta/models/{model}:{method}")
	}
	in.Model, in.Stream = at.model, at.method == streamGenerateContent
	configured := false
	start, end, err := jsonscan.Object(body, func(key []byte, start, end int) error {
		switch string(key) {
		case "generationConfig", "generation_config":
			if configured {
				return adapters.InvalidRequest("generationConfig", "generationConfig is given twice")
			}
			configured = true
			if body[start] == '{' {
				return outputLimit(body[start:end], &in)
			}
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
	return in, nil
}

// outputLimit reads the bound on what the model writes, over all candidates.
func outputLimit(config []byte, in *adapters.Inspection) error {
	limit, candidates := uint64(0), uint64(1)
	err := jsonscan.Members(config, 0, func(key []byte, start, end int) error {
		switch string(key) {
		case "maxOutputTokens", "max_output_tokens":
			limit, _ = jsonscan.Uint(config[start:end])
		case "candidateCount", "candidate_count":
			if n, ok := jsonscan.Uint(config[start:end]); ok {
				candidates = min(max(n, 1), 1<<10)
			}
		}
		return nil
	})
	in.OutputLimit = min(limit, 1<<48) * candidates
	return err
}

// Rewrite returns the client's bytes: the model is not among them.
func (Dialect) Rewrite(_ []byte, req *adapters.RequestContext, _ string) ([]byte, error) {
	return req.Body, nil
}
