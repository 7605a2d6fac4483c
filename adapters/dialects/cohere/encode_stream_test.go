package cohere

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/events"
)

// Streams of other dialects have more than Cohere's: what has no place is left out without breaking what is counted, and the usage
// is what the facts say at the end.
func TestAStreamOfAnother(t *testing.T) {
	part := func(p canonical.Part) *canonical.Part { return &p }
	for name, c := range map[string]struct {
		events []canonical.Event
		want   []string // type, index and what is in the delta
	}{
		"nothing": {nil, []string{
			`message-start`, `message-end "COMPLETE" 3 2`,
		}},
		"an image between texts": {[]canonical.Event{
			{Kind: canonical.PartBegin, Part: part(canonical.Part{Kind: canonical.Text, Text: "a"})},
			{Kind: canonical.PartEnd},
			{Kind: canonical.PartBegin, Index: 1, Part: part(canonical.Part{Kind: canonical.Image, Media: &canonical.Media{URL: "u"}})},
			{Kind: canonical.PartDelta, Index: 1, Text: "lost"},
			{Kind: canonical.PartEnd, Index: 1},
			{Kind: canonical.PartBegin, Index: 2, Part: part(canonical.Part{Kind: canonical.Refusal})},
			{Kind: canonical.PartDelta, Index: 2, Text: "b"},
			{Kind: canonical.PartEnd, Index: 2},
			{Kind: canonical.Finish, StopSequence: "END"},
		}, []string{
			`message-start`, `content-start 0 "text"`, `content-delta 0 "a"`, `content-end 0`, `content-start 1 "text"`, `content-delta 1 "b"`, `content-end 1`,
			`message-end "STOP_SEQUENCE" 3 2`,
		}},
		"thoughts that come with signatures": {[]canonical.Event{
			{Kind: canonical.Start},
			{Kind: canonical.PartBegin, Part: part(canonical.Part{Kind: canonical.Thinking, Thought: &canonical.Thought{Text: "h"}})},
			{Kind: canonical.PartDelta, Part: part(canonical.Part{Kind: canonical.Thinking, Thought: &canonical.Thought{Text: "m", Signature: "s"}})},
			{Kind: canonical.PartEnd},
			{Kind: canonical.PartBegin, Index: 1, Part: part(canonical.Part{Kind: canonical.ToolCall, Call: &canonical.Call{ID: "c", Name: "f", Arguments: "{"}})},
			{Kind: canonical.PartDelta, Index: 1, Text: "}"},
			{Kind: canonical.PartEnd, Index: 1},
			{Kind: canonical.Finish, Finish: events.FinishToolCalls},
		}, []string{
			`message-start`, `content-start 0 "thinking"`, `content-delta 0 "h"`, `content-delta 0 "m"`, `content-end 0`,
			`tool-call-start 0 "c" "f"`, `tool-call-delta 0 "{"`, `tool-call-delta 0 "}"`, `tool-call-end 0`, `message-end "TOOL_CALL" 3 2`,
		}},
		"another choice, another's citations": {[]canonical.Event{
			{Kind: canonical.PartBegin, Part: part(canonical.Part{Kind: canonical.Text})},
			{Kind: canonical.PartDelta, Choice: 1, Text: "lost"},
			{Kind: canonical.PartDelta, Part: part(canonical.Part{Kind: canonical.Text, Citations: []byte(`[{}]`), Dialect: "anthropic_messages"})},
			{Kind: canonical.PartEnd},
			{Kind: canonical.Finish, Choice: 1, Finish: events.FinishLength},
			{Kind: canonical.Finish, Finish: events.FinishRefusal},
		}, []string{`message-start`, `content-start 0 "text"`, `content-end 0`, `message-end "COMPLETE" 3 2`}},
	} {
		t.Run(name, func(t *testing.T) {
			facts := &adapters.ProviderResponse{}
			encoder := Dialect{}.NewStreamEncoder(&adapters.RequestContext{ID: "req_1"}, facts)
			var out []byte
			for i := range c.events {
				out = encoder.Event(out, &c.events[i])
			}
			facts.Usage = &events.Usage{InputTokens: 3, OutputTokens: 2}
			if diff := cmp.Diff(c.want, summary(t, encoder.End(out))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	ping := Dialect{}.NewStreamEncoder(&adapters.RequestContext{}, &adapters.ProviderResponse{}).Event(nil, &canonical.Event{Kind: canonical.Ping})
	if string(ping) != ": ping\n\n" {
		t.Errorf("a ping is %q", ping)
	}
}

var billed = regexp.MustCompile(`"billed_units":\{"input_tokens":(\d+),"output_tokens":(\d+)`)

// summary is one line an event: what tells it from others of its type.
func summary(t *testing.T, stream []byte) (lines []string) {
	each(stream, func(name string, data []byte) {
		if name == "" {
			return // [DONE]
		}
		line := name
		var d delta
		err := object("", data, func(name string, value []byte) error {
			switch name {
			case "index":
				line += " " + string(value)
			case "delta":
				return d.read(value)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%v in %s", err, data)
		}
		if name == "tool-call-start" {
			d.kind = ""
		}
		for _, s := range []string{d.kind, d.id, d.name, d.text, d.arguments, d.finish} {
			if s != "" {
				line += ` "` + s + `"`
			}
		}
		if m := billed.FindSubmatch(data); m != nil {
			line += " " + string(m[1]) + " " + string(m[2])
		}
		lines = append(lines, line)
	})
	if !strings.HasSuffix(string(stream), "data: [DONE]\n\n") {
		t.Error("there is no [DONE]")
	}
	return lines
}
