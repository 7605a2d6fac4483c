package bedrock

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// requestEncoder writes a request, and notes what finds no place.
type requestEncoder struct {
	r         *canonical.Request
	out       fields
	maker     family
	messages  []*wireMessage
	documents map[string]bool // names in use: no two may be the same
	lost      []canonical.Loss
}

func (e *requestEncoder) lose(field string, hint bool) {
	e.lost = append(e.lost, canonical.Loss{Field: field, Hint: hint})
}

func (e *requestEncoder) loseIf(lost bool, field string, hint bool) {
	if lost {
		e.lose(field, hint)
	}
}

// additional is where the makers of models have their own parameters.
func (e *requestEncoder) additional() fields { return e.out.sub("additionalModelRequestFields") }

// EncodeRequest writes a Converse request. Model and stream are the path's.
func (Dialect) EncodeRequest(r *canonical.Request) ([]byte, []canonical.Loss, error) {
	e := requestEncoder{r: r, out: fields{}, maker: familyOf(r.Model), documents: map[string]bool{}}
	e.others()
	e.conversation()
	e.tools()
	e.inference()
	e.reasoning()
	e.format()
	e.absent()
	body, err := marshal(e.out)
	return body, e.lost, err
}

// others writes Bedrock's own members as they came. One that stood deeper than in an object of the top level has no place of its own
// any more.
func (e *requestEncoder) others() {
	for _, o := range e.r.Others {
		outer, inner, nested := strings.Cut(o.Name, ".")
		switch {
		case o.Dialect != Name || strings.ContainsRune(outer, '['):
			e.lose(o.Name, o.Hint)
		case !nested:
			e.out[outer] = o.Value
		case outer == "toolConfig" && strings.ContainsRune(inner, '['):
			e.lose(o.Name, o.Hint)
		default:
			e.out.sub(outer)[inner] = o.Value
		}
	}
}

func (e *requestEncoder) inference() {
	r := e.r
	set := func(name string, n json.Number) {
		if n != "" {
			e.out.sub("inferenceConfig")[name] = n
		}
	}
	set("maxTokens", r.MaxOutputTokens)
	set("topP", r.TopP)
	set("temperature", r.Temperature)
	if len(r.Stop) > 0 {
		e.out.sub("inferenceConfig")["stopSequences"] = r.Stop
	}
	switch {
	case r.TopK == "":
	case e.maker == claude:
		e.additional()["top_k"] = r.TopK
	case e.maker == nova:
		e.additional().sub("inferenceConfig")["topK"] = r.TopK
	default:
		e.lose("top_k", false)
	}
	switch r.ServiceTier {
	case "", "auto":
	case "default", "flex", "priority", "reserved":
		e.out["serviceTier"] = fields{"type": r.ServiceTier}
	default:
		e.lose("service_tier", true)
	}
}

// format asks for JSON by a schema, which Converse takes as a text. It is always held to.
func (e *requestEncoder) format() {
	f := e.r.Format
	if f == nil || f.Kind == canonical.FormatText {
		return
	}
	if f.Kind != canonical.FormatSchema || len(f.Schema) == 0 {
		e.lose("format", false)
		return
	}
	schema := fields{"schema": string(f.Schema)}
	if f.Name != "" {
		schema["name"] = f.Name
	}
	if f.Description != "" {
		schema["description"] = f.Description
	}
	e.loseIf(f.Strict != nil && !*f.Strict, "format.strict", true)
	e.out.sub("outputConfig")["textFormat"] = fields{"type": "json_schema", "structure": fields{"jsonSchema": schema}}
}

// absent names what Converse has no word for.
func (e *requestEncoder) absent() {
	r := e.r
	given := func(n json.Number) bool { return n != "" }
	isOn := func(b *bool) bool { return b != nil && *b }
	e.loseIf(given(r.N) && r.N != "1", "n", false)
	e.loseIf(given(r.MinP), "min_p", false)
	e.loseIf(given(r.FrequencyPenalty), "frequency_penalty", false)
	e.loseIf(given(r.PresencePenalty), "presence_penalty", false)
	e.loseIf(given(r.Seed), "seed", true)
	e.loseIf(isOn(r.Logprobs), "logprobs", false)
	e.loseIf(given(r.TopLogprobs), "top_logprobs", false)
	e.loseIf(r.Verbosity != "", "verbosity", false)
	e.loseIf(slices.ContainsFunc(r.Modalities, func(m string) bool { return m != "text" }), "modalities", false)
	e.loseIf(r.Audio != nil, "audio", false)
	e.loseIf(r.User != "", "user", true)
	e.loseIf(len(r.Metadata) > 0, "metadata", true)
	e.loseIf(r.PromptCacheKey != "", "prompt_cache_key", true)
}
