package tokens

import (
	"bytes"
	"strings"
	"sync"
	"testing"
)

// The counts of short texts are those of OpenAI's own tokenizer.
func TestExact(t *testing.T) {
	for _, c := range []struct {
		model, text string
		want        uint64
	}{
		{"gpt-4o", "", 0},
		{"gpt-4o", "hello world", 2},
		{"gpt-4", "hello world", 2},
		{"gpt-4o", "supercalifragilistic", 6},
		{"gpt-4-turbo", "supercalifragilistic", 7},
		{"gpt-4", "こんにちは", 1},
	} {
		if got := Estimate(c.model, []byte(c.text)); got != c.want {
			t.Errorf("%s: %q is %d tokens, want %d", c.model, c.text, got, c.want)
		}
	}
}

func TestVocabulary(t *testing.T) {
	for model, want := range map[string]string{
		"gpt-4": "cl100k_base", "gpt-4-0613": "cl100k_base", "ft:gpt-3.5-turbo:acme": "cl100k_base", "openai/gpt-35-turbo": "cl100k_base",
		"text-embedding-3-small": "cl100k_base", "gpt-4o-mini": "o200k_base", "ft:gpt-4o:acme": "o200k_base", "gpt-4.1": "o200k_base",
		"GPT-5": "o200k_base", "claude-sonnet-4": "o200k_base", "command-a-03-2025": "o200k_base", "": "o200k_base",
	} {
		if got := vocabulary(model).GetName(); got != want {
			t.Errorf("%s has %s, want %s", model, got, want)
		}
	}
}

// Cutting a text, and taking samples of it, changes little.
func TestALongTextIsNearlyItsCount(t *testing.T) {
	sentence := "The gateway's books always close, 24 hours a day; das Übrige — 第三 — is \"noted\" in {\"json\": [1, 2.5, true]}.\n"
	one, err := o200k().Count(sentence)
	if err != nil {
		t.Fatal(err)
	}
	for _, times := range []int{20, 500, 20_000} {
		want := float64(one * times)
		got := float64(Estimate("gpt-4o", []byte(strings.Repeat(sentence, times))))
		if got < want*0.97 || got > want*1.03 {
			t.Errorf("%d times: %v tokens, want about %v", times, got, want)
		}
	}
}

// One word as long as the text is what tokenizers choke on.
func TestWorkIsBounded(t *testing.T) {
	for name, text := range map[string][]byte{
		"a letter": bytes.Repeat([]byte("a"), 16<<20),
		"marks":    bytes.Repeat([]byte("^"), 16<<20),
		"spaces":   bytes.Repeat([]byte(" "), 16<<20),
		"Chinese":  []byte(strings.Repeat("第三条国家", 1<<20)),
		"no UTF-8": bytes.Repeat([]byte{0xff, 0x80, 0xc3}, 4<<20),
	} {
		read := 0
		for w := range windows(text) {
			read += len(w)
		}
		if read > maxWindows*window {
			t.Errorf("%s: %d bytes are read", name, read)
		}
		n := Estimate("gpt-4o", text)
		if n == 0 || n > uint64(len(text)) {
			t.Errorf("%s: %d tokens of %d bytes", name, n, len(text))
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	text := []byte("many ask at the same time")
	want := Estimate("gpt-4", text)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got := Estimate("gpt-4", text); got != want {
				t.Errorf("%d tokens, want %d", got, want)
			}
		})
	}
	wg.Wait()
}

// Whatever the bytes: all of a text that fits is read, once, and no estimate exceeds its bytes.
func FuzzEstimate(f *testing.F) {
	f.Add([]byte("hello, Übrige 第三条"), uint16(200))
	f.Add([]byte{0xff, 0xe7, ' '}, uint16(3000))
	f.Fuzz(func(t *testing.T, text []byte, times uint16) {
		text = bytes.Repeat(text, 1+int(times)%512)
		var whole []byte
		for w := range windows(text) {
			if len(w) == 0 || len(w) > window {
				t.Fatalf("a window of %d bytes", len(w))
			}
			whole = append(whole, w...)
		}
		if len(text) <= window*maxWindows && !bytes.Equal(whole, text) {
			t.Error("the windows are not the text")
		}
		if n := Estimate("m", text); (n == 0) != (len(text) == 0) || n > 2*uint64(len(text)) {
			t.Errorf("%d tokens of %d bytes", n, len(text))
		}
	})
}

func BenchmarkEstimate(b *testing.B) {
	for name, size := range map[string]int{"1KiB": 1 << 10, "64KiB": 64 << 10, "16MiB": 16 << 20} {
		text := bytes.Repeat([]byte("The gateway's books always close. "), size/34+1)[:size]
		b.Run(name, func(b *testing.B) {
			Estimate("m", text)
			for b.Loop() {
				Estimate("m", text)
			}
		})
	}
}
