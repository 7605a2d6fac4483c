package jsonscan

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestObjectTellsWhereValuesStand(t *testing.T) {
	text := []byte(" {\"a\" : 1 , \"b\":{\"a\":[1,{}]},\"mod\\u0065l\":\"x\\\"y\" ,\"e\\ud83d\\ude00\":null}\n")
	got := map[string]string{}
	start, end, err := Object(text, func(key []byte, start, end int) error {
		got[string(key)] = string(text[start:end])
		return nil
	})
	if err != nil || string(text[start:start+1]) != "{" || string(text[end-1:end]) != "}" {
		t.Fatalf("%d %d %v", start, end, err)
	}
	for key, want := range map[string]string{"a": "1", "b": `{"a":[1,{}]}`, "model": `"x\"y"`, "e😀": "null"} {
		if got[key] != want {
			t.Errorf("%s: %q, want %q", key, got[key], want)
		}
	}
	if len(got) != 4 {
		t.Errorf("%d members", len(got))
	}
}

func TestObjectRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", "{", "}", "{]", `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{"a":1}x`, `{"a":01}`, `{"a":1.}`, `{"a":+1}`, `{"a":.5}`,
		`{"a":"` + "\n" + `"}`, `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":tru}`, `{"a":1 "b":2}`, `{'a':1}`, `{"a":NaN}`, `{"a":"\`, `{"a":1e}`, "\x00",
	} {
		if _, _, err := Object([]byte(text), nil); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{`[]`, `"a"`, `1`, `null`} {
		if _, _, err := Object([]byte(text), nil); !errors.Is(err, ErrNotObject) {
			t.Errorf("%q: %v", text, err)
		}
	}
	deep := `{"a":` + strings.Repeat("[", 1<<20)
	if _, _, err := Object([]byte(deep), nil); !errors.Is(err, ErrDepth) {
		t.Errorf("a million brackets: %v", err)
	}
}

func FuzzObject(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":[true,null,"\u0041"],"c":{"d":-1.5e+3}}`, `{"a":"\ud83d\ude00"}`, `{"\ud83d":1}`, `[]`, `{`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _, err := Object(text, func(key []byte, start, end int) error {
			if !json.Valid(text[start:end]) {
				t.Errorf("the value %q is not JSON", text[start:end])
			}
			return nil
		})
		// Reading on the way is the same as reading first.
		walked := Document(text, func(_ []byte, start int) (int, error) {
			switch text[start] {
			case '{':
				return Walk(text, start, func([]byte, int) (int, error) { return 0, nil })
			case '[':
				return WalkArray(text, start, func(start int) (int, error) { return Skip(text, start) })
			}
			return 0, nil
		})
		if (walked == nil) != (err == nil) && !errors.Is(err, ErrDepth) {
			t.Errorf("%q: walked %v, scanned %v", text, walked, err)
		}
		if valid := json.Valid(text); valid != (err == nil || errors.Is(err, ErrNotObject)) && !errors.Is(err, ErrDepth) {
			t.Errorf("%q: encoding/json says %v, we say %v", text, valid, err)
		}
	})
}

func BenchmarkObject(b *testing.B) {
	text := []byte(`{"model":"gpt-4o-mini","messages":[{"role":"user","content":"` + strings.Repeat("hello world ", 400) + `"}],"stream":true}`)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Object(text, func([]byte, int, int) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
