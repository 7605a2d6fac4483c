package openaichat

import (
	"cmp"
	"encoding/json"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

var _ adapters.EmbeddingsCodec = Dialect{}

// encodingBase64 is what OpenAI's own SDKs ask for unless they are told otherwise.
const encodingBase64 = "base64"

// DecodeEmbeddingsRequest reads a request for embeddings.
func (d Dialect) DecodeEmbeddingsRequest(req *adapters.RequestContext) (*canonical.EmbeddingsRequest, error) {
	r := &canonical.EmbeddingsRequest{}
	_, err := d.embeddingsRequest(req.Body, r)
	return r, err
}

// embeddingsRequest reads a request, and returns how its vectors are to be written.
func (Dialect) embeddingsRequest(body []byte, r *canonical.EmbeddingsRequest) (encoding string, err error) {
	_, _, err = jsonscan.Object(body, func(key []byte, start, end int) (err error) {
		value := json.RawMessage(body[start:end])
		if canonical.Null(value) {
			return nil
		}
		switch name := string(key); name {
		case "model":
		case "input":
			r.Inputs, err = inputs(value)
			return err
		case "dimensions":
			return read(name, value, &r.Dimensions)
		case "user":
			return read(name, value, &r.User)
		case "encoding_format":
			if err := read(name, value, &encoding); err != nil {
				return err
			}
			if encoding != "float" && encoding != encodingBase64 {
				return adapters.InvalidRequest(name, "encoding_format must be float or base64")
			}
		default:
			r.Others = append(r.Others, canonical.Other{Dialect: Name, Name: name, Value: value})
		}
		return nil
	})
	if err == nil && len(r.Inputs) == 0 {
		err = adapters.InvalidRequest("input", "input must be given: a text, or a list of texts")
	}
	return encoding, err
}

// inputs reads one text or a list. Tokens are a model's own: no other model can be given them.
func inputs(value json.RawMessage) ([]string, error) {
	var one string
	if json.Unmarshal(value, &one) == nil {
		return []string{one}, nil
	}
	var list []string
	if json.Unmarshal(value, &list) == nil {
		return list, nil
	}
	return nil, &adapters.Error{
		Code: adapters.CodeUnsupportedFeature, Param: "input",
		Message: "input must be a text or a list of texts where the model's provider speaks another API format: tokens cannot be carried there",
	}
}

type embeddingsBody struct {
	Model      string      `json:"model"`
	Input      []string    `json:"input"`
	Dimensions json.Number `json:"dimensions,omitempty"`
	User       string      `json:"user,omitempty"`
}

// EncodeEmbeddingsRequest writes a request for embeddings. What they are for is a hint: OpenAI's models make the same of a text whatever
// for, and the clients that say it have to.
func (Dialect) EncodeEmbeddingsRequest(r *canonical.EmbeddingsRequest) ([]byte, []canonical.Loss, error) {
	e := &encoder{}
	if r.Task != "" {
		e.lose("task", true)
	}
	if r.Title != "" {
		e.lose("title", false)
	}
	if r.Truncate != "" && r.Truncate != canonical.TruncateNone {
		e.lose("truncate", false)
	}
	for _, o := range r.Others {
		e.lose(o.Name, o.Hint)
	}
	return canonical.Marshal(embeddingsBody{r.Model, r.Inputs, r.Dimensions, r.User}), e.lost, nil
}

type embedding struct {
	Object    string          `json:"object"`
	Index     int             `json:"index"`
	Embedding json.RawMessage `json:"embedding"`
}

// DecodeEmbeddings reads an answer with embeddings.
func (Dialect) DecodeEmbeddings(body []byte) (*canonical.Embeddings, error) {
	var list struct {
		Data []embedding `json:"data"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	r := &canonical.Embeddings{Vectors: make([]json.RawMessage, len(list.Data))}
	for i, e := range list.Data {
		if e.Index < 0 || e.Index >= len(list.Data) || r.Vectors[e.Index] != nil {
			e.Index = i // a provider that does not number them
		}
		r.Vectors[e.Index] = e.Embedding
	}
	return r, nil
}

// EncodeEmbeddings writes an answer with embeddings, as numbers or packed, as the client asked.
func (d Dialect) EncodeEmbeddings(r *canonical.Embeddings, req *adapters.RequestContext, facts *adapters.ProviderResponse) ([]byte, error) {
	encoding, err := d.embeddingsRequest(req.Body, &canonical.EmbeddingsRequest{})
	if err != nil {
		return nil, err
	}
	var out struct {
		Object string      `json:"object"`
		Data   []embedding `json:"data"`
		Model  string      `json:"model"`
		Usage  struct {
			Prompt uint64 `json:"prompt_tokens"`
			Total  uint64 `json:"total_tokens"`
		} `json:"usage"`
	}
	out.Object, out.Model, out.Data = "list", cmp.Or(facts.Model, facts.SentModel), make([]embedding, 0, len(r.Vectors))
	for i, vector := range r.Vectors {
		if encoding == encodingBase64 {
			packed, err := canonical.Base64(vector)
			if err != nil {
				return nil, err
			}
			vector = canonical.Marshal(packed)
		}
		out.Data = append(out.Data, embedding{"embedding", i, vector})
	}
	if u := facts.Usage; u != nil {
		out.Usage.Prompt, out.Usage.Total = u.InputTokens, u.InputTokens+u.OutputTokens
	}
	return canonical.Marshal(out), nil
}
