package gemini

import (
	"cmp"
	"encoding/json"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// word is Gemini's for a canonical reason.
func word(reason events.FinishReason) string {
	switch reason {
	case events.FinishStop, events.FinishToolCalls:
		return "STOP"
	case events.FinishLength:
		return "MAX_TOKENS"
	case events.FinishContentFilter, events.FinishRefusal:
		return "SAFETY"
	}
	return "OTHER" // pause, error, other
}

// EncodeAnswer writes the client's answer.
func (Dialect) EncodeAnswer(r *canonical.Response, req *adapters.RequestContext, facts *adapters.ProviderResponse) []byte {
	candidates := make([]any, 0, len(r.Choices))
	for i := range r.Choices {
		c := &r.Choices[i]
		var parts []any
		var grounds json.RawMessage
		for j := range c.Parts {
			if p := answerPart(&c.Parts[j]); p != nil {
				parts = append(parts, p)
			}
			if c.Parts[j].Dialect == Name && c.Parts[j].Citations != nil {
				grounds = c.Parts[j].Citations
			}
		}
		one := candidateOf(c.Index, parts, c.Finish, grounds)
		if l := encodeLogprobs(c.Logprobs); l != nil {
			one.set("logprobsResult", l)
		}
		candidates = append(candidates, one)
	}
	out := &object{}
	out.set("candidates", candidates)
	out.set("usageMetadata", usageOf(facts.Usage))
	identify(out, req, facts)
	return encode(out)
}

// identify says which model answered, and by which id.
func identify(out *object, req *adapters.RequestContext, facts *adapters.ProviderResponse) {
	out.set("modelVersion", cmp.Or(facts.Model, facts.SentModel, req.Model))
	out.set("responseId", cmp.Or(facts.ResponseID, req.ID))
}

func candidateOf(index int, parts []any, reason events.FinishReason, grounds json.RawMessage) *object {
	c := &object{}
	if parts == nil {
		parts = []any{}
	}
	c.at("content.parts", parts)
	c.at("content.role", "model")
	if reason != "" {
		c.set("finishReason", word(reason))
	}
	c.set("index", index)
	if grounds != nil {
		_ = jsonscan.Members(grounds, 0, func(key []byte, start, end int) error { // it was written by this dialect
			c.set(string(key), grounds[start:end])
			return nil
		})
	}
	return c
}

// answerPart writes a part of an answer, or returns nil for what only another dialect can say.
func answerPart(p *canonical.Part) any {
	o := &object{}
	switch p.Kind {
	case canonical.Foreign:
		if p.Dialect != Name {
			return nil
		}
		return p.Raw
	case canonical.Thinking:
		if p.Thought.Text == "" && p.Thought.Signature == "" {
			return nil
		}
		return thoughtPart(p.Thought.Text, p.Thought.Signature)
	case canonical.ToolCall:
		o, _ = callPart(p.Call, p.Signature)
		return o
	case canonical.Image, canonical.Audio, canonical.Video, canonical.File:
		if m := p.Media; m.Data == "" {
			o.at("fileData.mimeType", m.MIME)
			o.at("fileData.fileUri", cmp.Or(m.URL, m.FileID))
		} else {
			o.at("inlineData.mimeType", cmp.Or(m.MIME, fallback[p.Kind]))
			o.at("inlineData.data", m.Data)
		}
	default:
		o.set("text", p.Text)
	}
	sign(o, p.Signature)
	return o
}

// usageOf takes the thoughts out of the output, and leaves all else inclusive, as Gemini counts.
func usageOf(u *events.Usage) *object {
	o := &object{}
	if u == nil {
		return o
	}
	o.set("promptTokenCount", u.InputTokens)
	if u.CacheReadTokens > 0 {
		o.set("cachedContentTokenCount", u.CacheReadTokens)
	}
	o.set("candidatesTokenCount", u.OutputTokens-min(u.ReasoningTokens, u.OutputTokens))
	if u.ReasoningTokens > 0 {
		o.set("thoughtsTokenCount", u.ReasoningTokens)
	}
	o.set("totalTokenCount", sum(u.InputTokens, u.OutputTokens))
	modalities(o, "promptTokensDetails", u.InputAudioTokens, u.InputTokens)
	modalities(o, "candidatesTokensDetails", u.OutputAudioTokens, u.OutputTokens-min(u.ReasoningTokens, u.OutputTokens))
	return o
}

func modalities(o *object, name string, audio, all uint64) {
	if audio == 0 {
		return
	}
	type detail struct {
		Modality string `json:"modality"`
		Tokens   uint64 `json:"tokenCount"`
	}
	o.set(name, []detail{{"TEXT", all - min(audio, all)}, {"AUDIO", audio}})
}
