// Package canonical is the model between dialects: what real requests and answers carry, in one set of words. A dialect decodes
// into it and encodes from it, so that N dialects need N pairs, and no pair of dialects knows of the other.
//
// It is for translation only. Where client and provider speak the same dialect, bytes pass through and nothing is decoded.
// Token counts are not in it: usage, model, id and finish reason are facts, read from the provider's own bytes once
// (adapters.ProviderResponse), and an encoder takes them from there.
package canonical

import "encoding/json"

// Request is one chat request.
//
// Numbers are kept as the client wrote them; an empty json.Number, string or slice and a nil pointer stand for a member that was
// not given.
type Request struct {
	Model  string // as it goes upstream
	Stream bool

	// Messages stand in the client's order, with system and developer messages in their places. Consecutive messages may have the
	// same role: an encoder merges or splits as its dialect demands.
	Messages []Message

	Tools      []Tool
	ToolChoice *ToolChoice
	// ParallelTools is whether the model may call several tools at once.
	ParallelTools *bool

	Format *Format // of the answer's text

	MaxOutputTokens  json.Number
	Temperature      json.Number
	TopP             json.Number
	TopK             json.Number
	MinP             json.Number
	FrequencyPenalty json.Number
	PresencePenalty  json.Number
	Seed             json.Number
	Stop             []string
	N                json.Number // how many choices
	Logprobs         *bool
	TopLogprobs      json.Number

	Reasoning   *Reasoning
	Verbosity   string   // low, medium, high
	Modalities  []string // of the answer: text, audio, image
	Audio       *AudioOutput
	ServiceTier string // auto, default, flex, priority, as the client wrote it

	// Hints: they change nothing in the answer.
	User           string // the end user, as an opaque id
	Metadata       map[string]string
	PromptCacheKey string

	// Others are members that have no word here. A dialect that knows one (by its own name, or a sibling's with the same meaning)
	// encodes it; for any other it is a loss, by name.
	Others []Other
}

// OneCall reports whether the client wants one call at a time, and whether the model must call and has only one tool to call: then
// models make one call anyway, and the wish is a hint.
func (r *Request) OneCall() (asked, hint bool) {
	asked = r.ParallelTools != nil && !*r.ParallelTools
	if c := r.ToolChoice; c != nil {
		hint = c.Mode == ToolNamed || c.Mode == ToolRequired && (len(c.Only) == 1 || len(r.Tools) == 1)
	}
	return asked, hint
}

// Other is a member of a request that the model has no word for.
type Other struct {
	Dialect string // whose member it is
	Name    string // the path of it in the client's body: logit_bias, generationConfig.mediaResolution
	Value   json.RawMessage
	Hint    bool // it changes nothing in the answer
}

// Reasoning is how much the model thinks, and how much of it is shown.
type Reasoning struct {
	Effort  string      // none, minimal, low, medium, high, xhigh
	Budget  json.Number // in tokens; −1: the model decides
	Enabled *bool       // where the dialect has a switch
	Show    string      // auto, concise, detailed, omitted: whether thoughts or a summary come with the answer
	// Encrypted is whether the client wants thoughts that it can hand back but not read.
	Encrypted bool
}

// Format is what the answer's text must be.
type Format struct {
	Kind        FormatKind
	Name        string
	Description string
	Schema      json.RawMessage // the whole JSON schema, as it came
	Strict      *bool
}

// FormatKind is a kind of answer.
type FormatKind string

// Kinds of answers.
const (
	FormatText   FormatKind = "text"
	FormatJSON   FormatKind = "json"        // any JSON
	FormatSchema FormatKind = "json_schema" // JSON by Schema
)

// AudioOutput is how a spoken answer sounds.
type AudioOutput struct {
	Voice  string
	Format string // wav, mp3, flac, opus, pcm16
}

// Loss is something of a request that the target has no place for.
type Loss struct {
	Field string // its path in words of the client's body where they are known, else of this model: messages[2].content[0].image_url
	Hint  bool   // it changes nothing in the answer: dropped, and named, in strict translation too
}
