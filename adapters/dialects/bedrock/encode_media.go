package bedrock

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

var mediaWords = map[canonical.PartKind]string{
	canonical.Image: "image", canonical.Video: "video", canonical.Audio: "audio", canonical.File: "document",
}

// media writes an image, a video, a sound or a document. Bedrock fetches nothing but from S3, and takes no format that it does not
// know.
func (e *requestEncoder) media(p *canonical.Part) fields {
	m, kind := p.Media, mediaWords[p.Kind]
	e.loseIf(m.Detail != "" && m.Detail != "auto", p.Field+".detail", true)
	source := fields{}
	mime := m.MIME
	switch {
	case m.Data != "":
		source["bytes"] = m.Data
	case strings.HasPrefix(m.URL, "s3://"):
		source["s3Location"] = fields{"uri": m.URL}
	case m.Text != "" && kind == "document":
		source["text"] = m.Text
		if formatOf(kind, mime, "") == "" {
			mime = "text/plain"
		}
	default:
		e.lose(p.Field, false)
		return nil
	}
	format := formatOf(kind, mime, m.Data)
	if format == "" && mime == "" { // of an address, its ending may say it
		format = formatOf(kind, mimeOf(kind, strings.TrimPrefix(path.Ext(m.URL), ".")), "")
	}
	if format == "" {
		e.lose(p.Field, false)
		return nil
	}
	out := fields{"format": format, "source": source}
	if kind == "document" {
		out["name"] = e.documentName(m)
		if m.Context != "" {
			out["context"] = m.Context
		}
		if m.Cite {
			out["citations"] = fields{"enabled": true}
		}
	}
	return fields{kind: out}
}

const maxDocumentName = 190 // of 200, for a number behind it

// documentName is a name that Bedrock takes: of letters, digits, hyphens, brackets and single spaces, and no other document's. An
// underscore is not in its documentation, and was taken when it was tried.
func (e *requestEncoder) documentName(m *canonical.Media) string {
	name := m.Title
	if name == "" {
		name = strings.TrimSuffix(m.Filename, path.Ext(m.Filename))
	}
	name = strings.Map(func(c rune) rune {
		if c < 128 && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune(" -_()[]", c)) {
			return c
		}
		return '-'
	}, name)
	name = strings.Join(strings.Fields(name), " ")
	if name == "" {
		name = "document"
	}
	name = name[:min(len(name), maxDocumentName)]
	unique := name
	for n := 2; e.documents[unique]; n++ {
		unique = fmt.Sprintf("%s %d", name, n)
	}
	e.documents[unique] = true
	return unique
}

// wrap undoes unwrap.
func wrap(encrypted string) string {
	if blob, ok := strings.CutPrefix(encrypted, opaque); ok {
		return blob
	}
	return base64.StdEncoding.EncodeToString([]byte(encrypted))
}

// foreign is a block as it stood.
func foreign(raw json.RawMessage) fields {
	kind, inner, err := only("", raw)
	if err != nil {
		return nil
	}
	return fields{kind: json.RawMessage(inner)}
}

// arguments are the input of a call: an object always. What a model wrote that is none goes in one.
func arguments(text string) any {
	switch {
	case strings.TrimSpace(text) == "":
		return fields{}
	case json.Valid([]byte(text)) && strings.TrimSpace(text)[0] == '{':
		return json.RawMessage(text)
	}
	return fields{"input": text}
}
