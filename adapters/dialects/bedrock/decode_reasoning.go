package bedrock

import (
	"encoding/json"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

func (d *requestDecoder) reasoning() *canonical.Reasoning {
	if d.out.Reasoning == nil {
		d.out.Reasoning = &canonical.Reasoning{}
	}
	return d.out.Reasoning
}

// additional reads what the makers of models have of their own, as far as it has a word here: how much Claude, Nova and gpt-oss think,
// and top k.
func (d *requestDecoder) additional(value []byte) error {
	return object("additionalModelRequestFields", value, func(name string, value []byte) error {
		at := "additionalModelRequestFields." + name
		switch name {
		case "thinking":
			if d.thinking(value) {
				return nil
			}
		case "reasoningConfig":
			if d.reasoningConfig(value) {
				return nil
			}
		case "reasoning_effort":
			return readText(at, value, &d.reasoning().Effort)
		case "top_k":
			return readNumber(at, value, &d.out.TopK)
		case "inferenceConfig": // of Nova
			all, err := members(at, value)
			if k, ok := all["topK"]; err == nil && ok && len(all) == 1 {
				return readNumber(at+".topK", k, &d.out.TopK)
			}
		}
		d.other(at, value)
		return nil
	})
}

// thinking reads Claude's switch. It reports false for a form that is newer than this, which is then kept as it is.
func (d *requestDecoder) thinking(value []byte) bool {
	var wire struct {
		Type    string      `json:"type"`
		Budget  json.Number `json:"budget_tokens"`
		Display string      `json:"display"`
	}
	all, err := members("", value)
	if err != nil || json.Unmarshal(value, &wire) != nil {
		return false
	}
	for name := range all {
		if name != "type" && name != "budget_tokens" && name != "display" {
			return false
		}
	}
	show, ok := map[string]string{"": "", "summarized": "auto", "omitted": "omitted"}[wire.Display]
	on := wire.Type != "disabled"
	switch wire.Type {
	case "enabled", "disabled":
	case "adaptive":
		wire.Budget = "-1"
	default:
		ok = false
	}
	if ok {
		r := d.reasoning()
		r.Enabled, r.Budget, r.Show = &on, wire.Budget, show
	}
	return ok
}

// reasoningConfig reads Nova's.
func (d *requestDecoder) reasoningConfig(value []byte) bool {
	var wire struct {
		Type   string `json:"type"`
		Effort string `json:"maxReasoningEffort"`
	}
	if json.Unmarshal(value, &wire) != nil || wire.Type != "enabled" && wire.Type != "disabled" {
		return false
	}
	r, on := d.reasoning(), wire.Type == "enabled"
	r.Enabled, r.Effort = &on, wire.Effort
	return true
}
