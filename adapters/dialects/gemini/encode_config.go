package gemini

import (
	"encoding/json"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// config writes generationConfig.
func (e *encoder) config() {
	r := e.r
	set := func(name string, value any) { e.out.child("generationConfig").set(name, value) }
	for _, n := range []struct {
		name  string
		value json.Number
	}{
		{"maxOutputTokens", r.MaxOutputTokens},
		{"temperature", r.Temperature},
		{"topP", r.TopP},
		{"topK", r.TopK},
		{"seed", r.Seed},
		{"candidateCount", r.N},
		{"presencePenalty", r.PresencePenalty},
		{"frequencyPenalty", r.FrequencyPenalty},
		{"logprobs", r.TopLogprobs},
	} {
		if n.value != "" {
			set(n.name, n.value)
		}
	}
	if r.Logprobs != nil {
		set("responseLogprobs", *r.Logprobs)
	}
	if len(r.Stop) > 0 {
		set("stopSequences", r.Stop)
	}
	if len(r.Modalities) > 0 {
		upper := make([]string, 0, len(r.Modalities))
		for _, m := range r.Modalities {
			upper = append(upper, strings.ToUpper(m))
		}
		set("responseModalities", upper)
	}
	if r.Audio != nil {
		e.loseIf(r.Audio.Format != "" && r.Audio.Format != "pcm16", "audio.format", false)
		if r.Audio.Voice != "" {
			set("speechConfig", speechOf(r.Audio.Voice))
		}
	}
	e.format(set)
	e.reasoning()
}

func (e *encoder) format(set func(string, any)) {
	f := e.r.Format
	if f == nil {
		return
	}
	e.loseIf(f.Description != "", "format.description", true)
	switch f.Kind {
	case canonical.FormatSchema:
		set("responseMimeType", "application/json")
		set("responseJsonSchema", f.Schema)
	case canonical.FormatJSON:
		set("responseMimeType", "application/json")
	case canonical.FormatText:
		set("responseMimeType", "text/plain")
	}
}

// Budgets that Google itself gives for OpenAI's words.
var budgets = map[string]json.Number{
	"none": "0", "minimal": "1024", "low": "1024", "medium": "8192", "high": "24576", "xhigh": "24576", "max": "24576",
}

// reasoning writes thinkingConfig: a budget for Gemini 2.5, a level for what is newer. Which of the two is given is kept where the
// model takes it; older models do not think.
func (e *encoder) reasoning() {
	t := e.r.Reasoning
	if t == nil {
		return
	}
	effort := t.Effort
	if effort == "" && t.Budget == "" && t.Enabled != nil && !*t.Enabled {
		effort = "none"
	}
	if strings.HasPrefix(e.r.Model, "gemini-1") || strings.HasPrefix(e.r.Model, "gemini-2.0") {
		e.loseIf(effort != "" && effort != "none" || t.Budget != "" && t.Budget != "0", "reasoning", false)
		return
	}
	out := &object{}
	switch budgeted := strings.HasPrefix(e.r.Model, "gemini-2.5"); {
	case t.Budget != "":
		out.set("thinkingBudget", t.Budget)
		e.loseIf(t.Effort != "", "reasoning.effort", true) // the budget says it more exactly
	case budgeted && effort != "":
		out.set("thinkingBudget", e.budget(effort))
	case budgeted && t.Enabled != nil:
		out.set("thinkingBudget", json.Number("-1")) // the model decides
	case effort != "":
		out.set("thinkingLevel", e.level(effort))
	}
	switch t.Show {
	case "":
	case "omitted":
		out.set("includeThoughts", false)
	default:
		out.set("includeThoughts", true)
	}
	e.out.child("generationConfig").set("thinkingConfig", out)
}

// budget is the one for an effort. Gemini 2.5 Pro cannot do without thinking.
func (e *encoder) budget(effort string) json.Number {
	if effort == "none" && strings.HasPrefix(e.r.Model, "gemini-2.5-pro") {
		e.lose("reasoning.effort", false)
		return "128"
	}
	if n, ok := budgets[effort]; ok {
		return n
	}
	e.lose("reasoning.effort", false)
	return "-1"
}

// level is the one for an effort. Gemini 3 cannot do without thinking.
func (e *encoder) level(effort string) string {
	switch effort {
	case "none":
		e.lose("reasoning.effort", false)
		if strings.Contains(e.r.Model, "-pro") {
			return "low"
		}
		return "minimal"
	case "xhigh", "max":
		return "high"
	}
	return effort
}
