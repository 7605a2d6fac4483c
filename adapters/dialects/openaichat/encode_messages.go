package openaichat

import (
	"cmp"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

type outMessage struct {
	Role       string    `json:"role"`
	Name       string    `json:"name,omitempty"`
	Content    any       `json:"content,omitempty"`
	Refusal    string    `json:"refusal,omitempty"`
	ToolCalls  []outCall `json:"tool_calls,omitempty"`
	ToolCallID string    `json:"tool_call_id,omitempty"`
	Audio      *fileRef  `json:"audio,omitempty"`
	// Thoughts, for the family's vendors that have them.
	ReasoningContent string `json:"reasoning_content,omitempty"`
}

type fileRef struct {
	ID string `json:"id"`
}

type outCall struct {
	Index    *int          `json:"index,omitempty"`
	ID       string        `json:"id,omitempty"`
	Type     string        `json:"type,omitempty"`
	Function *outFunction  `json:"function,omitempty"`
	Custom   *outCustom    `json:"custom,omitempty"`
	Extra    *extraContent `json:"extra_content,omitempty"`
}

type outFunction struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

type outCustom struct {
	Name  string `json:"name"`
	Input string `json:"input"`
}

func encodeCall(p canonical.Part) outCall {
	c := p.Call
	out := outCall{ID: c.ID, Type: "function", Function: &outFunction{Name: c.Name, Arguments: c.Arguments}}
	switch {
	case c.Custom:
		out.Type, out.Function, out.Custom = "custom", nil, &outCustom{Name: c.Name, Input: c.Arguments}
	case c.Arguments == "":
		out.Function.Arguments = "{}"
	}
	out.Extra = signed(p.Signature)
	return out
}

func signed(signature string) *extraContent {
	if signature == "" {
		return nil
	}
	x := &extraContent{}
	x.Google.ThoughtSignature = signature
	return x
}

// message writes one message, as several where tool results stand in it: each is a message of its own here, before all else that was
// said with it, and right behind the calls that it answers.
func (e *encoder) message(m canonical.Message) []outMessage {
	var out []outMessage
	rest := outMessage{Role: string(m.Role), Name: m.Name}
	var content []any
	for _, p := range m.Parts {
		switch p.Kind {
		case canonical.ToolResult:
			result, media := e.result(p)
			out = append(out, result)
			content = append(content, media...)
		case canonical.ToolCall:
			if p.Signature != "" {
				e.lose(p.Field+".signature", true) // Gemini's: nobody else knows it
			}
			p.Signature = ""
			rest.ToolCalls = append(rest.ToolCalls, encodeCall(p))
		case canonical.Thinking:
			rest.ReasoningContent += p.Thought.Text
			if p.Thought.Signature != "" || p.Thought.Encrypted != "" {
				e.lose(p.Field+".signature", true)
			}
		case canonical.Refusal:
			rest.Refusal += p.Text
		case canonical.Audio:
			if p.Media.FileID != "" && m.Role == canonical.Assistant {
				rest.Audio = &fileRef{p.Media.FileID}
				continue
			}
			content = e.add(content, p)
		default:
			content = e.add(content, p)
		}
	}
	if m.Role == canonical.ToolRole {
		rest.Role = string(canonical.User) // media that came back from tools
	}
	rest.Content = flat(content)
	if rest.Content == nil && rest.ToolCalls == nil && rest.Refusal == "" && rest.Audio == nil && rest.ReasoningContent == "" && len(out) > 0 {
		return out
	}
	if rest.Content == nil && rest.ToolCalls == nil && rest.Audio == nil && rest.Refusal == "" {
		rest.Content = ""
	}
	return append(out, rest)
}

// flat is content as most write it: a lone text without anything about it is a string.
func flat(content []any) any {
	if len(content) == 0 {
		return nil
	}
	if t, ok := content[0].(textPart); ok && len(content) == 1 {
		return t.Text
	}
	return content
}

type textPart struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type mediaPart struct {
	Type  string    `json:"type"`
	Image *imageURL `json:"image_url,omitempty"`
	Video *imageURL `json:"video_url,omitempty"`
	Audio *sound    `json:"input_audio,omitempty"`
	File  *document `json:"file,omitempty"`
}

type imageURL struct {
	URL    string `json:"url"`
	Detail string `json:"detail,omitempty"`
}

type sound struct {
	Data   string `json:"data"`
	Format string `json:"format"`
}

type document struct {
	ID       string `json:"file_id,omitempty"`
	Data     string `json:"file_data,omitempty"`
	Filename string `json:"filename,omitempty"`
}

// add writes one part of content.
func (e *encoder) add(content []any, p canonical.Part) []any {
	if p.Cache != nil {
		e.lose(p.Field+".cache_control", true)
	}
	if p.Citations != nil {
		e.lose(p.Field+".citations", true)
	}
	if p.Signature != "" {
		e.lose(p.Field+".signature", true)
	}
	m := p.Media
	switch {
	case p.Kind == canonical.Text:
		return append(content, textPart{"text", p.Text})
	case p.Kind == canonical.Foreign && p.Dialect == Name:
		return append(content, p.Raw)
	case p.Kind == canonical.Image && m.AsURL() != "":
		return append(content, mediaPart{Type: "image_url", Image: &imageURL{m.AsURL(), m.Detail}})
	case p.Kind == canonical.Video && m.AsURL() != "":
		return append(content, mediaPart{Type: "video_url", Video: &imageURL{URL: m.AsURL()}})
	case p.Kind == canonical.Audio && m.Data != "":
		return append(content, mediaPart{Type: "input_audio", Audio: &sound{m.Data, audioFormat(m.MIME)}})
	case p.Kind == canonical.File && m.Text != "":
		return append(content, textPart{"text", m.Text})
	case p.Kind == canonical.File && (m.FileID != "" || m.Data != ""):
		d := &document{ID: m.FileID, Filename: m.Filename}
		if m.Data != "" {
			d.Data = m.AsURL()
			if d.Filename == "" {
				d.Filename = cmp.Or(m.Title, "document") // demanded beside file_data
			}
		}
		return append(content, mediaPart{Type: "file", File: d})
	}
	e.lose(p.Field, false)
	return content
}

// result writes a tool's result. This dialect's take text only: what else a tool gave back stands in the user's turn behind it.
func (e *encoder) result(p canonical.Part) (outMessage, []any) {
	r := p.Result
	if r.IsError {
		e.lose(p.Field+".is_error", true)
	}
	if p.Cache != nil {
		e.lose(p.Field+".cache_control", true)
	}
	var text, media []any
	for _, part := range r.Parts {
		if part.Kind == canonical.Text || part.Kind == canonical.File && part.Media.Text != "" {
			text = e.add(text, part) // a document of words too, as Cohere has results
		} else {
			media = e.add(media, part)
		}
	}
	out := outMessage{Role: "tool", ToolCallID: r.CallID, Content: flat(text)}
	if out.Content == nil {
		out.Content = ""
	}
	return out, media
}
