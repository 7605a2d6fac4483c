package cohere

import (
	"cmp"
	"encoding/json"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

var _ adapters.EmbeddingsCodec = Dialect{}

// tasks are Cohere's words for what vectors are for.
var tasks = map[canonical.Task]string{
	canonical.TaskQuery: "search_query", canonical.TaskDocument: "search_document",
	canonical.TaskClassification: "classification", canonical.TaskClustering: "clustering",
}

// DecodeEmbeddingsRequest reads the body of embed. Vectors of numbers are asked for in every format: other types are lost by name, as are
// images.
func (Dialect) DecodeEmbeddingsRequest(req *adapters.RequestContext) (*canonical.EmbeddingsRequest, error) {
	r := &canonical.EmbeddingsRequest{}
	_, _, err := jsonscan.Object(req.Body, func(key []byte, start, end int) error {
		value := json.RawMessage(req.Body[start:end])
		if canonical.Null(value) {
			return nil
		}
		name := string(key)
		take := func(into any) error {
			if json.Unmarshal(value, into) != nil {
				return adapters.InvalidRequest(name, "%s has the wrong type", name)
			}
			return nil
		}
		switch name {
		case "model":
		case "texts":
			return take(&r.Inputs)
		case "output_dimension":
			return take(&r.Dimensions)
		case "input_type":
			var word string
			if err := take(&word); err != nil {
				return err
			}
			r.Task = taskOf(word)
		case "truncate":
			var word string
			if err := take(&word); err != nil {
				return err
			}
			r.Truncate = canonical.Truncate(strings.ToLower(word))
		case "embedding_types":
			var types []string
			if err := take(&types); err != nil {
				return err
			}
			if len(types) != 1 || types[0] != "float" {
				r.Others = append(r.Others, canonical.Other{Dialect: Name, Name: name, Value: value})
			}
		default: // images, inputs, max_tokens, priority
			r.Others = append(r.Others, canonical.Other{Dialect: Name, Name: name, Value: value, Hint: name == "priority"})
		}
		return nil
	})
	if err == nil && len(r.Inputs) == 0 && len(r.Others) == 0 {
		err = adapters.InvalidRequest("texts", "texts must be given")
	}
	return r, err
}

func taskOf(word string) canonical.Task {
	for task, own := range tasks {
		if own == word {
			return task
		}
	}
	return canonical.Task(word)
}

type wireEmbed struct {
	Model     string      `json:"model"`
	InputType string      `json:"input_type"`
	Texts     []string    `json:"texts"`
	Types     []string    `json:"embedding_types"`
	Dimension json.Number `json:"output_dimension,omitempty"`
	Truncate  string      `json:"truncate,omitempty"`
}

// EncodeEmbeddingsRequest writes the body of embed. Cohere wants to know what vectors are for: where the client has no word for that,
// they are of documents.
func (Dialect) EncodeEmbeddingsRequest(r *canonical.EmbeddingsRequest) ([]byte, []canonical.Loss, error) {
	e := requestEncoder{}
	task := tasks[cmp.Or(r.Task, canonical.TaskDocument)]
	e.loseIf(task == "", "task", false)
	e.loseIf(r.Title != "", "title", false)
	e.loseIf(r.User != "", "user", true)
	for _, o := range r.Others {
		e.lose(o.Name, o.Hint)
	}
	return canonical.Marshal(wireEmbed{
		Model: r.Model, InputType: cmp.Or(task, tasks[canonical.TaskDocument]), Texts: r.Inputs, Types: []string{"float"}, Dimension: r.Dimensions,
		Truncate: strings.ToUpper(string(r.Truncate)),
	}), e.lost, nil
}

// DecodeEmbeddings reads the answer of embed.
func (Dialect) DecodeEmbeddings(body []byte) (*canonical.Embeddings, error) {
	var answer struct {
		Embeddings struct {
			Float []json.RawMessage `json:"float"`
		} `json:"embeddings"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	return &canonical.Embeddings{Vectors: answer.Embeddings.Float}, nil
}

// EncodeEmbeddings writes the answer of embed, which repeats the texts.
func (d Dialect) EncodeEmbeddings(r *canonical.Embeddings, req *adapters.RequestContext, facts *adapters.ProviderResponse) ([]byte, error) {
	asked, err := d.DecodeEmbeddingsRequest(req)
	if err != nil {
		return nil, err
	}
	type object = map[string]any
	meta := object{"api_version": object{"version": "2"}}
	if u := facts.Usage; u != nil {
		meta["billed_units"] = object{"input_tokens": u.InputTokens}
	}
	return canonical.Marshal(object{
		"id": cmp.Or(facts.ResponseID, req.ID), "embeddings": object{"float": append([]json.RawMessage{}, r.Vectors...)}, "texts": asked.Inputs,
		"meta": meta, "response_type": "embeddings_by_type",
	}), nil
}
