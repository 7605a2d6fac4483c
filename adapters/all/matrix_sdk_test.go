package all

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/google/go-cmp/cmp"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
)

// spoken is what an SDK's user sees of an answer.
type spoken struct {
	ID, Model, Finish, Text string
	Calls                   []string // name and arguments
	Input, Output           int64
}

// sdks decode an answer, whole or streamed, with the types of the dialect's official SDK.
var sdks = map[string]struct {
	whole  func(t *testing.T, body string) spoken
	stream func(t *testing.T, events []string) spoken
}{
	"openai_chat": {
		func(t *testing.T, body string) spoken {
			var c openai.ChatCompletion
			decode(t, body, &c)
			return fromOpenAI(c)
		},
		func(t *testing.T, events []string) spoken {
			var acc openai.ChatCompletionAccumulator
			for _, data := range events {
				if data == "[DONE]" {
					continue
				}
				var chunk openai.ChatCompletionChunk
				decode(t, data, &chunk)
				if !acc.AddChunk(chunk) {
					t.Fatalf("the SDK refuses the chunk %s", data)
				}
			}
			if events[len(events)-1] != "[DONE]" {
				t.Error("no [DONE]")
			}
			return fromOpenAI(acc.ChatCompletion)
		},
	},
	"openai_responses": {
		func(t *testing.T, body string) spoken {
			var r responses.Response
			decode(t, body, &r)
			return fromResponse(r)
		},
		streamedResponse,
	},
	"anthropic_messages": {
		func(t *testing.T, body string) spoken {
			var m anthropic.Message
			decode(t, body, &m)
			return fromAnthropic(m)
		},
		func(t *testing.T, events []string) spoken {
			var m anthropic.Message
			for _, data := range events {
				var e anthropic.MessageStreamEventUnion
				decode(t, data, &e)
				if err := m.Accumulate(e); err != nil {
					t.Fatalf("the SDK refuses %s: %v", data, err)
				}
			}
			return fromAnthropic(m)
		},
	},
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

func fromOpenAI(c openai.ChatCompletion) spoken {
	s := spoken{ID: c.ID, Model: c.Model, Input: c.Usage.PromptTokens, Output: c.Usage.CompletionTokens}
	if len(c.Choices) > 0 {
		s.Finish, s.Text = c.Choices[0].FinishReason, c.Choices[0].Message.Content
		for _, call := range c.Choices[0].Message.ToolCalls {
			s.Calls = append(s.Calls, call.Function.Name+compact(call.Function.Arguments))
		}
	}
	return s
}

func fromResponse(r responses.Response) spoken {
	s := spoken{
		ID: r.ID, Model: r.Model, Finish: string(r.Status) + r.IncompleteDetails.Reason, Text: r.OutputText(),
		Input: r.Usage.InputTokens, Output: r.Usage.OutputTokens,
	}
	for _, item := range r.Output {
		if item.Type == "function_call" {
			s.Calls = append(s.Calls, item.Name+compact(item.Arguments.OfString))
		}
	}
	return s
}

// streamedResponse reads a stream as one that trusts nothing but its events: what they build up, item by item, must be what the last one
// says as a whole.
func streamedResponse(t *testing.T, events []string) spoken {
	var text string
	var calls []string
	open, names, arguments := map[int64]string{}, map[int64]string{}, map[int64]string{}
	for i, data := range events {
		var e responses.ResponseStreamEventUnion
		decode(t, data, &e)
		if e.SequenceNumber != int64(i) {
			t.Errorf("event %d has number %d", i, e.SequenceNumber)
		}
		if strings.HasSuffix(e.Type, ".delta") && open[e.OutputIndex] != e.ItemID {
			t.Errorf("%s of %q, but item %d is %q", e.Type, e.ItemID, e.OutputIndex, open[e.OutputIndex])
		}
		switch e.Type {
		case "response.output_item.added":
			if e.OutputIndex != int64(len(open)) {
				t.Errorf("item %d comes as number %d", e.OutputIndex, len(open))
			}
			open[e.OutputIndex], names[e.OutputIndex] = e.Item.ID, e.Item.Name
		case "response.output_text.delta":
			text += e.Delta
		case "response.function_call_arguments.delta":
			arguments[e.OutputIndex] += e.Delta
		case "response.function_call_arguments.done":
			calls = append(calls, names[e.OutputIndex]+compact(arguments[e.OutputIndex]))
		case "response.completed", "response.incomplete":
			if i != len(events)-1 {
				t.Error("something comes behind the last event")
			}
			got := fromResponse(e.Response)
			if got.Text != text || !slices.Equal(got.Calls, calls) || len(e.Response.Output) != len(open) {
				t.Errorf("the events say %q and %v, the response %+v", text, calls, got)
			}
			return got
		}
	}
	t.Error("the response does not end")
	return spoken{}
}

func fromAnthropic(m anthropic.Message) spoken {
	s := spoken{ID: m.ID, Model: m.Model, Finish: string(m.StopReason), Input: m.Usage.InputTokens, Output: m.Usage.OutputTokens}
	for _, b := range m.Content {
		switch b.Type {
		case "text":
			s.Text += b.Text
		case "tool_use":
			s.Calls = append(s.Calls, b.Name+compact(string(b.Input)))
		}
	}
	return s
}

// compact takes the spaces out of arguments, which a model sets as it likes.
func compact(arguments string) string {
	if arguments == "" {
		return "{}"
	}
	var v any
	if json.Unmarshal([]byte(arguments), &v) != nil {
		return arguments
	}
	raw, _ := json.Marshal(v)
	return string(raw)
}

// data are the data of a stream's events.
func data(stream string) (events []string) {
	for line := range strings.Lines(stream) {
		if d, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "data: "); ok {
			events = append(events, d)
		}
	}
	return events
}

