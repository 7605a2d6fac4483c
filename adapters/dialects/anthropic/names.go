package anthropic

import "cmp"

// fieldNames are what clients call members that the canonical model has other names for.
var fieldNames = map[string]string{
	"reasoning":               "thinking",
	"reasoning.effort":        "output_config.effort",
	"reasoning.budget_tokens": "thinking.budget_tokens",
	"reasoning.summary":       "thinking.display",
	"reasoning.show":          "thinking.display",
	"parallel_tools":          "tool_choice.disable_parallel_tool_use",
	"stop":                    "stop_sequences",
	"format":                  "output_config.format",
	"response_format":         "output_config.format",
	"user":                    "metadata.user_id",
}

// FieldName is the client's name for a member of a request.
func (Dialect) FieldName(canonical string) string { return cmp.Or(fieldNames[canonical], canonical) }
