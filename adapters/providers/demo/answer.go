package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/adapters/dialects/anthropic"
)

// answer is one answer, with a plausible count.
type answer struct {
	model string
	input uint64
	words []string
}

func quote(s string) string {
	raw, _ := json.Marshal(s)
	return string(raw)
}

func (a answer) whole(dialect string) string {
	if dialect == anthropic.Name {
		return fmt.Sprintf(`{"id":"msg_demo","type":"message","role":"assistant","model":%s,"content":[{"type":"text","text":%s}],`+
			`"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":%d,"output_tokens":%d}}`,
			quote(a.model), quote(strings.Join(a.words, "")), a.input, len(a.words))
	}
	return fmt.Sprintf(`{"id":"chatcmpl-demo","object":"chat.completion","created":%d,"model":%s,"choices":[{"index":0,`+
		`"message":{"role":"assistant","content":%s,"refusal":null},"logprobs":null,"finish_reason":"stop"}],`+
		`"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}`,
		time.Now().Unix(), quote(a.model), quote(strings.Join(a.words, "")), a.input, len(a.words), a.input+uint64(len(a.words)))
}

// stream writes the answer word by word.
func (a answer) stream(ctx context.Context, dialect string, w io.Writer) error {
	open, word, end := a.openai()
	if dialect == anthropic.Name {
		open, word, end = a.anthropic()
	}
	if _, err := io.WriteString(w, open); err != nil {
		return err
	}
	for _, s := range a.words {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pace):
		}
		if _, err := io.WriteString(w, word(s)); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, end)
	return err
}

func (a answer) openai() (open string, word func(string) string, end string) {
	chunk := func(rest string) string {
		return fmt.Sprintf(`data: {"id":"chatcmpl-demo","object":"chat.completion.chunk","created":%d,"model":%s,%s}`+"\n\n",
			time.Now().Unix(), quote(a.model), rest)
	}
	open = chunk(`"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]`)
	word = func(s string) string {
		return chunk(`"choices":[{"index":0,"delta":{"content":` + quote(s) + `},"finish_reason":null}]`)
	}
	end = chunk(`"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]`) +
		chunk(fmt.Sprintf(`"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}`,
			a.input, len(a.words), a.input+uint64(len(a.words)))) + "data: [DONE]\n\n"
	return open, word, end
}

func (a answer) anthropic() (open string, word func(string) string, end string) {
	event := func(name, data string) string { return "event: " + name + "\ndata: " + data + "\n\n" }
	open = event("message_start", fmt.Sprintf(`{"type":"message_start","message":{"id":"msg_demo","type":"message","role":"assistant",`+
		`"model":%s,"content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":%d,"output_tokens":1}}}`,
		quote(a.model), a.input)) +
		event("content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`)
	word = func(s string) string {
		return event("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":`+quote(s)+`}}`)
	}
	end = event("content_block_stop", `{"type":"content_block_stop","index":0}`) +
		event("message_delta", fmt.Sprintf(`{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},`+
			`"usage":{"output_tokens":%d}}`, len(a.words))) + event("message_stop", `{"type":"message_stop"}`)
	return open, word, end
}
