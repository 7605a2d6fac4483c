package openaichat

import (
	"encoding/json"
	"testing"

	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

// FuzzWords: what is read as text alone is what decoding the chunk would have read, and all of it.
func FuzzWords(f *testing.F) {
	for _, s := range []string{
		chunk, `{"choices":[{"index":0,"delta":{"role":"assistant","content":"a","refusal":null},"finish_reason":null}]}`,
		`{"choices":[{"index":1,"delta":{"content":"a"}}]}`, `{"choices":[{"delta":{"content":"a","tool_calls":[]}},{}]}`,
		`{"choices":[{"delta":{"content":[{"type":"text","text":"a"}]}}],"service_tier":"x"}`, `{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, _, err := jsonscan.Object(data, func([]byte, int, int) error { return nil }); err != nil {
			return // the reader before it has refused it
		}
		text, ok := words(data)
		if !ok {
			return
		}
		var c streamedChunk
		if err := json.Unmarshal(data, &c); err != nil || len(c.Choices) != 1 {
			return // names that only encoding/json reads: in capitals, or given twice
		}
		var said string
		if json.Unmarshal(c.Choices[0].Delta.Content, &said) == nil && c.Choices[0].Index == 0 && c.Choices[0].FinishReason == "" && said != text {
			t.Errorf("%q of %s, want %q", text, data, said)
		}
	})
}
