package gemini

import "cmp"

// fieldNames are what clients call members that the canonical model has other names for.
var fieldNames = map[string]string{
	"temperature":               "generationConfig.temperature",
	"top_p":                     "generationConfig.topP",
	"top_k":                     "generationConfig.topK",
	"frequency_penalty":         "generationConfig.frequencyPenalty",
	"presence_penalty":          "generationConfig.presencePenalty",
	"seed":                      "generationConfig.seed",
	"stop":                      "generationConfig.stopSequences",
	"n":                         "generationConfig.candidateCount",
	"logprobs":                  "generationConfig.responseLogprobs",
	"top_logprobs":              "generationConfig.logprobs",
	"modalities":                "generationConfig.responseModalities",
	"audio":                     "generationConfig.speechConfig",
	"format":                    "generationConfig.responseMimeType",
	"response_format":           "generationConfig.responseMimeType",
	"reasoning":                 "generationConfig.thinkingConfig",
	"reasoning.effort":          "generationConfig.thinkingConfig.thinkingLevel",
	"reasoning.budget_tokens":   "generationConfig.thinkingConfig.thinkingBudget",
	"reasoning.summary":         "generationConfig.thinkingConfig.includeThoughts",
	"reasoning.show":            "generationConfig.thinkingConfig.includeThoughts",
	"tool_choice":               "toolConfig.functionCallingConfig",
	"tool_choice.allowed_tools": "toolConfig.functionCallingConfig.allowedFunctionNames",
	"task":                      "taskType",
	"dimensions":                "outputDimensionality",
}

// FieldName is the client's name for a member of a request.
func (Dialect) FieldName(canonical string) string { return cmp.Or(fieldNames[canonical], canonical) }
