package openaichat

import "cmp"

// fieldNames are what clients call members that the canonical model has other names for.
var fieldNames = map[string]string{
	"reasoning":                   "reasoning_effort",
	"reasoning.effort":            "reasoning_effort",
	"parallel_tools":              "parallel_tool_calls",
	"format":                      "response_format",
	"format.description":          "response_format.json_schema.description",
	"format.strict":               "response_format.json_schema.strict",
	"response_format.description": "response_format.json_schema.description",
}

// FieldName is the client's name for a member of a request.
func (Dialect) FieldName(canonical string) string { return cmp.Or(fieldNames[canonical], canonical) }
