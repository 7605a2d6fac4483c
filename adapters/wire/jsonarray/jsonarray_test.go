package jsonarray

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/tollhouse/tollhouse/adapters/wire"
)

type event struct{ Name, Raw, Data string }

// read returns all events; those without a name are joined, since they come as they are read.
func read(r io.Reader, limit int) ([]event, error) {
	s := NewScanner(r, make([]byte, 0, 16), limit)
	var all []event
	add := func(e wire.Event) {
		if n := len(all); e.Name == "" && n > 0 && all[n-1].Name == "" {
			all[n-1].Raw += string(e.Raw)
			return
		}
		all = append(all, event{e.Name, string(e.Raw), string(e.Data)})
	}
	for {
		for e, ok := s.Ready(); ok; e, ok = s.Ready() {
			add(e)
		}
		if err := s.Fill(); err != nil {
			if e, ok := s.Rest(); ok {
				add(e)
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return all, err
		}
	}
}

func TestElementsComeAsTheyStand(t *testing.T) {
	for stream, want := range map[string][]event{
		"[{\"a\":1}\n,\n{\"b\":\"}]\\\"\"}\n]\n": {
			{Element, "[{\"a\":1}", `{"a":1}`},
			{Element, "\n,\n{\"b\":\"}]\\\"\"}", `{"b":"}]\""}`},
			{Close, "\n]", ""},
			{"", "\n", ""},
		},
		"[]":                  {{Close, "[]", ""}},
		" {\"error\":{}} ":    {{Single, ` {"error":{}}`, `{"error":{}}`}, {"", " ", ""}},
		`[1, "a]",[[2]],nu`:   {{Element, "[1", "1"}, {Element, `, "a]"`, `"a]"`}, {Element, ",[[2]]", "[[2]]"}, {"", ",nu", ""}},
		`[{"cut":"off`:        {{"", `[{"cut":"off`, ""}},
		"":                    nil,
		`[{"a":"\\"},{"b":1}`: {{Element, `[{"a":"\\"}`, `{"a":"\\"}`}, {Element, `,{"b":1}`, `{"b":1}`}},
	} {
		for _, r := range []io.Reader{strings.NewReader(stream), iotest.OneByteReader(strings.NewReader(stream))} {
			got, err := read(r, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s:\n%s", stream, diff)
			}
		}
	}
}

func TestAnElementOverTheLimitIsAnError(t *testing.T) {
	if _, err := read(io.MultiReader(strings.NewReader(`[{"a":"`), zeros{}), 1<<16); !errors.Is(err, wire.ErrTooLong) {
		t.Error(err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte("0"), len(p))), nil }

func FuzzScanner(f *testing.F) {
	for _, s := range []string{
		`[{"a":1},{"b":[{}]}]`, `{"error":{"code":1}}`, "[\n{\"t\":\"\\\"]\"}\r\n,\r\n{}]  ", `[}`, `]`, `[1,2 3,"x",null]`, `[[`, `,`, `[{"a`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole, err := read(bytes.NewReader(stream), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		pieces, err := read(iotest.OneByteReader(bytes.NewReader(stream)), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(whole, pieces); diff != "" {
			t.Errorf("split reads differ:\n%s", diff)
		}
		var all strings.Builder
		var elements []string
		for _, e := range whole {
			all.WriteString(e.Raw)
			if e.Name == Element {
				elements = append(elements, e.Data)
			}
		}
		if all.String() != string(stream) {
			t.Errorf("%q became %q", stream, all.String())
		}
		var want []json.RawMessage
		if len(stream) == 0 || json.Unmarshal(stream, &want) != nil || want == nil {
			return
		}
		if len(want) != len(elements) {
			t.Fatalf("%q has %d elements, got %q", stream, len(want), elements)
		}
		for i := range want {
			if string(want[i]) != elements[i] {
				t.Errorf("element %d is %q, want %q", i, elements[i], want[i])
			}
		}
	})
}
