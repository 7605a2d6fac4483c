package bedrock

import "cmp"

// fieldNames are what clients call members that the canonical model has other names for.
var fieldNames = map[string]string{
	"temperature":                 "inferenceConfig.temperature",
	"top_p":                       "inferenceConfig.topP",
	"top_k":                       "additionalModelRequestFields.top_k",
	"stop":                        "inferenceConfig.stopSequences",
	"format":                      "outputConfig.textFormat",
	"response_format":             "outputConfig.textFormat",
	"format.description":          "outputConfig.textFormat.structure.jsonSchema.description",
	"response_format.description": "outputConfig.textFormat.structure.jsonSchema.description",
	"reasoning":                   "additionalModelRequestFields.thinking",
	"reasoning.budget_tokens":     "additionalModelRequestFields.thinking.budget_tokens",
	"reasoning.effort":            "additionalModelRequestFields.reasoning_effort",
	"reasoning.summary":           "additionalModelRequestFields.thinking.display",
	"reasoning.show":              "additionalModelRequestFields.thinking.display",
	"tool_choice":                 "toolConfig.toolChoice",
	"service_tier":                "serviceTier",
}

// FieldName is the client's name for a member of a request.
func (Dialect) FieldName(canonical string) string { return cmp.Or(fieldNames[canonical], canonical) }
