package cohere

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// wireMessage is a message of a request, or of an answer.
type wireMessage struct {
	Role       string            `json:"role"`
	Content    any               `json:"content,omitempty"` // a string, or []any of parts
	ToolPlan   string            `json:"tool_plan,omitempty"`
	ToolCalls  []wireCall        `json:"tool_calls,omitempty"`
	ToolCallID string            `json:"tool_call_id,omitempty"`
	Citations  []json.RawMessage `json:"citations,omitempty"`
}

type textPart struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type thinkingPart struct {
	Type     string `json:"type"`
	Thinking string `json:"thinking"`
}

type imagePart struct {
	Type  string `json:"type"`
	Image struct {
		URL    string `json:"url"`
		Detail string `json:"detail,omitempty"`
	} `json:"image_url"`
}

type documentPart struct {
	Type     string          `json:"type"`
	Document json.RawMessage `json:"document"`
}

type wireDocument struct {
	ID   string `json:"id,omitempty"`
	Data struct {
		Title   string `json:"title,omitempty"`
		Context string `json:"context,omitempty"`
		Text    string `json:"text,omitempty"`
		Error   string `json:"error,omitempty"`
	} `json:"data"`
}

type wireCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// message writes one message as one or several: each tool's result is one of its own here.
func (e *requestEncoder) message(i int, m *canonical.Message) {
	at := "messages" + index(i)
	e.loseIf(m.Name != "", at+".name", true)
	out := wireMessage{Role: string(m.Role)}
	if m.Role == canonical.Developer {
		out.Role = string(canonical.System)
	}
	var content []any
	flush := func() {
		if len(content) == 0 && len(out.ToolCalls) == 0 && out.ToolPlan == "" {
			return
		}
		out.Content = joined(content)
		e.out.Messages = append(e.out.Messages, out)
		out, content = wireMessage{Role: out.Role}, nil
	}
	plan := planOf(m)
	for j := range m.Parts {
		p := &m.Parts[j]
		field := p.Field
		if field == "" {
			field = at + ".content" + index(j)
		}
		e.loseIf(p.Cache != nil, field+".cache_control", true)
		e.loseIf(p.Signature != "", field+".signature", true)
		if p.Citations != nil {
			if p.Dialect == Name {
				_ = array(field, p.Citations, func(_ int, c []byte) error {
					out.Citations = append(out.Citations, c)
					return nil
				})
			} else {
				e.lose(field+".citations", true)
			}
		}
		switch {
		case p.Kind == canonical.ToolResult && p.Result != nil:
			flush()
			e.result(field, p.Result)
		case p.Kind == canonical.ToolCall && p.Call != nil && m.Role == canonical.Assistant:
			e.loseIf(p.Call.Custom, field, false)
			out.ToolCalls = append(out.ToolCalls, encodeCall(p.Call))
		case j == plan:
			out.ToolPlan = p.Text
		default:
			if part := e.part(field, m.Role, p); part != nil {
				content = append(content, part)
			}
		}
	}
	if len(m.Parts) == 0 {
		content = []any{textPart{Type: "text"}}
	}
	flush()
}

// planOf finds the text that stands before an assistant's calls: Cohere has a member for it. −1: there is none.
func planOf(m *canonical.Message) int {
	if m.Role != canonical.Assistant {
		return -1
	}
	for j := 1; j < len(m.Parts); j++ {
		before := &m.Parts[j-1]
		if m.Parts[j].Kind == canonical.ToolCall && before.Kind == canonical.Text && before.Text != "" {
			return j - 1
		}
	}
	return -1
}

// joined is content as Cohere's clients write it: one text is a string.
func joined(content []any) any {
	if len(content) == 0 {
		return nil
	}
	if text, ok := content[0].(textPart); ok && len(content) == 1 {
		return text.Text
	}
	return content
}