// TestTheSDKsReadTheMatrix reads every golden answer as a client would: it decodes, and its stream says what the whole says.
func TestTheSDKsReadTheMatrix(t *testing.T) {
	goldens, _ := filepath.Glob("testdata/matrix/golden/*.txtar")
	read := 0
	for _, path := range goldens {
		files := sections(t, path)
		for name, text := range files {
			client, rest, _ := strings.Cut(name, " to ")
			sdk, ok := sdks[client]
			if !ok || !strings.HasSuffix(rest, ", down") || strings.HasPrefix(text, "refused: ") {
				continue
			}
			t.Run(filepath.Base(path)+"/"+name, func(t *testing.T) {
				whole := sdk.whole(t, withoutDropped(text))
				if whole.ID == "" || whole.Model == "" || whole.Finish == "" || whole.Input == 0 || whole.Output == 0 {
					t.Errorf("something is missing: %+v", whole)
				}
				stream := files[strings.TrimSuffix(name, "down")+"stream"]
				if stream == "" {
					return
				}
				got := sdk.stream(t, data(withoutDropped(stream)))
				if client == "openai_chat" && got.Input == 0 {
					got.Input, got.Output = whole.Input, whole.Output // nobody asked for usage
				}
				if client == "anthropic_messages" {
					got.Input = whole.Input // the SDK takes it from message_start, where it is not known of every provider
				}
				if diff := cmp.Diff(whole, got); diff != "" {
					t.Errorf("−whole +streamed\n%s", diff)
				}
			})
			read++
		}
	}
	if read == 0 {
		t.Error("nothing was read")
	}
}

func withoutDropped(text string) string {
	if strings.HasPrefix(text, "dropped: ") {
		_, text, _ = strings.Cut(text, "\n")
	}
	return text
}

// unknownToSDKs are members of requests that vendors of the family have and the SDK's own types do not.
var unknownToSDKs = map[string]string{"reasoning_content": "DeepSeek's, and others'"}

// TestTheSDKsKnowWhatGoesUp reads every golden request to a provider with the types that its official SDK sends: written again, nothing is
// missing that stood in it.
func TestTheSDKsKnowWhatGoesUp(t *testing.T) {
	types := map[string]func() any{
		"openai_chat":        func() any { return &openai.ChatCompletionNewParams{} },
		"anthropic_messages": func() any { return &anthropic.MessageNewParams{} },
	}
	goldens, _ := filepath.Glob("testdata/matrix/golden/*.txtar")
	read := 0
	for _, path := range goldens {
		for name, text := range sections(t, path) {
			pair, up := strings.CutSuffix(name, ", up")
			_, provider, _ := strings.Cut(pair, " to ")
			make, known := types[provider]
			if !up || !known || strings.TrimSpace(text) == "" {
				continue
			}
			params := make()
			decode(t, text, params)
			again, err := json.Marshal(params)
			if err != nil {
				t.Fatal(err)
			}
			var sent, kept any
			decode(t, text, &sent)
			decode(t, string(again), &kept)
			for _, lost := range missing("", sent, kept) {
				t.Errorf("%s, %s: the SDK does not know %s", filepath.Base(path), name, lost)
			}
			read++
		}
	}
	if read < 40 {
		t.Errorf("only %d requests were read", read)
	}
}

// missing are the paths of what stands in a and not in b.
func missing(at string, a, b any) (lost []string) {
	switch a := a.(type) {
	case map[string]any:
		b, _ := b.(map[string]any)
		for name, value := range a {
			if _, ok := unknownToSDKs[name]; ok {
				continue
			}
			if inner, ok := b[name]; !ok {
				lost = append(lost, at+"."+name)
			} else {
				lost = append(lost, missing(at+"."+name, value, inner)...)
			}
		}
	case []any:
		b, _ := b.([]any)
		for i, value := range a {
			if i >= len(b) {
				lost = append(lost, at+"[]")
				break
			}
			lost = append(lost, missing(at, value, b[i])...)
		}
	default:
		if a != b {
			lost = append(lost, at)
		}
	}
	return lost
}
