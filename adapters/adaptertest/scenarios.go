package adaptertest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// scenario: a client of the provider's own dialect gets every byte through, both ways; one of another the same meaning; and what was
// streamed is what was said whole.
func (s *suite) scenario(t *testing.T, name string) {
	in := archive(t, s.f.Scenarios, name+".txtar")
	own := s.f.Dialect.Name()
	if in[own+".request"] == "" || in[own+".answer"] == "" || s.f.Stream && in[own+".stream"] == "" {
		t.Fatalf("the scenario has nothing of %s", own)
	}
	t.Run("own dialect", func(t *testing.T) { s.native(t, name, in) })
	for _, client := range s.f.Clients {
		if in[client.Name()+".request"] != "" {
			t.Run(client.Name(), func(t *testing.T) { s.translated(t, client, in) })
		}
	}
}

func (s *suite) native(t *testing.T, name string, in map[string]string) {
	own := s.f.Dialect
	answer := in[own.Name()+".answer"]
	want, err := ReadAnswer(own, []byte(answer))
	if err != nil {
		t.Fatal(err)
	}
	s.answer(answer)
	req := s.ask(t, own, in[own.Name()+".request"], false)
	g := s.send(t.Context(), t, req)
	if g.err != nil || g.Outcome != adapters.OutcomeSuccess || g.body != answer || g.FinishReason != want.Finish {
		t.Errorf("%v %s, %v; the client got\n%s", g.Outcome, g.FinishReason, g.err, g.body)
	}
	s.verbatim(t, req.Body)
	s.expected(t, name, want)
	s.secondTurn(t, own, req, g.body)
	if !s.f.Stream {
		return
	}
	stream := ReadStream(in[own.Name()+".stream"])
	s.streams(stream.Type, stream.Events, false)
	req = s.ask(t, own, in[own.Name()+".request"], true)
	g = s.send(t.Context(), t, req)
	if g.err != nil || g.Outcome != adapters.OutcomeSuccess || g.FinishReason != want.Finish {
		t.Errorf("streamed: %v %s, %v", g.Outcome, g.FinishReason, g.err)
	}
	s.verbatim(t, req.Body)
	s.equalsBuffered(t, own, g, answer)
	if pieces := mostPieces(t, own, req, g); name == "tools" && s.f.Pieces && pieces < 2 {
		t.Errorf("the arguments of a call come in %d pieces", pieces)
	}
}

// expected holds against the fixtures that they show what the scenario is about.
func (s *suite) expected(t *testing.T, name string, a Answer) {
	t.Helper()
	switch {
	case name == "tool" && len(a.Calls) != 1, name == "tools" && (len(a.Calls) < 2 || a.Finish != events.FinishToolCalls),
		name == "thinking" && a.Thoughts == "",
		name == "thinking" && s.f.Signatures && len(a.Signatures) == 0,
		name == "schema" && !strings.HasPrefix(a.Text, "{"):
		t.Errorf("the answer shows no %s: %+v", name, a)
	}
}

