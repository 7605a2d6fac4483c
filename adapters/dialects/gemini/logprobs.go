package gemini

import "encoding/json"

// logprobs is Gemini's logprobsResult.
type logprobs struct {
	Chosen []logprob `json:"chosenCandidates"`
	Top    []struct {
		Candidates []logprob `json:"candidates"`
	} `json:"topCandidates,omitempty"`
}

type logprob struct {
	Token string      `json:"token"`
	Log   json.Number `json:"logProbability"`
}

// openAILogprobs is the form in which the model keeps them: OpenAI Chat's.
type openAILogprobs struct {
	Content []openAILogprob `json:"content"`
}

type openAILogprob struct {
	Token string          `json:"token"`
	Log   json.Number     `json:"logprob"`
	Bytes []int           `json:"bytes"`
	Top   []openAILogprob `json:"top_logprobs,omitempty"`
}

func toOpenAI(l logprob) openAILogprob {
	bytes := make([]int, 0, len(l.Token))
	for _, b := range []byte(l.Token) {
		bytes = append(bytes, int(b))
	}
	return openAILogprob{Token: l.Token, Log: l.Log, Bytes: bytes}
}

// decodeLogprobs turns Gemini's into OpenAI's; nil where there are none.
func decodeLogprobs(value []byte) json.RawMessage {
	var in logprobs
	if json.Unmarshal(value, &in) != nil || len(in.Chosen) == 0 {
		return nil
	}
	var out openAILogprobs
	for i, chosen := range in.Chosen {
		one := toOpenAI(chosen)
		if i < len(in.Top) {
			for _, top := range in.Top[i].Candidates {
				one.Top = append(one.Top, toOpenAI(top))
			}
		}
		out.Content = append(out.Content, one)
	}
	return encode(out)
}

// encodeLogprobs turns OpenAI's into Gemini's; nil where there are none.
func encodeLogprobs(value json.RawMessage) *logprobs {
	var in openAILogprobs
	if json.Unmarshal(value, &in) != nil || len(in.Content) == 0 {
		return nil
	}
	out := &logprobs{}
	for _, one := range in.Content {
		out.Chosen = append(out.Chosen, logprob{one.Token, one.Log})
		step := struct {
			Candidates []logprob `json:"candidates"`
		}{}
		for _, top := range one.Top {
			step.Candidates = append(step.Candidates, logprob{top.Token, top.Log})
		}
		if len(step.Candidates) > 0 {
			out.Top = append(out.Top, step)
		}
	}
	return out
}
