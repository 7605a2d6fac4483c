package all

import (
	"testing"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/adaptertest"
	"github.com/tollhouse/tollhouse/adapters/dialects/anthropic"
	"github.com/tollhouse/tollhouse/adapters/dialects/bedrock"
	"github.com/tollhouse/tollhouse/adapters/dialects/cohere"
	"github.com/tollhouse/tollhouse/adapters/dialects/gemini"
	"github.com/tollhouse/tollhouse/adapters/dialects/openaichat"
	"github.com/tollhouse/tollhouse/adapters/dialects/openairesponses"
)

// features of the providers that do not merely speak OpenAI's format under another name.
var features = map[string]adaptertest.Features{
	"anthropic": {Dialect: anthropic.Dialect{}, Stream: true, Usage: true, RequestID: "Request-Id"},
	"bedrock": { // its streams are binary, and tested in its own folder
		Dialect: bedrock.Dialect{}, Usage: true, RequestID: "X-Amzn-Requestid", Options: map[string]string{"region": "us-east-1"},
	},
	"cohere": {Dialect: cohere.Dialect{}, Stream: true, Usage: true, RequestID: "X-Request-Id"},
	"gemini": {Dialect: gemini.Dialect{}, Stream: true, Usage: true, RequestID: "X-Request-Id"},
	"vertex": {
		Dialect: gemini.Dialect{}, Stream: true, Usage: true, RequestID: "X-Request-Id",
		Options: map[string]string{"project": "p-1", "location": "global"},
	},
	"azure": {Dialect: openaichat.Dialect{}, Stream: true, Usage: true, RequestID: "Apim-Request-Id"},
}

// TestConformance runs the suite over every provider of the set but the demo, which answers by itself.
func TestConformance(t *testing.T) {
	set, err := Set()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range set.ProviderNames() {
		f, known := features[name]
		if !known {
			f = adaptertest.Features{Dialect: openaichat.Dialect{}, BaseURL: "/v1", Stream: true, Usage: true, RequestID: "X-Request-Id"}
		}
		p := set.Provider(name)
		if _, own := p.(adapters.Transporter); own {
			continue
		}
		t.Run(name, func(t *testing.T) { adaptertest.Conformance(t, p, f) })
		if o, ok := p.(adapters.Optional); ok { // what only some servers of a kind speak
			p = o.With(map[string]string{"responses": "true"})
		}
		if own := (openairesponses.Dialect{}); p.Dialect(own, adapters.OperationChat, "m-1") == own {
			f.Dialect = own
			t.Run(name+", Responses", func(t *testing.T) { adaptertest.Conformance(t, p, f) })
		}
	}
}