// verbatim: every member of the client's request went up as its bytes, but for the model and the wish for a stream.
func (s *suite) verbatim(t *testing.T, body []byte) {
	t.Helper()
	_, _, err := jsonscan.Object(body, func(key []byte, start, end int) error {
		switch string(key) {
		case "model", "stream", "stream_options":
			return nil
		}
		if member := body[start:end]; !bytes.Contains(s.body, member) {
			t.Errorf("%s did not go up as it was:\n%s\nin\n%s", key, member, s.body)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// mostPieces is how many pieces the longest call of a stream came in.
func mostPieces(t *testing.T, c adapters.Codec, req *adapters.RequestContext, g got) (most int) {
	scanner := c.NewScanner(g.Headers.Get("Content-Type"), strings.NewReader(g.body), nil, len(g.body)+1)
	reader, decoder := c.NewStreamReader(req, &adapters.ProviderResponse{}), c.NewStreamDecoder()
	call, pieces := false, 0
	for {
		e, ok := scanner.Ready()
		if !ok {
			if scanner.Fill() != nil {
				return most
			}
			continue
		}
		if _, err := reader.Event(e.Name, e.Data); err != nil {
			t.Fatal(err)
		}
		err := decoder.Event(e.Name, e.Data, func(e *canonical.Event) {
			switch {
			case e.Kind == canonical.PartBegin:
				call, pieces = e.Part.Call != nil, 0
			case e.Kind == canonical.PartDelta && call && e.Text != "":
				pieces++
				most = max(most, pieces)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// translated: another dialect's client asks the same and reads the same, or is refused by the name of a field of its own.
func (s *suite) translated(t *testing.T, client adapters.Codec, in map[string]string) {
	answer := in[s.f.Dialect.Name()+".answer"]
	want, err := ReadAnswer(s.f.Dialect, []byte(answer))
	if err != nil {
		t.Fatal(err)
	}
	s.answer(answer)
	req := s.ask(t, client, in[client.Name()+".request"], false)
	g := s.send(t.Context(), t, req)
	if refused(t, g) {
		if s.seen != nil {
			t.Error("it went up and was refused")
		}
		return
	}
	if g.err != nil || g.Outcome != adapters.OutcomeSuccess {
		t.Fatalf("%v, %v", g.Outcome, g.err)
	}
	s.sameQuestion(t, client, req, g.Dropped)
	whole, err := ReadAnswer(client, []byte(g.body))
	if err != nil || !whole.Same(want) {
		t.Errorf("the client reads %+v\nof          %+v, %v", whole, want, err)
	}
	s.secondTurn(t, client, req, g.body)
	if !s.f.Stream {
		return
	}
	stream := ReadStream(in[s.f.Dialect.Name()+".stream"])
	s.streams(stream.Type, stream.Events, false)
	req = s.ask(t, client, in[client.Name()+".request"], true)
	g = s.send(t.Context(), t, req)
	streamed, err := ReadStreamed(client, req, g.Headers.Get("Content-Type"), []byte(g.body))
	if err = cmp.Or(g.err, err); err != nil || !streamed.Same(want) || fmt.Sprint(streamed.Signatures) != fmt.Sprint(whole.Signatures) {
		t.Errorf("streamed %+v\nof       %+v, %v\n%s", streamed, want, err, g.body)
	}
}

// refused reports whether a request was refused for what cannot be carried, by name.
func refused(t *testing.T, g got) bool {
	var e *adapters.Error
	if !errors.As(g.err, &e) || e.Code != adapters.CodeUnsupportedFeature {
		return false
	}
	if e.Param == "" || !strings.Contains(e.Message, e.Param) {
		t.Errorf("refused, and not by name: %v", e)
	}
	return true
}

// Same compares what every dialect has words for.
func (a Answer) Same(b Answer) bool {
	return a.Text == b.Text && a.Thoughts == b.Thoughts && slices.Equal(a.Calls, b.Calls) && a.Finish == b.Finish
}

// sameQuestion: what went up asks for what the client asked for.
func (s *suite) sameQuestion(t *testing.T, client adapters.Codec, req *adapters.RequestContext, dropped []string) {
	t.Helper()
	asked, err := client.DecodeRequest(req)
	if err != nil {
		t.Fatal(err)
	}
	up := s.went(t)
	if a, b := Question(asked), Question(up); a != b {
		t.Errorf("asked   %s\nwent up %s\ndropped %q", a, b, dropped)
	}
}

// went decodes what went up.
func (s *suite) went(t *testing.T) *canonical.Request {
	t.Helper()
	up := &adapters.RequestContext{Dialect: s.f.Dialect, Operation: adapters.OperationChat, Body: s.body}
	var err error
	if up.Inspection, err = s.f.Dialect.Inspect(adapters.OperationChat, strings.TrimSpace(s.fixture["path"]), s.body); err != nil {
		t.Fatal(err)
	}
	r, err := s.f.Dialect.DecodeRequest(up)
	if err != nil {
		t.Fatalf("%v in %s", err, s.body)
	}
	return r
}

// secondTurn: the client says back what it was told, as it was told, with the results of the tools that were called. Signatures that it
// holds come back to the provider, or are named; results answer their calls.
func (s *suite) secondTurn(t *testing.T, client adapters.Codec, first *adapters.RequestContext, told string) {
	t.Helper()
	held, err := ReadAnswer(client, []byte(told))
	if err != nil {
		t.Fatal(err)
	}
	body, err := turn(client, first.Body, []byte(told))
	if err != nil {
		t.Fatal(err)
	}
	g := s.send(t.Context(), t, s.ask(t, client, string(body), false))
	if g.err != nil || g.Outcome != adapters.OutcomeSuccess {
		t.Fatalf("second turn: %v, %v", g.Outcome, g.err)
	}
	var up Answer
	answered := 0
	for _, m := range s.went(t).Messages {
		up.add(m.Parts)
		for _, p := range m.Parts {
			if p.Kind == canonical.ToolResult {
				answered++
			}
		}
	}
	named := slices.ContainsFunc(g.Dropped, func(field string) bool { return strings.HasSuffix(field, "signature") })
	for _, signature := range held.Signatures {
		if !slices.Contains(up.Signatures, signature) && !named {
			t.Errorf("second turn: the signature %q went lost: %s", signature, s.body)
		}
	}
	if client == s.f.Dialect && named {
		t.Errorf("second turn: %q of the provider's own were dropped", g.Dropped)
	}
	for _, call := range held.Calls {
		if !slices.Contains(up.Calls, call) {
			t.Errorf("second turn: the call %s went lost: %s", call, s.body)
		}
	}
	if answered < len(held.Calls) {
		t.Errorf("second turn: %d calls and %d results", len(held.Calls), answered)
	}
}
