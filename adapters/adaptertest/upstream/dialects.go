package upstream

import (
	"encoding/json"
	"fmt"
	"strings"
)

// dialect writes answers in one wire format.
type dialect interface {
	stream() string // its content type
	whole(e *Entry, text string, u Usage, usage bool) string
	failure(message string) string
	overload() string
	overloadEvent() string
	open(e *Entry, u Usage) string
	chunk(e *Entry, text string) string
	call(e *Entry) []string // of the entry's tool; none where it has none
	ping() string
	end(e *Entry, u Usage, usage bool) string
}

var dialects = map[string]dialect{
	"openai_chat": openAI{}, "openai_responses": responses{}, "mistral": mistral{}, "anthropic_messages": anthropic{}, "gemini": gemini{},
	"cohere": cohere{}, "bedrock_converse": bedrock{},
}

const serverSentEvents = "text/event-stream"

// What a tool is called with, and what answers by a schema, in the pieces that a stream has it in.
var arguments = []string{`{"ci`, `ty":"Os`, `lo"}`}

func whole(pieces []string) string { return strings.Join(pieces, "") }

// quote writes text as JSON has it.
func quote(text string) string {
	raw, _ := json.Marshal(text)
	return string(raw)
}

type openAI struct{}

func (openAI) stream() string { return serverSentEvents }

func (openAI) usage(u Usage) string {
	return fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":%d}}`,
		u.Input, u.Output, u.Input+u.Output, u.Cached)
}

func (o openAI) whole(e *Entry, text string, u Usage, usage bool) string {
	tail := ""
	if usage {
		tail = `,"usage":` + o.usage(u)
	}
	message, finish := `"content":`+quote(text), "stop"
	if e.Tool != "" {
		finish = "tool_calls"
		message = fmt.Sprintf(`"content":null,"tool_calls":[{"id":"call_%s","type":"function","function":{"name":%q,"arguments":%q}}]`,
			e.Mark, e.Tool, whole(arguments))
	}
	return fmt.Sprintf(`{"id":%q,"object":"chat.completion","created":1700000000,"model":%q,"choices":[{"index":0,"message":{"role":"assistant",`+
		`%s},"finish_reason":%q}]%s}`, e.ResponseID, e.Model+"-echo", message, finish, tail)
}

func (o openAI) call(e *Entry) (pieces []string) {
	if e.Tool == "" {
		return nil
	}
	delta := func(call string) {
		pieces = append(pieces, o.event(e, `"choices":[{"index":0,"delta":{"tool_calls":[`+call+`]},"finish_reason":null}]`))
	}
	delta(fmt.Sprintf(`{"index":0,"id":"call_%s","type":"function","function":{"name":%q,"arguments":""}}`, e.Mark, e.Tool))
	for _, a := range arguments {
		delta(fmt.Sprintf(`{"index":0,"function":{"arguments":%q}}`, a))
	}
	return pieces
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

func (o openAI) chunk(e *Entry, text string) string {
	return o.event(e, fmt.Sprintf(`"choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}]`, quote(text)))
}

func (openAI) ping() string { return ": ping\n\n" }

func (o openAI) end(e *Entry, u Usage, usage bool) string {
	finish := "stop"
	if e.Tool != "" {
		finish = "tool_calls"
	}
	out := o.event(e, fmt.Sprintf(`"choices":[{"index":0,"delta":{},"finish_reason":%q}]`, finish))
	if usage {
		out += o.event(e, `"choices":[],"usage":`+o.usage(u))
	}
	return out + "data: [DONE]\n\n"
}

// mistral is OpenAI's, but for its streams: a call comes whole, and the last chunk has the usage, unasked.
type mistral struct{ openAI }

func (mistral) failure(message string) string {
	return fmt.Sprintf(`{"object":"error","message":%q,"type":"invalid_request_error","param":null,"code":"3051"}`, message)
}

func (m mistral) call(e *Entry) []string {
	if e.Tool == "" {
		return nil
	}
	return []string{m.event(e, fmt.Sprintf(`"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_%s","type":"function","function":{"name":%q,"arguments":%s}}]},`+
		`"finish_reason":null}]`, e.Mark, e.Tool, quote(whole(arguments))))}
}

func (m mistral) end(e *Entry, u Usage, usage bool) string {
	finish, tail := "stop", ""
	if e.Tool != "" {
		finish = "tool_calls"
	}
	if usage {
		tail = `,"usage":` + m.usage(u)
	}
	return m.event(e, fmt.Sprintf(`"choices":[{"index":0,"delta":{"content":""},"finish_reason":%q}]%s`, finish, tail)) + "data: [DONE]\n\n"
}

type anthropic struct{}

func (anthropic) stream() string { return serverSentEvents }

func (anthropic) whole(e *Entry, text string, u Usage, usage bool) string {
	tail := ""
	if usage {
		tail = fmt.Sprintf(`,"usage":{"input_tokens":%d,"cache_read_input_tokens":%d,"output_tokens":%d}`, u.Input-u.Cached, u.Cached, u.Output)
	}
	content, stop := fmt.Sprintf(`{"type":"text","text":%s}`, quote(text)), "end_turn"
	if e.Tool != "" {
		stop = "tool_use"
		content = fmt.Sprintf(`{"type":"tool_use","id":"toolu_%s","name":%q,"input":%s}`, e.Mark, e.Tool, whole(arguments))
	}
	return fmt.Sprintf(`{"id":%q,"type":"message","role":"assistant","model":%q,"content":[%s],`+
		`"stop_reason":%q,"stop_sequence":null%s}`, e.ResponseID, e.Model+"-echo", content, stop, tail)
}

func (anthropic) call(e *Entry) (pieces []string) {
	if e.Tool == "" {
		return nil
	}
	for _, a := range arguments {
		pieces = append(pieces, fmt.Sprintf("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"+
			"\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":%q}}\n\n", a))
	}
	return pieces
}

func (anthropic) failure(message string) string {
	return fmt.Sprintf(`{"type":"error","error":{"type":"api_error","message":%q}}`, message)
}

func (anthropic) overload() string {
	return `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`
}

func (a anthropic) overloadEvent() string { return "event: error\ndata: " + a.overload() + "\n\n" }

func (anthropic) open(e *Entry, u Usage) string {
	block := `{"type":"text","text":""}`
	if e.Tool != "" {
		block = fmt.Sprintf(`{"type":"tool_use","id":"toolu_%s","name":%q,"input":{}}`, e.Mark, e.Tool)
	}
	return fmt.Sprintf("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":%q,\"type\":\"message\",\"role\":\"assistant\",\"model\":%q,"+
		"\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":%d,\"cache_read_input_tokens\":%d,\"output_tokens\":1}}}\n\n"+
		"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":%s}\n\n",
		e.ResponseID, e.Model+"-echo", u.Input-u.Cached, u.Cached, block)
}

func (anthropic) chunk(_ *Entry, text string) string {
	return fmt.Sprintf("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":%s}}\n\n", quote(text))
}

func (anthropic) ping() string { return "event: ping\ndata: {\"type\":\"ping\"}\n\n" }

func (anthropic) end(e *Entry, u Usage, _ bool) string {
	stop := "end_turn"
	if e.Tool != "" {
		stop = "tool_use"
	}
	return fmt.Sprintf("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"+
		"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":%q,\"stop_sequence\":null},\"usage\":{\"input_tokens\":%d,\"cache_read_input_tokens\":%d,\"output_tokens\":%d}}\n\n"+
		"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", stop, u.Input-u.Cached, u.Cached, u.Output)
}
