package adaptertest

import (
	"encoding/json"
	"fmt"

	"github.com/tollhouse/tollhouse/adapters"
)

// object is JSON that a client puts together.
type object = map[string]any

// turn is the request with which a client goes on: its first, the answer as it was told, the results of what was called there, and a
// word of the user. Stock clients build it from the objects that their SDKs decoded: nothing of the answer is left out.
func turn(client adapters.Codec, request, told []byte) ([]byte, error) {
	write, known := turns[client.Name()]
	if !known {
		return nil, fmt.Errorf("how a client of %s goes on is not known here", client.Name())
	}
	var body, answer object
	if err := json.Unmarshal(request, &body); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(told, &answer); err != nil {
		return nil, err
	}
	r, err := client.DecodeAnswer(told)
	if err != nil {
		return nil, err
	}
	var calls []call
	for _, p := range r.Choices[0].Parts {
		if p.Call != nil {
			calls = append(calls, call{p.Call.ID, p.Call.Name})
		}
	}
	write(body, answer, calls)
	return json.Marshal(body)
}

// call is what a result answers.
type call struct{ id, name string }

func (c call) result() string { return "of " + c.name }

const goOn = "Go on."

// turns say how clients of each dialect go on.
var turns = map[string]func(body, answer object, calls []call){
	"openai_chat": func(body, answer object, calls []call) {
		add := []any{at(answer, "choices", 0, "message")}
		for _, c := range calls {
			add = append(add, object{"role": "tool", "tool_call_id": c.id, "content": c.result()})
		}
		grow(body, "messages", append(add, object{"role": "user", "content": goOn})...)
	},
	"openai_responses": func(body, answer object, calls []call) {
		if text, short := body["input"].(string); short {
			body["input"] = []any{object{"role": "user", "content": text}}
		}
		output, _ := answer["output"].([]any)
		for _, c := range calls {
			output = append(output, object{"type": "function_call_output", "call_id": c.id, "output": c.result()})
		}
		grow(body, "input", append(output, object{"role": "user", "content": goOn})...)
	},
	"anthropic_messages": func(body, answer object, calls []call) {
		var content []any
		for _, c := range calls {
			content = append(content, object{"type": "tool_result", "tool_use_id": c.id, "content": c.result()})
		}
		content = append(content, object{"type": "text", "text": goOn})
		grow(body, "messages", object{"role": "assistant", "content": answer["content"]}, object{"role": "user", "content": content})
	},
	"gemini": func(body, answer object, calls []call) {
		var parts []any
		for _, c := range calls {
			response := object{"name": c.name, "response": object{"output": c.result()}}
			if c.id != "" {
				response["id"] = c.id
			}
			parts = append(parts, object{"functionResponse": response})
		}
		parts = append(parts, object{"text": goOn})
		grow(body, "contents", at(answer, "candidates", 0, "content"), object{"role": "user", "parts": parts})
	},
	"cohere": func(body, answer object, calls []call) {
		add := []any{answer["message"]}
		for _, c := range calls {
			add = append(add, object{"role": "tool", "tool_call_id": c.id, "content": c.result()})
		}
		grow(body, "messages", append(add, object{"role": "user", "content": goOn})...)
	},
	"bedrock_converse": func(body, answer object, calls []call) {
		var content []any
		for _, c := range calls {
			content = append(content, object{"toolResult": object{"toolUseId": c.id, "content": []any{object{"text": c.result()}}}})
		}
		content = append(content, object{"text": goOn})
		grow(body, "messages", at(answer, "output", "message"), object{"role": "user", "content": content})
	},
}

// grow adds to an array of an object.
func grow(o object, name string, more ...any) {
	array, _ := o[name].([]any)
	o[name] = append(array, more...)
}

// at is what stands at a path of names and indexes; nil where there is nothing.
func at(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			o, _ := v.(object)
			v = o[step]
		case int:
			array, _ := v.([]any)
			if step >= len(array) {
				return nil
			}
			v = array[step]
		}
	}
	return v
}
