package gemini

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
)

// The methods that stand behind a model's name in the path.
const (
	generateContent       = "generateContent"
	streamGenerateContent = "streamGenerateContent"
	countTokens           = "countTokens"
	embedContent          = "embedContent"
	batchEmbedContents    = "batchEmbedContents"
)

// address is what a path says: /v1beta/models/{model}:generateContent.
type address struct{ version, model, method string }

// parsePath reads an escaped path. A model may hold colons and slashes: the method is what stands behind the last colon.
func parsePath(path string) (address, bool) {
	version, rest, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/models/")
	colon := strings.LastIndexByte(rest, ':')
	if !ok || colon < 0 || !strings.HasPrefix(version, "v1") || strings.Contains(version, "/") {
		return address{}, false
	}
	a := address{version: version, method: rest[colon+1:]}
	switch a.method {
	case generateContent, streamGenerateContent, countTokens, embedContent, batchEmbedContents:
	default:
		return address{}, false
	}
	var err error
	if a.model, err = url.PathUnescape(rest[:colon]); err != nil {
		return address{}, false
	}
	return a, true
}

// Method returns the method that a request asks for: the one in its path, or where it came in another dialect the one that does
// what it wants.
func Method(req *adapters.RequestContext) string {
	if a, ok := parsePath(req.Path); ok {
		return a.method
	}
	switch {
	case req.Operation == adapters.OperationCountTokens:
		return countTokens
	case req.Operation == adapters.OperationEmbeddings && bytes.HasPrefix(req.Body, batch):
		return batchEmbedContents
	case req.Operation == adapters.OperationEmbeddings:
		return embedContent
	case req.Stream:
		return streamGenerateContent
	}
	return generateContent
}

// Query returns the query of the upstream's request: the client's own, or where the request came in another dialect the wish for
// server-sent events.
func Query(req *adapters.RequestContext) string {
	if _, ok := parsePath(req.Path); ok {
		return req.RawQuery
	}
	if req.Stream {
		return "alt=sse"
	}
	return ""
}

// Path returns the client's path with the model that is sent.
func (Dialect) Path(req *adapters.RequestContext, sentModel string) string {
	version := "v1beta"
	if a, ok := parsePath(req.Path); ok {
		version = a.version
	}
	return "/" + version + "/models/" + url.PathEscape(strings.TrimPrefix(sentModel, "models/")) + ":" + Method(req)
}
