package bedrock

import (
	"regexp"
	"strconv"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// Budgets for OpenAI's words, where the model takes a number. Claude's least is 1024.
var budgets = map[string]int{"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576}

const leastBudget = 1024

// budgeted are the Claudes that take a budget of thinking; what is newer decides by itself, within an effort.
var budgeted = regexp.MustCompile(`claude-3|claude-(opus|sonnet|haiku)-4(-1|-5)?(-20|$|:)`)

// effortOf is the nearest of the words that a model takes.
var effortOf = map[string]string{"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}

// reasoning says how much to think in the words of the model's maker: Converse has none that all understand.
func (e *requestEncoder) reasoning() {
	t := e.r.Reasoning
	if t == nil {
		return
	}
	off := t.Effort == "none" || t.Budget == "0" || t.Enabled != nil && !*t.Enabled
	asked := t.Effort != "" || t.Budget != "" || t.Enabled != nil
	switch {
	case !asked:
	case e.maker == claude:
		e.thinking(t, off)
	case e.maker == nova && off:
		e.additional()["reasoningConfig"] = fields{"type": "disabled"}
	case e.maker == nova:
		config := fields{"type": "enabled"}
		if word := effortOf[t.Effort]; word != "" {
			config["maxReasoningEffort"] = word
		}
		e.additional()["reasoningConfig"] = config
		e.loseIf(t.Budget != "" && t.Budget != "-1", "reasoning.budget", false)
	case e.maker == gptOSS && effortOf[t.Effort] != "":
		e.additional()["reasoning_effort"] = effortOf[t.Effort]
	default:
		e.loseIf(!off || e.maker == gptOSS, "reasoning", false)
	}
}

// thinking writes Claude's switch. Where the wish to think is not Claude's own word but another dialect's, it gives way to what
// Claude would refuse it for: a tool that must be called, or thoughts of this turn that the client could not keep.
func (e *requestEncoder) thinking(t *canonical.Reasoning, off bool) {
	if off {
		e.additional()["thinking"] = fields{"type": "disabled"}
		return
	}
	choice := e.r.ToolChoice
	forced := choice != nil && (choice.Mode == canonical.ToolRequired || choice.Mode == canonical.ToolNamed)
	if t.Budget == "" && (forced || budgeted.MatchString(e.r.Model) && e.thoughtless()) {
		e.lose("reasoning", false)
		return
	}
	out := fields{"type": "enabled"}
	hasBudget := t.Budget != "" && t.Budget != "-1"
	effort := t.Effort
	switch {
	case hasBudget:
		out["budget_tokens"] = t.Budget
	case t.Budget == "" && budgeted.MatchString(e.r.Model):
		n := e.budget(effort)
		if n == 0 {
			e.lose("reasoning.effort", false)
			return
		}
		out["budget_tokens"], effort = n, ""
	default:
		out["type"] = "adaptive"
	}
	if effort == "minimal" {
		effort = "low"
	}
	if effort != "" {
		e.out.sub("outputConfig")["effort"] = effort
	}
	switch {
	case t.Show == "omitted":
		out["display"] = "omitted"
	case t.Show != "" && out["type"] == "adaptive":
		out["display"] = "summarized"
	}
	e.additional()["thinking"] = out
	e.unsampled()
}

// unsampled takes away what a Claude that thinks refuses: a temperature other than 1, and top k.
func (e *requestEncoder) unsampled() {
	if inference, ok := e.out["inferenceConfig"].(fields); ok && e.r.Temperature != "" && e.r.Temperature != "1" {
		delete(inference, "temperature")
		if len(inference) == 0 {
			delete(e.out, "inferenceConfig")
		}
		e.lose("temperature", false)
	}
	if e.r.TopK != "" {
		delete(e.additional(), "top_k")
		e.lose("top_k", false)
	}
}

// budget is the one for an effort. It must be less than what may be written in all; 0: there is no room for the least.
func (e *requestEncoder) budget(effort string) int {
	n := budgets[effort]
	if n == 0 {
		n = budgets["medium"] // thinking is wanted, and nothing said of how much
	}
	if limit, err := strconv.Atoi(string(e.r.MaxOutputTokens)); err == nil && limit <= n {
		n = max(limit/2, leastBudget)
		if limit <= n {
			return 0
		}
	}
	return n
}
