package canonical

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Marshal writes v as JSON without escaping what HTML would need: a prompt stays as it was written. v is one of the encoders' own
// types, whose raw members have been read as JSON before, so that it cannot fail.
func Marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("canonical: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Null reports whether a member was not given, or given as null.
func Null(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// DataURL takes a data: URL apart; ok is false for any other, and for one that is not base64.
func DataURL(url string) (mime, data string, ok bool) {
	rest, ok := strings.CutPrefix(url, "data:")
	if !ok {
		return "", "", false
	}
	head, data, ok := strings.Cut(rest, ",")
	mime, coded := strings.CutSuffix(head, ";base64")
	mime, _, _ = strings.Cut(mime, ";")
	return mime, data, ok && coded
}

// AsURL is the media as a URL: its own, or its bytes as a data: URL; empty where it is neither.
func (m *Media) AsURL() string {
	switch {
	case m.URL != "":
		return m.URL
	case m.Data != "":
		return "data:" + m.MIME + ";base64," + m.Data
	}
	return ""
}

// JSONArguments are a call's arguments as a JSON value: an object, {} where the model wrote nothing. Text that is not JSON, as of a call
// that was cut off, becomes a string, so that what is written around it is JSON.
func (c *Call) JSONArguments() json.RawMessage {
	text := strings.TrimSpace(c.Arguments)
	switch {
	case text == "":
		return json.RawMessage("{}")
	case json.Valid([]byte(text)):
		return json.RawMessage(text)
	}
	return Marshal(c.Arguments)
}

// PlainText joins the text of parts; others are left out, and named by their kinds.
func PlainText(parts []Part) (text string, others []PartKind) {
	var b strings.Builder
	for _, p := range parts {
		if p.Kind == Text || p.Kind == Refusal {
			b.WriteString(p.Text)
		} else {
			others = append(others, p.Kind)
		}
	}
	return b.String(), others
}
