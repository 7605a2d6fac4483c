package openairesponses

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

// contentPart is one of a message, of a tool's output, or of what was reasoned.
type contentPart struct {
	Type        string          `json:"type"`
	Text        string          `json:"text"`
	Refusal     string          `json:"refusal"`
	Annotations json.RawMessage `json:"annotations"`
	Logprobs    json.RawMessage `json:"logprobs"`
	ImageURL    string          `json:"image_url"`
	Detail      string          `json:"detail"`
	FileID      string          `json:"file_id"`
	FileURL     string          `json:"file_url"`
	FileData    string          `json:"file_data"`
	Filename    string          `json:"filename"`
	Audio       *struct {
		Data   string `json:"data"`
		Format string `json:"format"`
	} `json:"input_audio"`
}

// decodeContent reads a string, or parts.
func decodeContent(at string, raw json.RawMessage) ([]canonical.Part, error) {
	if canonical.Null(raw) {
		return nil, nil
	}
	if text, ok := jsonscan.String(raw); ok {
		return []canonical.Part{{Kind: canonical.Text, Text: text, Field: at}}, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, wrong(at, "must be a string or an array of parts")
	}
	parts := make([]canonical.Part, 0, len(list))
	for i, one := range list {
		field := fmt.Sprintf("%s[%d]", at, i)
		var kind struct {
			Type string `json:"type"`
		}
		if err := read(field, one, &kind); err != nil {
			return nil, err
		}
		var c contentPart
		p := canonical.Part{Kind: canonical.Foreign, Dialect: Name, Raw: one}
		if json.Unmarshal(one, &c) == nil {
			if known, ok := c.canonical(); ok {
				p = known
			}
		}
		p.Field = field
		parts = append(parts, p)
	}
	return parts, nil
}

func (c *contentPart) canonical() (canonical.Part, bool) {
	switch {
	case c.Type == "input_text" || c.Type == "output_text" || c.Type == "text":
		p := canonical.Part{Kind: canonical.Text, Text: c.Text}
		if !canonical.Null(c.Annotations) && string(c.Annotations) != "[]" {
			p.Citations, p.Dialect = c.Annotations, Name
		}
		return p, true
	case c.Type == "refusal":
		return canonical.Part{Kind: canonical.Refusal, Text: c.Refusal}, true
	case c.Type == "input_image" && c.ImageURL+c.FileID != "":
		m := located(c.ImageURL)
		m.FileID, m.Detail = c.FileID, c.Detail
		return canonical.Part{Kind: canonical.Image, Media: m}, true
	case c.Type == "input_file" && c.FileData+c.FileURL+c.FileID != "":
		m := located(c.FileURL)
		if c.FileData != "" {
			m = located(c.FileData)
			if m.URL != "" { // bare base64
				m = &canonical.Media{MIME: "application/pdf", Data: m.URL}
			}
		}
		m.FileID, m.Filename = c.FileID, c.Filename
		return canonical.Part{Kind: canonical.File, Media: m}, true
	case c.Type == "input_audio" && c.Audio != nil:
		return canonical.Part{Kind: canonical.Audio, Media: &canonical.Media{MIME: audioMIME(c.Audio.Format), Data: c.Audio.Data}}, true
	}
	return canonical.Part{}, false
}

// located is media by its URL, which may hold it.
func located(url string) *canonical.Media {
	if mime, data, ok := canonical.DataURL(url); ok {
		return &canonical.Media{MIME: mime, Data: data}
	}
	return &canonical.Media{URL: url}
}

func audioMIME(format string) string {
	if format == "mp3" {
		return "audio/mpeg"
	}
	return "audio/" + format
}

func audioFormat(mime string) string {
	switch format := strings.TrimPrefix(mime, "audio/"); format {
	case "mpeg":
		return "mp3"
	case "x-wav", "wave", "vnd.wave":
		return "wav"
	default:
		return format
	}
}
