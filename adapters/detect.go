package adapters

import (
	"net/http"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

// DetectStream reports whether the client asked for a streamed answer, by each wire format's own convention: the URL
// first (Gemini and Vertex name the method or ask for alt=sse, Bedrock has a path of its own), the body's `stream` only
// where the URL is silent. A body that is not well-formed asks for nothing.
func DetectStream(req *http.Request, body []byte) bool {
	path := req.URL.EscapedPath()
	switch {
	case strings.HasSuffix(path, ":streamGenerateContent"), strings.HasSuffix(path, "/converse-stream"),
		req.URL.Query().Get("alt") == "sse":
		return true
	case strings.HasSuffix(path, ":generateContent"), strings.HasSuffix(path, "/converse"):
		return false
	}
	streamed := false
	_, _, err := jsonscan.Object(body, func(key []byte, start, end int) error {
		if string(key) == "stream" {
			streamed = string(body[start:end]) == "true"
		}
		return nil
	})
	return err == nil && streamed
}
