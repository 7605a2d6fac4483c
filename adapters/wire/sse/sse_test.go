package sse

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tollhouse/tollhouse/adapters/wire"

	"github.com/google/go-cmp/cmp"
)

type event struct{ Raw, Name, Data string }

// read reads everything as the gateway does: what is ready first, then one read more.
func read(r io.Reader, limit int) (events []event, err error) {
	s := NewScanner(r, make([]byte, 0, 64), limit)
	for {
		for e, ok := s.Ready(); ok; e, ok = s.Ready() {
			events = append(events, event{string(e.Raw), e.Name, string(e.Data)})
		}
		if err := s.Fill(); err == io.EOF {
			for e, ok := s.Ready(); ok; e, ok = s.Ready() {
				events = append(events, event{string(e.Raw), e.Name, string(e.Data)})
			}
			if e, ok := s.Rest(); ok {
				events = append(events, event{string(e.Raw), e.Name, string(e.Data)})
			}
			return events, nil
		} else if err != nil {
			return events, err
		}
	}
}

func TestEvents(t *testing.T) {
	cases := []struct {
		name, stream string
		want         []event
	}{
		{"one", "data: a\n\n", []event{{"data: a\n\n", "", "a"}}},
		{"no space", "data:a\n\n", []event{{"data:a\n\n", "", "a"}}},
		{"named", "event: ping\ndata: {}\n\n", []event{{"event: ping\ndata: {}\n\n", "ping", "{}"}}},
		{"CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", []event{{"data: a\r\n\r\n", "", "a"}, {"data: b\r\n\r\n", "", "b"}}},
		{"CR", "data: a\r\rdata: b\r\r", []event{{"data: a\r\r", "", "a"}, {"data: b\r\r", "", "b"}}},
		{"several data lines", "data: a\ndata: b\ndata:\n\n", []event{{"data: a\ndata: b\ndata:\n\n", "", "a\nb\n"}}},
		{"comment", ": ping\n\ndata: a\n\n", []event{{": ping\n\n", "", ""}, {"data: a\n\n", "", "a"}}},
		{"comment inside", ": x\nid: 7\ndata: a\n\n", []event{{": x\nid: 7\ndata: a\n\n", "", "a"}}},
		{"blank lines", "\n\ndata: a\n\n", []event{{"\n", "", ""}, {"\n", "", ""}, {"data: a\n\n", "", "a"}}},
		{"cut", "data: a\n\ndata: b", []event{{"data: a\n\n", "", "a"}, {"data: b", "", "b"}}},
		{"cut behind the line", "data: [DONE]\n", []event{{"data: [DONE]\n", "", "[DONE]"}}},
		{"a colon in the data", "data: a: b\n\n", []event{{"data: a: b\n\n", "", "a: b"}}},
		{"a rune", "data: é😀\n\n", []event{{"data: é😀\n\n", "", "é😀"}}},
		{"long", "data: " + strings.Repeat("x", 9000) + "\n\n", []event{{"data: " + strings.Repeat("x", 9000) + "\n\n", "", strings.Repeat("x", 9000)}}},
	}
	for _, c := range cases {
		for how, r := range map[string]io.Reader{
			"whole": strings.NewReader(c.stream), "by bytes": iotest.OneByteReader(strings.NewReader(c.stream)),
			"halves": iotest.HalfReader(strings.NewReader(c.stream)), "error with data": iotest.DataErrReader(strings.NewReader(c.stream)),
		} {
			got, err := read(r, 1<<20)
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%s, %s: %v\n%s", c.name, how, err, diff)
			}
		}
	}
}

func TestAnEndlessLineIsRefused(t *testing.T) {
	_, err := read(io.LimitReader(endless{}, 100<<20), 64<<10)
	if !errors.Is(err, wire.ErrTooLong) {
		t.Errorf("%v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte("x"), len(p))), nil }

func FuzzScanner(f *testing.F) {
	for _, s := range []string{"data: a\n\n", "event: x\r\ndata: 1\r\ndata: 2\r\n\r\n", ": c\n\n", "data: a\r\rdata", "\r\n\r\n\n\r"} {
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
		for _, e := range whole {
			all.WriteString(e.Raw)
		}
		if all.String() != string(stream) {
			t.Errorf("%q became %q", stream, all.String())
		}
	})
}

func BenchmarkEvent(b *testing.B) {
	one := "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}]}\n\n"
	stream := strings.Repeat(one, 1000)
	buf := make([]byte, 0, 32<<10)
	b.ReportAllocs()
	b.SetBytes(int64(len(one)))
	for n := 0; n < b.N; {
		s := NewScanner(strings.NewReader(stream), buf, 1<<20)
		for s.Fill() == nil {
			for _, ok := s.Ready(); ok; _, ok = s.Ready() {
				n++
			}
		}
	}
}
