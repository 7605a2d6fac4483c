package anthropic

import (
	"testing"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// What is read as text alone is what the decoder says of the event; all else it decodes.
func TestWords(t *testing.T) {
	for data, want := range map[string]struct {
		text string
		ok   bool
	}{
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a \u00fc\n"}}`:              {"a ü\n", true},
		`{"delta":{"thinking":"b","type":"thinking_delta"},"index":0,"type":"content_block_delta"}`:               {"b", true},
		`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\""}}`:    {`{"a"`, true},
		`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}`:          {"", false},
		`{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"text":"a"}}}`:     {"", false},
		`{"type":"message_delta","delta":{"stop_reason":"end_turn"}}`:                                             {"", false},
		`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}}`:                     {"", false},
		`{"type":"message_delta","delta":{"text":"not a block's"}}`:                                               {"", false},
		` {"type":"content_block_delta","delta":{"type":"text_delta","text":"decoded, for the space before it"}}`: {"", false},
	} {
		text, ok := words([]byte(data))
		if ok != want.ok || ok && text != want.text {
			t.Errorf("%q, %v of %s", text, ok, data)
		}
	}
	d, said := &decoder{index: 0, open: true}, ""
	emit := func(e *canonical.Event) { said += e.Text }
	for _, data := range []string{
		`{"type":"content_block_delta","delta":{"type":"text_delta","text":"one "}}`,
		` {"type":"content_block_delta","delta":{"type":"text_delta","text":"two"}}`,
	} {
		if err := d.Event("", []byte(data), emit); err != nil {
			t.Fatal(err)
		}
	}
	if said != "one two" {
		t.Errorf("%q", said)
	}
}
