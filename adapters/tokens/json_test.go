package tokens

import (
	"encoding/json"
	"strings"
	"testing"
)

// What a model reads and writes is counted; ids, kinds and media are not.
func TestTextsOfABody(t *testing.T) {
	for body, want := range map[string]string{
		`{"model":"gpt-4o","messages":[{"role":"user","content":"hi"},{"role":"user","content":[{"type":"text","text":"you"}]}]}`: "hi|you",
		`{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}},{"text":"look"}]}]}`:                "look",
		`{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c1","function":{"name":"now","arguments":"{\"a\":1}"}}]}}]}`:        `now|{\"a\":1}`,
		`{"input":{"city":"Oslo"}}`:          "city|Oslo",
		`{"content":"broken o`:               "broken o",
		`"` + strings.Repeat("A", 600) + `"`: "",
		`{"url":{"text":"inside"}}`:          "inside",
		`{"signature":"c2ln","a":[1,2]} `:    "a",
	} {
		var got []string
		each([]byte(body), func(text []byte) { got = append(got, string(text)) })
		if strings.Join(got, "|") != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

// A prompt of any length costs the tokenizer no more than a sample of it, which stands for the rest.
func TestALongPromptIsSampled(t *testing.T) {
	turn := `{"role":"user","content":"The books always close, 24 hours a day; das \u00dcbrige \u2014 is \"noted\".\n"},`
	body := func(turns int) []byte {
		return []byte(`{"messages":[` + strings.TrimSuffix(strings.Repeat(turn, turns), ",") + `]}`)
	}
	one := float64(EstimateRequest("gpt-4o", body(1)))
	for _, turns := range []int{2, 20, 2000, 50_000} {
		got, want := float64(EstimateRequest("gpt-4o", body(turns))), one*float64(turns)
		if got < 0.85*want || got > 1.15*want {
			t.Errorf("%d turns: %v tokens, want about %v", turns, got, want)
		}
	}
	if one < 20 || one > 40 {
		t.Errorf("a turn is %v tokens", one)
	}
}

// It does not matter to the meter in which pieces a text comes, and it keeps to the tokenizer.
func TestMeter(t *testing.T) {
	for text, near := range map[string]uint64{
		"": 0, "hello": 1, "The gateway's books always close, even when the power fails.": 13,
		"第三条国家": 4, "a\nb\n": 4, `{"city": "Oslo", "days": 12}`: 11,
	} {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var whole, pieces Meter
		whole.JSON(quoted)
		for _, r := range text {
			quoted, _ := json.Marshal(string(r))
			pieces.JSON(quoted)
		}
		if whole.Tokens() != pieces.Tokens() {
			t.Errorf("%q: %d tokens whole, %d in pieces", text, whole.Tokens(), pieces.Tokens())
		}
		if got := whole.Tokens(); got+2 < near || got > near+2 {
			t.Errorf("%q: %d tokens, want about %d", text, got, near)
		}
	}
}

// TestMeterAllocatesNothing: it stands on the way of every chunk.
func TestMeterAllocatesNothing(t *testing.T) {
	var m Meter
	word, call := []byte(`"hello, world"`), []byte(`[{"index":0,"function":{"arguments":"{\"a\":1}"}}]`)
	if n := testing.AllocsPerRun(100, func() { m.JSON(word); m.JSON(call) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzJSON: whatever the bytes, nothing breaks, and no estimate exceeds what was written by much.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"content":"h\u00e9llo \ud83d\ude00 \\ \u12"}`))
	f.Add([]byte(`"abc`))
	f.Add([]byte(`[{"a":"\`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var m Meter
		m.JSON(body)
		if n := m.Tokens(); n > 2*uint64(len(body))+1 {
			t.Errorf("%d tokens of %d bytes", n, len(body))
		}
		EstimateAnswer("m", body)
		EstimateRequest("m", body)
	})
}

func BenchmarkMeter(b *testing.B) {
	var m Meter
	chunk := []byte(`" the books always close"`)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		m.JSON(chunk)
	}
}

func BenchmarkEstimateRequest(b *testing.B) {
	body := []byte(`{"messages":[{"role":"user","content":"` + strings.Repeat("The books always close. ", 4000) + `"}]}`)
	EstimateRequest("m", body)
	b.ReportAllocs()
	for b.Loop() {
		EstimateRequest("m", body)
	}
}
