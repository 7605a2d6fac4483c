package anthropic

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

// block is one piece of content, of a request or an answer.
type block struct {
	Type      string          `json:"type"`
	Text      *string         `json:"text,omitempty"`
	Thinking  *string         `json:"thinking,omitempty"`
	Signature *string         `json:"signature,omitempty"`
	Data      string          `json:"data,omitempty"`
	Source    *source         `json:"source,omitempty"`
	Title     string          `json:"title,omitempty"`
	Context   string          `json:"context,omitempty"`
	ID        string          `json:"id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"`
	ToolUseID string          `json:"tool_use_id,omitempty"`
	Content   json.RawMessage `json:"content,omitempty"`
	IsError   bool            `json:"is_error,omitempty"`
	Citations json.RawMessage `json:"citations,omitempty"`
	Cache     *cacheControl   `json:"cache_control,omitempty"`
}

type source struct {
	Type      string `json:"type"`
	MediaType string `json:"media_type,omitempty"`
	Data      string `json:"data,omitempty"`
	URL       string `json:"url,omitempty"`
	FileID    string `json:"file_id,omitempty"`
}

// decodeBlocks reads content: a string, or blocks.
func decodeBlocks(at string, raw json.RawMessage) ([]canonical.Part, error) {
	if canonical.Null(raw) {
		return nil, nil
	}
	if text, ok := jsonscan.String(raw); ok {
		return []canonical.Part{{Kind: canonical.Text, Text: text, Field: at}}, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, wrong(at, "must be a string or an array of blocks")
	}
	parts := make([]canonical.Part, 0, len(list))
	for i, item := range list {
		field := fmt.Sprintf("%s.%d", at, i)
		p, err := decodeBlock(field, item)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return parts, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func decodeBlock(field string, raw json.RawMessage) (canonical.Part, error) {
	p := canonical.Part{Kind: canonical.Foreign, Dialect: Name, Raw: raw, Field: field}
	var b block
	if err := json.Unmarshal(raw, &b); err != nil {
		return p, wrong(field, "is not a content block")
	}
	as := func(kind canonical.PartKind) canonical.Part {
		return canonical.Part{Kind: kind, Field: field, Cache: b.Cache.canonical()}
	}
	switch b.Type {
	case "text":
		p = as(canonical.Text)
		p.Text = text(b.Text)
		if !canonical.Null(b.Citations) && string(b.Citations) != "[]" {
			p.Citations, p.Dialect = b.Citations, Name
		}
	case "thinking":
		p = as(canonical.Thinking)
		p.Thought = &canonical.Thought{Text: text(b.Thinking), Signature: text(b.Signature)}
	case "redacted_thinking":
		p = as(canonical.Thinking)
		p.Thought = &canonical.Thought{Encrypted: b.Data}
	case "image", "document":
		m, ok := b.media()
		if !ok {
			return p, nil
		}
		kind := canonical.Image
		if b.Type == "document" {
			kind = canonical.File
		}
		p = as(kind)
		p.Media = m
	case "tool_use":
		p = as(canonical.ToolCall)
		p.Call = &canonical.Call{ID: b.ID, Name: b.Name, Arguments: string(b.Input)}
	case "tool_result":
		inner, err := decodeBlocks(field+".content", b.Content)
		if err != nil {
			return p, err
		}
		p = as(canonical.ToolResult)
		p.Result = &canonical.Result{CallID: b.ToolUseID, Parts: inner, IsError: b.IsError}
	}
	return p, nil
}

func (b *block) media() (*canonical.Media, bool) {
	m := &canonical.Media{Title: b.Title, Context: b.Context}
	if len(b.Citations) > 0 {
		var c struct {
			Enabled bool `json:"enabled"`
		}
		m.Cite = json.Unmarshal(b.Citations, &c) == nil && c.Enabled
	}
	if b.Source == nil {
		return nil, false
	}
	switch s := b.Source; s.Type {
	case "base64":
		m.MIME, m.Data = s.MediaType, s.Data
	case "url":
		m.URL = s.URL
	case "file":
		m.FileID = s.FileID
	case "text":
		m.MIME, m.Text = s.MediaType, s.Data
	default:
		return nil, false
	}
	return m, true
}

// encodeBlock writes one part; ok is false for what has no place here.
func encodeBlock(p canonical.Part) (raw json.RawMessage, ok bool) {
	b := block{Cache: marked(p.Cache)}
	switch p.Kind {
	case canonical.Text, canonical.Refusal:
		b.Type, b.Text = "text", &p.Text
		if p.Dialect == Name {
			b.Citations = p.Citations
		}
	case canonical.Thinking:
		if b.Type = "thinking"; p.Thought.Encrypted != "" {
			b.Type, b.Data = "redacted_thinking", p.Thought.Encrypted
			break
		}
		b.Thinking, b.Signature = &p.Thought.Text, &p.Thought.Signature
		b.Cache = nil
	case canonical.Image, canonical.File:
		if b.Source = sourceOf(p.Media, p.Kind); b.Source == nil {
			return nil, false
		}
		if b.Type = "image"; p.Kind == canonical.File {
			b.Type, b.Title, b.Context = "document", p.Media.Title, p.Media.Context
			if b.Title == "" {
				b.Title = p.Media.Filename
			}
			if p.Media.Cite {
				b.Citations = json.RawMessage(`{"enabled":true}`)
			}
		}
	case canonical.ToolCall:
		b.Type, b.ID, b.Name, b.Input = "tool_use", p.Call.ID, p.Call.Name, object(p.Call.JSONArguments())
	case canonical.Foreign:
		return p.Raw, p.Dialect == Name
	default:
		return nil, false
	}
	return canonical.Marshal(b), true
}

// object is what input must be here: arguments that are no object, as of a tool that takes free text, become a member of one.
func object(arguments json.RawMessage) json.RawMessage {
	if arguments[0] == '{' {
		return arguments
	}
	return canonical.Marshal(map[string]json.RawMessage{"input": arguments})
}

func sourceOf(m *canonical.Media, kind canonical.PartKind) *source {
	switch {
	case m.FileID != "":
		return &source{Type: "file", FileID: m.FileID}
	case m.Text != "":
		return &source{Type: "text", MediaType: "text/plain", Data: m.Text}
	case m.Data != "" && kind == canonical.File && strings.HasPrefix(m.MIME, "text/"):
		plain, err := base64.StdEncoding.DecodeString(m.Data)
		if err != nil {
			return nil
		}
		return &source{Type: "text", MediaType: "text/plain", Data: string(plain)}
	case m.Data != "" && (kind == canonical.Image || m.MIME == "application/pdf"):
		return &source{Type: "base64", MediaType: m.MIME, Data: m.Data}
	case m.URL != "":
		return &source{Type: "url", URL: m.URL}
	}
	return nil
}
