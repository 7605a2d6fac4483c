package cohere

import (
	"encoding/json"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

// DecodeAnswer reads a buffered chat answer: one message, the thoughts first, then texts, the plan and the calls.
func (Dialect) DecodeAnswer(body []byte) (*canonical.Response, error) {
	choice := canonical.Choice{}
	_, _, err := jsonscan.Object(body, func(key []byte, start, end int) error {
		value := body[start:end]
		switch string(key) {
		case "finish_reason":
			native, _ := jsonscan.String(value)
			choice.Finish = finish(native)
		case "message":
			// What an answer has beside its parts is Cohere's own, and nobody asks a client of another dialect to read it.
			m, err := decodeMessage("message", value, func(string, []byte) {})
			choice.Parts = m.Parts
			return err
		case "logprobs":
			choice.Logprobs = decodeLogprobs(value)
		}
		return nil
	})
	if err != nil { // never the client's fault, whatever it is called
		return nil, &adapters.Error{Code: adapters.CodeUpstreamError, Message: "the provider's answer is not one of Cohere's", Cause: err}
	}
	return &canonical.Response{Choices: []canonical.Choice{choice}}, nil
}

// wireLogprob is Cohere's: the tokens of a piece of text.
type wireLogprob struct {
	Text     string        `json:"text"`
	TokenIDs []int         `json:"token_ids"`
	Logprobs []json.Number `json:"logprobs"`
}

// tokenLogprob is OpenAI Chat's, one a token.
type tokenLogprob struct {
	Token   string      `json:"token"`
	Logprob json.Number `json:"logprob"`
	Bytes   []int       `json:"bytes"`
	Top     []struct{}  `json:"top_logprobs"`
}

// decodeLogprobs writes log probabilities as OpenAI Chat does. Where Cohere puts several tokens to one piece of text, the first has
// the text: how it splits is not said.
func decodeLogprobs(value []byte) json.RawMessage {
	var pieces []wireLogprob
	if json.Unmarshal(value, &pieces) != nil || len(pieces) == 0 {
		return nil
	}
	out := struct {
		Content []tokenLogprob `json:"content"`
	}{Content: []tokenLogprob{}}
	for _, p := range pieces {
		for i, n := range p.Logprobs {
			t := tokenLogprob{Logprob: n, Top: []struct{}{}}
			if i == 0 {
				t.Token = p.Text
			}
			out.Content = append(out.Content, t)
		}
	}
	raw, err := marshal(out)
	if err != nil {
		return nil
	}
	return raw
}

// encodeLogprobs writes OpenAI Chat's as Cohere does. The tokens' ids are known to nobody.
func encodeLogprobs(raw json.RawMessage) []wireLogprob {
	var in struct {
		Content []tokenLogprob `json:"content"`
	}
	if json.Unmarshal(raw, &in) != nil {
		return nil
	}
	var out []wireLogprob
	for _, t := range in.Content {
		out = append(out, wireLogprob{Text: t.Token, TokenIDs: []int{}, Logprobs: []json.Number{t.Logprob}})
	}
	return out
}
