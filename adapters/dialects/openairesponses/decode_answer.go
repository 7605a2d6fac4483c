package openairesponses

import (
	"encoding/json"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// wireAnswer is what is decoded of a response object.
type wireAnswer struct {
	CreatedAt   json.Number `json:"created_at"`
	ServiceTier string      `json:"service_tier"`
	Status      string      `json:"status"`
	Incomplete  *struct {
		Reason string `json:"reason"`
	} `json:"incomplete_details"`
	Output []json.RawMessage `json:"output"`
}

// created are whole seconds; xAI and others have written fractions.
func (a *wireAnswer) created() int64 {
	seconds, err := a.CreatedAt.Float64()
	if err != nil {
		return 0
	}
	return int64(seconds)
}

// DecodeAnswer reads a whole response. It is one choice: Responses have no other.
func (Dialect) DecodeAnswer(body []byte) (*canonical.Response, error) {
	var a wireAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, err
	}
	choice := canonical.Choice{}
	whole := answer{end: ending{status: a.Status}}
	if a.Incomplete != nil {
		whole.end.reason = a.Incomplete.Reason
	}
	for _, raw := range a.Output {
		if err := whole.item(raw); err != nil {
			return nil, err
		}
		parts, logprobs := decodeOutput(raw)
		choice.Parts = append(choice.Parts, parts...)
		if choice.Logprobs == nil {
			choice.Logprobs = logprobs
		}
	}
	choice.Finish = whole.end.finish()
	return &canonical.Response{Created: a.created(), ServiceTier: a.ServiceTier, Choices: []canonical.Choice{choice}}, nil
}

// decodeOutput reads one item of an answer. What the provider's own tools did is the provider's.
func decodeOutput(raw json.RawMessage) (parts []canonical.Part, logprobs json.RawMessage) {
	foreign := []canonical.Part{{Kind: canonical.Foreign, Dialect: Name, Raw: raw}}
	var kind struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(raw, &kind) != nil || !known(kind.Type) && kind.Type != "image_generation_call" {
		return foreign, nil
	}
	var it item
	if json.Unmarshal(raw, &it) != nil {
		return foreign, nil
	}
	switch it.Type {
	case "message":
		parts, err := decodeContent("", it.Content)
		if err != nil {
			return foreign, nil
		}
		for i := range parts {
			parts[i].Field = ""
		}
		return parts, it.logprobs()
	case "reasoning":
		parts := it.thoughts("")
		for i := range parts {
			sealThought(parts[i].Thought)
		}
		return parts, nil
	case "function_call", "custom_tool_call":
		return []canonical.Part{it.call("")}, nil
	case "image_generation_call":
		if it.Result != "" {
			return []canonical.Part{it.image()}, nil
		}
	}
	return foreign, nil
}

func (it *item) image() canonical.Part {
	mime := "image/png"
	if it.Format != "" {
		mime = "image/" + it.Format
	}
	return canonical.Part{Kind: canonical.Image, Media: &canonical.Media{MIME: mime, Data: it.Result}}
}

// logprobs are those of a message's text, as Chat has them: an object around the same list.
func (it *item) logprobs() json.RawMessage {
	var content []contentPart
	if json.Unmarshal(it.Content, &content) != nil {
		return nil
	}
	for _, c := range content {
		var list []json.RawMessage
		if json.Unmarshal(c.Logprobs, &list) == nil && len(list) > 0 {
			return canonical.Marshal(map[string]json.RawMessage{"content": c.Logprobs})
		}
	}
	return nil
}
