package upstream

import "fmt"

// dialect writes answers in one wire format.
type dialect interface {
	whole(e *Entry, u Usage, usage bool) string
	failure(message string) string
	overload() string
	overloadEvent() string
	open(e *Entry, u Usage) string
	chunk(e *Entry, i int) string
	ping() string
	end(e *Entry, u Usage, usage bool) string
}

var dialects = map[string]dialect{"openai_chat": openAI{}, "anthropic_messages": anthropic{}}

type openAI struct{}

func (openAI) usage(u Usage) string {
	return fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":%d}}`,
		u.Input, u.Output, u.Input+u.Output, u.Cached)
}

func (o openAI) whole(e *Entry, u Usage, usage bool) string {
	tail := ""
	if usage {
		tail = `,"usage":` + o.usage(u)
	}
	return fmt.Sprintf(`{"id":%q,"object":"chat.completion","created":1700000000,"model":%q,"choices":[{"index":0,"message":{"role":"assistant",`+
		`"content":"answer to %s"},"finish_reason":"stop"}]%s}`, e.ResponseID, e.Model+"-echo", e.Mark, tail)
}

func (openAI) failure(message string) string {
	return fmt.Sprintf(`{"error":{"message":%q,"type":"scripted","param":null,"code":"scripted"}}`, message)
}

func (openAI) overload() string {
	return `{"error":{"message":"overloaded","type":"server_error","code":"503"}}`
}

func (o openAI) overloadEvent() string { return "data: " + o.overload() + "\n\n" }

func (openAI) event(e *Entry, rest string) string {
	return fmt.Sprintf("data: {\"id\":%q,\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":%q,%s}\n\n", e.ResponseID, e.Model+"-echo", rest)
}

func (o openAI) open(e *Entry, _ Usage) string {
	return o.event(e, `"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]`)
}

func (o openAI) chunk(e *Entry, i int) string {
	return o.event(e, fmt.Sprintf(`"choices":[{"index":0,"delta":{"content":"word %d "},"finish_reason":null}]`, i))
}

func (openAI) ping() string { return ": ping\n\n" }

func (o openAI) end(e *Entry, u Usage, usage bool) string {
	out := o.event(e, `"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]`)
	if usage {
		out += o.event(e, `"choices":[],"usage":`+o.usage(u))
	}
	return out + "data: [DONE]\n\n"
}

type anthropic struct{}

func (anthropic) whole(e *Entry, u Usage, usage bool) string {
	tail := ""
	if usage {
		tail = fmt.Sprintf(`,"usage":{"input_tokens":%d,"cache_read_input_tokens":%d,"output_tokens":%d}`, u.Input-u.Cached, u.Cached, u.Output)
	}
	return fmt.Sprintf(`{"id":%q,"type":"message","role":"assistant","model":%q,"content":[{"type":"text","text":"answer to %s"}],`+
		`"stop_reason":"end_turn","stop_sequence":null%s}`, e.ResponseID, e.Model+"-echo", e.Mark, tail)
}

func (anthropic) failure(message string) string {
	return fmt.Sprintf(`{"type":"error","error":{"type":"api_error","message":%q}}`, message)
}

func (anthropic) overload() string {
	return `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`
}

func (a anthropic) overloadEvent() string { return "event: error\ndata: " + a.overload() + "\n\n" }

func (anthropic) open(e *Entry, u Usage) string {
	return fmt.Sprintf("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":%q,\"type\":\"message\",\"role\":\"assistant\",\"model\":%q,"+
		"\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":%d,\"cache_read_input_tokens\":%d,\"output_tokens\":1}}}\n\n"+
		"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
		e.ResponseID, e.Model+"-echo", u.Input-u.Cached, u.Cached)
}

func (anthropic) chunk(_ *Entry, i int) string {
	return fmt.Sprintf("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"word %d \"}}\n\n", i)
}

func (anthropic) ping() string { return "event: ping\ndata: {\"type\":\"ping\"}\n\n" }

func (anthropic) end(_ *Entry, u Usage, _ bool) string {
	return fmt.Sprintf("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"+
		"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":%d}}\n\n"+
		"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", u.Output)
}
