package gemini

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
)

var _ adapters.EmbeddingsCodec = Dialect{}

// batch is how the body of batchEmbedContents begins, as it is written here.
var batch = []byte(`{"requests":`)

// tasks are Google's words for what vectors are for.
var tasks = map[canonical.Task]string{
	canonical.TaskQuery: "RETRIEVAL_QUERY", canonical.TaskDocument: "RETRIEVAL_DOCUMENT",
	canonical.TaskClassification: "CLASSIFICATION", canonical.TaskClustering: "CLUSTERING",
}

// DecodeEmbeddingsRequest reads the body of embedContent, or of batchEmbedContents, whose requests must be alike: no other format has
// several kinds in one.
func (Dialect) DecodeEmbeddingsRequest(req *adapters.RequestContext) (*canonical.EmbeddingsRequest, error) {
	at, _ := parsePath(req.Path)
	if at.method != batchEmbedContents {
		return embedRequest("", req.Body[req.ObjectSpan.Start:req.ObjectSpan.End])
	}
	r, asked := &canonical.EmbeddingsRequest{}, 0
	err := fields(req.Body[req.ObjectSpan.Start:req.ObjectSpan.End], "", func(name string, value []byte) error {
		switch name {
		case "model":
		case "requests":
			return items(value, name, func(i int, value []byte) error {
				field := fmt.Sprintf("requests[%d].", i)
				one, err := embedRequest(field, value)
				if err != nil {
					return err
				}
				if asked++; i == 0 {
					*r = *one
					return nil
				}
				r.Inputs = append(r.Inputs, one.Inputs...)
				r.Others = append(r.Others, one.Others...)
				return alike(field, r, one)
			})
		default:
			r.Others = append(r.Others, canonical.Other{Dialect: Name, Name: name})
		}
		return nil
	})
	if err == nil && asked == 0 {
		err = adapters.InvalidRequest("requests", "requests must hold at least one")
	}
	return r, err
}

// alike reports, by name, where a request of a batch wants something else than the first.
func alike(field string, first, r *canonical.EmbeddingsRequest) error {
	for _, same := range []struct {
		name string
		ok   bool
	}{
		{"taskType", r.Task == first.Task},
		{"title", r.Title == first.Title},
		{"outputDimensionality", r.Dimensions == first.Dimensions},
	} {
		if !same.ok {
			return cannotCarry(field+same.name, "must be the same in all requests where the model's provider speaks another API format")
		}
	}
	return nil
}

func cannotCarry(field, why string) error {
	return &adapters.Error{Code: adapters.CodeUnsupportedFeature, Param: field, Message: field + " " + why}
}

// embedRequest reads one request, whose fields stand behind the given path.
func embedRequest(at string, body []byte) (*canonical.EmbeddingsRequest, error) {
	r := &canonical.EmbeddingsRequest{}
	err := fields(body, strings.TrimSuffix(at, "."), func(name string, value []byte) (err error) {
		switch at := at + name; name {
		case "model":
		case "content":
			r.Inputs, err = words(value, at)
		case "taskType":
			var word string
			word, err = text(value, at)
			r.Task = taskOf(word)
		case "title":
			r.Title, err = text(value, at)
		case "outputDimensionality":
			r.Dimensions, err = number(value, at)
		default:
			r.Others = append(r.Others, canonical.Other{Dialect: Name, Name: at})
		}
		return err
	})
	if err == nil && len(r.Inputs) == 0 {
		err = adapters.InvalidRequest(at+"content", "%scontent must be given", at)
	}
	return r, err
}

// words reads a content, which elsewhere can be a text only.
func words(content []byte, at string) (all []string, err error) {
	err = fields(content, at, func(name string, value []byte) error {
		if name != "parts" {
			return nil // the role
		}
		return items(value, at+".parts", func(i int, value []byte) error {
			field := fmt.Sprintf("%s.parts[%d]", at, i)
			return fields(value, field, func(name string, value []byte) error {
				if name != "text" || len(all) > 0 {
					return cannotCarry(field, "cannot be carried to this model's provider, which takes one text for a vector")
				}
				s, err := text(value, field)
				all = append(all, s)
				return err
			})
		})
	})
	return all, err
}

func taskOf(word string) canonical.Task {
	for task, own := range tasks {
		if own == word {
			return task
		}
	}
	if word == "TASK_TYPE_UNSPECIFIED" {
		return ""
	}
	return canonical.Task(word)
}

// EncodeEmbeddingsRequest writes embedContent's body for one text, and batchEmbedContents' for several.
func (Dialect) EncodeEmbeddingsRequest(r *canonical.EmbeddingsRequest) ([]byte, []canonical.Loss, error) {
	e := encoder{}
	task := tasks[r.Task]
	e.loseIf(r.Task != "" && task == "", "task", false)
	e.loseIf(r.Truncate != "" && r.Truncate != canonical.TruncateEnd, "truncate", false) // it cuts the end off, unasked
	e.loseIf(r.User != "", "user", true)
	for _, o := range r.Others {
		e.lose(o.Name, o.Hint)
	}
	one := func(input string) *object {
		o := &object{}
		o.set("model", "models/"+strings.TrimPrefix(r.Model, "models/"))
		part := &object{}
		part.set("text", input)
		o.child("content").set("parts", []any{part})
		if task != "" {
			o.set("taskType", task)
		}
		if r.Title != "" {
			o.set("title", r.Title)
		}
		if r.Dimensions != "" {
			o.set("outputDimensionality", r.Dimensions)
		}
		return o
	}
	if len(r.Inputs) == 1 {
		return encode(one(r.Inputs[0])), e.lost, nil
	}
	var all []any
	for _, input := range r.Inputs {
		all = append(all, one(input))
	}
	o := &object{}
	o.set("requests", all)
	return encode(o), e.lost, nil
}

type embedding struct {
	Values json.RawMessage `json:"values"`
}

// DecodeEmbeddings reads the answer of either method.
func (Dialect) DecodeEmbeddings(body []byte) (*canonical.Embeddings, error) {
	var answer struct {
		One *embedding  `json:"embedding"`
		All []embedding `json:"embeddings"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	if answer.One != nil {
		answer.All = append(answer.All, *answer.One)
	}
	r := &canonical.Embeddings{}
	for _, e := range answer.All {
		r.Vectors = append(r.Vectors, e.Values)
	}
	return r, nil
}

// EncodeEmbeddings writes the answer of the method that was asked for.
func (Dialect) EncodeEmbeddings(r *canonical.Embeddings, req *adapters.RequestContext, facts *adapters.ProviderResponse) ([]byte, error) {
	all := make([]any, 0, len(r.Vectors))
	for _, vector := range r.Vectors {
		all = append(all, embedding{vector})
	}
	o := &object{}
	switch at, _ := parsePath(req.Path); {
	case at.method == batchEmbedContents:
		o.set("embeddings", all)
	case len(all) != 1:
		return nil, fmt.Errorf("%d vectors for one text", len(all))
	default:
		o.set("embedding", all[0])
	}
	if u := facts.Usage; u != nil {
		o.child("usageMetadata").set("promptTokenCount", u.InputTokens)
	}
	return encode(o), nil
}
