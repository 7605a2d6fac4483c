package tokens

// unsaid are members of requests and answers that are the format's, not the model's to read or write: ids, kinds, media, signatures.
var unsaid = map[string]bool{
	"id": true, "type": true, "object": true, "index": true, "role": true, "model": true, "created": true, "status": true,
	"url": true, "data": true, "bytes": true, "file_data": true, "file_id": true, "filename": true, "fileUri": true, "mimeType": true,
	"media_type": true, "format": true, "detail": true, "signature": true, "thoughtSignature": true, "thought_signature": true,
	"encrypted_content": true, "redactedContent": true, "tool_call_id": true, "tool_use_id": true, "toolUseId": true, "p": true,
	"finish_reason": true, "finishReason": true, "stop_reason": true, "stopReason": true, "service_tier": true, "system_fingerprint": true,
	"modelVersion": true, "responseId": true, "user": true, "user_id": true, "ttl": true, "effort": true, "reasoning_effort": true,
	"response_type": true, "taskType": true, "task_type": true, "input_type": true, "embedding_types": true, "encoding_format": true,
}

// known are names of members that say nothing themselves; the names of all others, as of a tool's parameters, are words.
var known = map[string]bool{
	"messages": true, "content": true, "text": true, "parts": true, "contents": true, "system": true, "systemInstruction": true,
	"tools": true, "function": true, "functions": true, "tool_calls": true, "arguments": true, "parameters": true, "input": true, "args": true,
	"name": true, "thinking": true, "delta": true, "message": true, "choices": true, "candidates": true, "functionCall": true,
	"functionResponse": true, "response": true, "thought": true, "reasoning_content": true, "reasoning": true, "partial_json": true,
	"input_schema": true, "inputSchema": true, "json": true, "toolUse": true, "toolSpec": true, "toolConfig": true, "functionDeclarations": true,
	"parametersJsonSchema": true, "max_tokens": true, "max_completion_tokens": true, "temperature": true, "stream": true, "stream_options": true,
	"include_usage": true, "top_p": true, "stop": true, "tool_choice": true, "generationConfig": true, "inferenceConfig": true, "maxTokens": true,
	"maxOutputTokens": true, "usage": true, "logprobs": true, "refusal": true, "output": true, "image_url": true, "cache_control": true,
	"source": true, "inlineData": true, "annotations": true, "citations": true, "metadata": true, "tool_plan": true, "reasoningContent": true,
	"reasoningText": true, "requests": true, "texts": true, "dimensions": true, "outputDimensionality": true, "output_dimension": true,
	"tool_results": true, "toolResult": true, "thinkingConfig": true, "output_config": true, "response_format": true, "strict": true, "image": true, "document": true,
}

// blob is how long a string without a space is that is taken for media, not words.
const blob = 512

// framing is about what a provider writes around a turn, and around a tool's schema.
var framing = map[string]uint64{"role": 4, "parameters": 8, "input_schema": 8, "inputSchema": 8, "parametersJsonSchema": 8}

// each calls said with every text in a JSON value that a model reads or writes, as it stands there, escapes and all, and returns the
// tokens of what providers write around them in a request. JSON that is broken off is read as far as it goes.
func each(value []byte, said func(text []byte)) (around uint64) {
	skip := false // the next value
	for i := 0; i < len(value); i++ {
		switch c := value[i]; c {
		case '{', '[', '}', ']':
			if c == '{' || c == '[' {
				skip = false
			}
		case ',':
			skip = false
		case '"':
			end := closing(value, i+1)
			text := value[i+1 : end]
			i = end
			switch {
			case named(value, end+1):
				around += framing[string(text)]
				if skip = unsaid[string(text)]; !skip && !known[string(text)] {
					said(text)
				}
			case !skip && !isBlob(text):
				said(text)
			}
		}
	}
	return around
}

// closing is where the string ends that begins at i: its quote, or the end.
func closing(value []byte, i int) int {
	for ; i < len(value); i++ {
		switch value[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(value)
}

// named reports whether a colon comes next: the string before it was a name.
func named(value []byte, i int) bool {
	for ; i < len(value); i++ {
		switch value[i] {
		case ' ', '\n', '\r', '\t':
		default:
			return value[i] == ':'
		}
	}
	return false
}

func isBlob(text []byte) bool {
	if len(text) < blob {
		return false
	}
	for _, c := range text[:blob] {
		if c == ' ' || c == '\\' || c >= 0x80 {
			return false
		}
	}
	return true
}
