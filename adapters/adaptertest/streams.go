package adaptertest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

func (s *suite) stream(t *testing.T) {
	stream := ReadStream(s.fixture["stream"])
	s.streams(stream.Type, []string{stream.String()}, false)
	g := s.call(t.Context(), t, true)
	s.facts(t, g)
	s.sameText(t, g)
}

// sameText: the stream says what the whole answer says, and nothing was put in or left out but the usage chunk.
func (s *suite) sameText(t *testing.T, g got) {
	t.Helper()
	stream := ReadStream(s.fixture["stream"])
	want, rest := "", g.body
	for _, event := range stream.Events {
		if !strings.HasPrefix(rest, event) && strings.Contains(event, `"choices":[]`) {
			continue
		}
		rest = strings.TrimPrefix(rest, event)
		want += event
	}
	if g.body != want {
		t.Errorf("the client got\n%q\nwant\n%q", g.body, want)
	}
	s.equalsBuffered(t, s.f.Dialect, g, s.fixture["answer"])
}

// equalsBuffered: a reader of the stream reads what one of the whole answer reads.
func (s *suite) equalsBuffered(t *testing.T, client adapters.Codec, g got, whole string) {
	t.Helper()
	want, err := ReadAnswer(client, []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	streamed, err := ReadStreamed(client, s.ask(t, client, "", true), g.Headers.Get("Content-Type"), []byte(g.body))
	if err != nil {
		t.Fatalf("%v in\n%s", err, g.body)
	}
	if fmt.Sprint(streamed) != fmt.Sprint(want) {
		t.Errorf("streamed %+v\nwhole    %+v", streamed, want)
	}
}

// bytewise: reads may end anywhere, in the middle of a rune too. Every client gets its text whole.
func (s *suite) bytewise(t *testing.T) {
	stream := ReadStream(s.fixture["stream"])
	pieces := make([]string, 0, len(stream.String()))
	for i := range len(stream.String()) {
		pieces = append(pieces, stream.String()[i:i+1])
	}
	s.streams(stream.Type, pieces, false)
	g := s.call(t.Context(), t, true)
	s.facts(t, g)
	s.sameText(t, g)
	for _, client := range s.f.Clients {
		g := s.send(t.Context(), t, s.ask(t, client, "", true))
		s.facts(t, g)
		read, err := ReadStreamed(client, s.ask(t, client, "", true), g.Headers.Get("Content-Type"), []byte(g.body))
		if err != nil || read.Text != "grüße 👋" || g.Headers.Get("Content-Type") == adapters.EventStream && !utf8.ValidString(g.body) {
			t.Errorf("%s: %+v, %v in\n%s", client.Name(), read, err, g.body)
		}
	}
}

func isFrames(s Stream) bool { return s.Type != adapters.EventStream }

// dressed: what is legal and says nothing changes nothing: comments between events, carriage returns, and, where the dialect has it,
// an array in place of events.
func (s *suite) dressed(t *testing.T) {
	stream := ReadStream(s.fixture["stream"])
	if isFrames(stream) {
		return
	}
	check := func(how, kind string, pieces []string) {
		t.Helper()
		s.streams(kind, pieces, false)
		for _, client := range append([]adapters.Codec{s.f.Dialect}, s.f.Clients...) {
			req := s.ask(t, client, "", true)
			if kind == jsonType && client == s.f.Dialect {
				req.RawQuery = "" // it asked for the array
			}
			g := s.send(t.Context(), t, req)
			s.facts(t, g)
			read, err := ReadStreamed(client, req, g.Headers.Get("Content-Type"), []byte(g.body))
			if err != nil || read.Text != "grüße 👋" || read.Finish != events.FinishStop {
				t.Errorf("%s, %s: %+v, %v in\n%s", how, client.Name(), read, err, g.body)
			}
		}
	}
	var commented, returns []string
	for _, event := range stream.Events {
		commented = append(commented, ": ping\n\n", event, "\n", ":\n\n")
		returns = append(returns, strings.ReplaceAll(event, "\n", "\r\n"))
	}
	check("comments", stream.Type, commented)
	check("carriage returns", stream.Type, returns)
	if scanner := s.f.Dialect.NewScanner(jsonType, bytes.NewReader(nil), nil, maxEvent); scanner != nil {
		array := "["
		for i, event := range stream.Events {
			if i > 0 {
				array += ",\r\n"
			}
			array += strings.TrimSpace(strings.TrimPrefix(event, "data: "))
		}
		check("array", jsonType, []string{array + "]"})
	}
}

// truncated: a stream that is cut is no success before it has said why it ends, wherever it is cut and however its connection dies;
// its usage is never called reported in full, and no client takes it for whole.
func (s *suite) truncated(t *testing.T) {
	stream := ReadStream(s.fixture["stream"])
	failed := 0
	for keep := range stream.Events {
		whole := strings.Join(stream.Events[:keep], "")
		for _, sent := range []string{whole, whole + stream.Events[keep][:len(stream.Events[keep])/2]} {
			for _, cut := range []bool{false, true} {
				s.streams(stream.Type, []string{sent}, cut)
				g := s.call(t.Context(), t, true)
				if g.err == nil && g.Outcome == adapters.OutcomeSuccess && g.NativeFinishReason != "" {
					continue // it had said all but its usage, or its last mark
				}
				failed++
				reported := g.Evidence == events.EvidenceReported && g.NativeFinishReason == ""
				if g.err == nil || g.Outcome == adapters.OutcomeSuccess || reported {
					t.Errorf("%d of %d events, cut %v: %v, evidence %s, %v", keep, len(stream.Events), cut, g.Outcome, g.Evidence, g.err)
				}
				if len(g.body) > 0 && (g.Usage == nil || g.Usage.InputTokens == 0) {
					t.Errorf("%d of %d events: content went out and the books have %+v", keep, len(stream.Events), g.Usage)
				}
			}
		}
	}
	if failed < 2*len(stream.Events) {
		t.Errorf("only %d cuts of %d events failed", failed, len(stream.Events))
	}
	for _, client := range s.f.Clients {
		s.streams(stream.Type, stream.Events[:len(stream.Events)/2+1], false)
		req := s.ask(t, client, "", true)
		g := s.send(t.Context(), t, req)
		if _, err := ReadStreamed(client, req, client.StreamType(req), []byte(g.body)); g.err == nil || err == nil {
			t.Errorf("%s takes a cut stream for whole: %v\n%s", client.Name(), g.err, g.body)
		}
	}
}

// endless: an event without an end is given up at the limit.
func (s *suite) endless(t *testing.T) {
	stream := ReadStream(s.fixture["stream"])
	begin := "data: "
	if isFrames(stream) {
		begin = ReadStream("contentBlockDelta: " + strings.Repeat("x", 4*maxEvent)).Events[0]
	}
	s.upstream = func(w http.ResponseWriter, r *http.Request) {
		s.header(w, stream.Type)
		_, _ = io.WriteString(w, begin)
		pour(w, r)
	}
	g := s.call(t.Context(), t, true)
	if g.err == nil || g.ErrorClass != events.ErrorMalformedResponse || len(g.body) > 0 {
		t.Errorf("%v %s, %v", g.Outcome, g.ErrorClass, g.err)
	}
}

// endlessAnswer: so is a whole answer.
func (s *suite) endlessAnswer(t *testing.T) {
	s.upstream = func(w http.ResponseWriter, r *http.Request) {
		s.header(w, jsonType)
		pour(w, r)
	}
	g := s.call(t.Context(), t, false)
	if g.err == nil || g.ErrorClass != events.ErrorMalformedResponse || len(g.body) > 0 {
		t.Errorf("%v %s, %v", g.Outcome, g.ErrorClass, g.err)
	}
}

// pour writes until nobody reads.
func pour(w http.ResponseWriter, r *http.Request) {
	filler := strings.Repeat("x", 4096)
	for r.Context().Err() == nil {
		if _, err := io.WriteString(w, filler); err != nil {
			return
		}
	}
}
