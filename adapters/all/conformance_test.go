package all

import (
	"cmp"
	"os"
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

// What the providers of each dialect can do.
var (
	ofOpenAI = adaptertest.Features{
		Dialect: openaichat.Dialect{}, BaseURL: "/v1", RequestID: "X-Request-Id", Stream: true, Usage: true, CachedTokens: true,
		Tools: true, Pieces: true, Images: true, Structured: true, Thinking: true, OverloadIn200: true,
	}
	ofAnthropic = adaptertest.Features{
		Dialect: anthropic.Dialect{}, RequestID: "Request-Id", Stream: true, Usage: true, CachedTokens: true,
		Tools: true, Pieces: true, Images: true, Structured: true, Thinking: true, Signatures: true, OverloadIn200: true,
	}
	ofGemini = adaptertest.Features{ // its calls come whole
		Dialect: gemini.Dialect{}, RequestID: "X-Request-Id", Stream: true, Usage: true, CachedTokens: true,
		Tools: true, Images: true, Structured: true, Thinking: true, Signatures: true, OverloadIn200: true,
	}
	ofBedrock = adaptertest.Features{
		Dialect: bedrock.Dialect{}, RequestID: "X-Amzn-Requestid", Options: map[string]string{"region": "us-east-1"},
		Model: "anthropic.claude-sonnet-4-5-20250929-v1:0", Stream: true, Usage: true, CachedTokens: true,
		Tools: true, Pieces: true, Images: true, Structured: true, Thinking: true, Signatures: true, OverloadIn200: true,
	}
	ofResponses = adaptertest.Features{
		Dialect: openairesponses.Dialect{}, BaseURL: "/v1", RequestID: "X-Request-Id", Stream: true, Usage: true, CachedTokens: true,
		Tools: true, Pieces: true, Images: true, Structured: true, Thinking: true, Signatures: true, OverloadIn200: true,
	}
	ofCohere = adaptertest.Features{ // what it has cached is no part of what it bills
		Dialect: cohere.Dialect{}, RequestID: "X-Request-Id", Stream: true, Usage: true,
		Tools: true, Pieces: true, Images: true, Structured: true, Thinking: true, OverloadIn200: true,
	}
)

// features of the providers that do not merely speak OpenAI's format under another name. A provider with several dialects is asked in
// each: the name goes on behind a comma.
var features = map[string]adaptertest.Features{
	"anthropic": ofAnthropic,
	"azure":     with(ofOpenAI, func(f *adaptertest.Features) { f.BaseURL, f.RequestID = "", "Apim-Request-Id" }),
	"bedrock":   ofBedrock,
	"cohere":    ofCohere,
	"gemini":    ofGemini,
	"vertex":    with(ofGemini, func(f *adaptertest.Features) { f.Options = onVertex }),
	"vertex, Claude": with(ofAnthropic, func(f *adaptertest.Features) {
		f.Options, f.Model = onVertex, "claude-sonnet-4-5"
	}),
}

var onVertex = map[string]string{"project": "p-1", "location": "global"}

func with(f adaptertest.Features, change func(*adaptertest.Features)) adaptertest.Features {
	change(&f)
	return f
}

// TestConformance runs the suite over every provider of the set but the demo, which answers by itself.
func TestConformance(t *testing.T) {
	set, err := Set()
	if err != nil {
		t.Fatal(err)
	}
	run := func(name string, p adapters.Provider, f adaptertest.Features) {
		f.Scenarios = os.DirFS("testdata/matrix")
		for _, client := range []adapters.Codec{ofOpenAI.Dialect, ofAnthropic.Dialect, ofGemini.Dialect, ofBedrock.Dialect, ofCohere.Dialect, ofResponses.Dialect} {
			if p.Dialect(client, adapters.OperationChat, cmp.Or(f.Model, "m-1")) == f.Dialect && client != f.Dialect { // the others it speaks itself
				f.Clients = append(f.Clients, client)
			}
		}
		t.Run(name, func(t *testing.T) { adaptertest.Conformance(t, p, f) })
	}
	for _, name := range set.ProviderNames() {
		p := set.Provider(name)
		if _, own := p.(adapters.Transporter); own {
			continue
		}
		f, known := features[name]
		if !known {
			f = ofOpenAI
		}
		run(name, p, f)
		if f, known := features[name+", Claude"]; known {
			run(name+", Claude", p, f)
		}
		if o, ok := p.(adapters.Optional); ok { // what only some servers of a kind speak
			p = o.With(map[string]string{"responses": "true"})
		}
		if own := ofResponses.Dialect; p.Dialect(own, adapters.OperationChat, "m-1") == own {
			run(name+", Responses", p, with(ofResponses, func(r *adaptertest.Features) {
				r.BaseURL, r.RequestID, r.Options = f.BaseURL, f.RequestID, f.Options
			}))
		}
	}
}
