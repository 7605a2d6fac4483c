package upstream

import (
	"fmt"
	"strings"
)

type cohere struct{}

func (cohere) stream() string { return serverSentEvents }

// usage has what is billed, and what ran.
func (cohere) usage(u Usage, reported bool) string {
	if !reported {
		return ""
	}
	return fmt.Sprintf(`,"usage":{"billed_units":{"input_tokens":%d,"output_tokens":%d},"tokens":{"input_tokens":%d,"output_tokens":%d}}`,
		u.Input, u.Output, u.Input, u.Output)
}

func (cohere) finish(e *Entry) string {
	if e.Tool != "" {
		return "TOOL_CALL"
	}
	return "COMPLETE"
}

func (cohere) function(e *Entry, arguments string) string {
	return fmt.Sprintf(`{"id":"%s_%s","type":"function","function":{"name":%q,"arguments":%s}}`, e.Tool, e.Mark, e.Tool, quote(arguments))
}

// plan is what the model says before it calls a tool of its own accord.
func (cohere) plan(e *Entry) string {
	if e.forced {
		return ""
	}
	return `"tool_plan":"I look it up.",`
}

func (c cohere) whole(e *Entry, text string, u Usage, usage bool) string {
	message := fmt.Sprintf(`"content":[{"type":"text","text":%s}]`, quote(text))
	if e.Tool != "" {
		message = fmt.Sprintf(`%s"tool_calls":[%s]`, c.plan(e), c.function(e, whole(arguments)))
	}
	return fmt.Sprintf(`{"id":%q,"finish_reason":%q,"message":{"role":"assistant",%s}%s}`, e.ResponseID, c.finish(e), message, c.usage(u, usage))
}

func (cohere) failure(message string) string {
	return fmt.Sprintf(`{"id":"e-1","message":%q}`, message)
}

func (cohere) overload() string { return `{"message":"overloaded"}` }

func (c cohere) overloadEvent() string { return "data: " + c.overload() + "\n\n" }

func (cohere) event(name, rest string) string {
	return fmt.Sprintf("event: %s\ndata: {\"type\":%q%s}\n\n", name, name, rest)
}

func (c cohere) open(e *Entry, _ Usage) string {
	out := c.event("message-start", fmt.Sprintf(`,"id":%q,"delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}`, e.ResponseID))
	if e.Tool == "" {
		out += c.event("content-start", `,"index":0,"delta":{"message":{"content":{"type":"text","text":""}}}`)
	}
	return out
}

func (c cohere) chunk(_ *Entry, text string) string {
	return c.event("content-delta", fmt.Sprintf(`,"index":0,"delta":{"message":{"content":{"text":%s}}}`, quote(text)))
}

func (c cohere) call(e *Entry) []string {
	if e.Tool == "" {
		return nil
	}
	var pieces []string
	if plan := c.plan(e); plan != "" {
		pieces = append(pieces, c.event("tool-plan-delta", `,"delta":{"message":{`+strings.TrimSuffix(plan, ",")+`}}`))
	}
	pieces = append(pieces, c.event("tool-call-start", fmt.Sprintf(`,"index":0,"delta":{"message":{"tool_calls":%s}}`, c.function(e, ""))))
	for _, a := range arguments {
		pieces = append(pieces, c.event("tool-call-delta", fmt.Sprintf(`,"index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":%s}}}}`, quote(a))))
	}
	return append(pieces, c.event("tool-call-end", `,"index":0`))
}

func (cohere) ping() string { return ": ping\n\n" }

func (c cohere) end(e *Entry, u Usage, usage bool) string {
	var out strings.Builder
	if e.Tool == "" {
		out.WriteString(c.event("content-end", `,"index":0`))
	}
	out.WriteString(c.event("message-end", fmt.Sprintf(`,"delta":{"finish_reason":%q%s}`, c.finish(e), c.usage(u, usage))))
	return out.String() + "data: [DONE]\n\n"
}
