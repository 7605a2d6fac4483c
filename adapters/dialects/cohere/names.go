package cohere

import "cmp"

// fieldNames are what clients call members that the canonical model has other names for.
var fieldNames = map[string]string{
	"top_p":                   "p",
	"top_k":                   "k",
	"stop":                    "stop_sequences",
	"format":                  "response_format",
	"reasoning":               "thinking",
	"reasoning.budget_tokens": "thinking.token_budget",
	"task":                    "input_type",
	"dimensions":              "output_dimension",
}

// FieldName is the client's name for a member of a request.
func (Dialect) FieldName(canonical string) string { return cmp.Or(fieldNames[canonical], canonical) }
