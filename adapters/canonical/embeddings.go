package canonical

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
)

// EmbeddingsRequest asks for a vector of each of some texts. What is not given is empty.
type EmbeddingsRequest struct {
	Model      string // as it goes upstream
	Inputs     []string
	Dimensions json.Number
	Task       Task
	Title      string   // of the documents
	Truncate   Truncate // what becomes of a text that is too long
	User       string   // a hint

	Others []Other // members that have no word here: lost, by name
}

// Task is what vectors are for. OpenAI's models make the same of a text whatever for, others do not.
type Task string

// Tasks that two dialects have words for. Any other is a dialect's own word, and lost by name elsewhere.
const (
	TaskQuery          Task = "query"
	TaskDocument       Task = "document"
	TaskClassification Task = "classification"
	TaskClustering     Task = "clustering"
)

// Truncate says which end of a long text is cut off.
type Truncate string

// Ends.
const (
	TruncateNone  Truncate = "none" // it is an error
	TruncateStart Truncate = "start"
	TruncateEnd   Truncate = "end"
)

// Embeddings are the vectors of a request's texts, in their order, each an array of numbers as the provider wrote it.
type Embeddings struct {
	Vectors []json.RawMessage
}

// Base64 is a vector as OpenAI writes one for who asks so: little-endian 32-bit floats. The error says that it is no array of numbers.
func Base64(vector json.RawMessage) (string, error) {
	var numbers []float64
	if err := json.Unmarshal(vector, &numbers); err != nil {
		return "", err
	}
	raw := make([]byte, 0, 4*len(numbers))
	for _, n := range numbers {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(n)))
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}