func encodeCall(c *canonical.Call) wireCall {
	out := wireCall{ID: c.ID, Type: "function"}
	out.Function.Name, out.Function.Arguments = c.Name, c.Arguments
	switch {
	case c.Custom:
		raw, _ := marshal(map[string]string{"input": c.Arguments})
		out.Function.Arguments = string(raw)
	case c.Arguments == "":
		out.Function.Arguments = "{}"
	}
	return out
}

// part writes a part of content; nil: it has no place, and is noted, or has moved elsewhere.
func (e *requestEncoder) part(field string, role canonical.Role, p *canonical.Part) any {
	switch p.Kind {
	case canonical.Text, canonical.Refusal:
		return textPart{Type: "text", Text: p.Text}
	case canonical.Thinking:
		if role == canonical.Assistant && p.Thought != nil && p.Thought.Text != "" {
			e.loseIf(p.Thought.Signature != "", field+".signature", true) // another provider's: it means nothing here
			return thinkingPart{Type: "thinking", Thinking: p.Thought.Text}
		}
		e.lose(field, true) // a thought that only the provider it came from can read
		return nil
	case canonical.Image:
		if part := encodeImage(p.Media); part != nil && role == canonical.User {
			return part
		}
	case canonical.File:
		if text, ok := documentText(p.Media); ok && role == canonical.User {
			e.out.Documents = append(e.out.Documents, encodeDocument(p, text))
			return nil
		}
	case canonical.Foreign:
		if p.Dialect == Name {
			return p.Raw
		}
	}
	e.lose(field, false)
	return nil
}

func encodeImage(m *canonical.Media) any {
	part := imagePart{Type: "image_url"}
	switch {
	case m == nil:
		return nil
	case m.URL != "":
		part.Image.URL = m.URL
	case m.Data != "":
		part.Image.URL = "data:" + m.MIME + ";base64," + m.Data
	default:
		return nil
	}
	part.Image.Detail = m.Detail
	return part
}

// documentText is the text of a document that has one: Cohere takes no other.
func documentText(m *canonical.Media) (string, bool) {
	switch {
	case m == nil:
		return "", false
	case m.Text != "":
		return m.Text, true
	}
	if m.Data != "" && strings.HasPrefix(m.MIME, "text/") {
		raw, err := base64.StdEncoding.DecodeString(m.Data)
		return string(raw), err == nil
	}
	return "", m.URL == "" && m.FileID == "" && m.Data == ""
}

func encodeDocument(p *canonical.Part, text string) json.RawMessage {
	if p.Raw != nil && p.Dialect == Name {
		return p.Raw
	}
	d := wireDocument{ID: p.Media.Filename}
	d.Data.Title, d.Data.Context, d.Data.Text = p.Media.Title, p.Media.Context, text
	raw, _ := marshal(d)
	return raw
}

// result writes what a tool gave back. That it failed is a part of what the model reads: there is no flag for it.
func (e *requestEncoder) result(field string, r *canonical.Result) {
	out := wireMessage{Role: "tool", ToolCallID: r.CallID}
	content := []any{}
	for j := range r.Parts {
		p := &r.Parts[j]
		at := p.Field
		if at == "" {
			at = field + ".content" + index(j)
		}
		e.loseIf(p.Cache != nil, at+".cache_control", true)
		text, isDocument := documentText(p.Media)
		switch {
		case p.Kind == canonical.Text && r.IsError:
			d := wireDocument{}
			d.Data.Error = p.Text
			raw, _ := marshal(d)
			content = append(content, documentPart{Type: "document", Document: raw})
		case p.Kind == canonical.Text:
			content = append(content, textPart{Type: "text", Text: p.Text})
		case p.Kind == canonical.File && isDocument:
			content = append(content, documentPart{Type: "document", Document: encodeDocument(p, text)})
		case p.Kind == canonical.Foreign && p.Dialect == Name:
			content = append(content, p.Raw)
		default:
			e.lose(at, false)
		}
	}
	if out.Content = joined(content); out.Content == nil {
		out.Content = ""
		e.loseIf(r.IsError, field+".is_error", false)
	}
	e.out.Messages = append(e.out.Messages, out)
}
