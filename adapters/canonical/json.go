package canonical

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
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

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string, as Marshal writes one: it is for what is written chunk by chunk.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = append(dst, s[from:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\b':
				dst = append(dst, '\\', 'b')
			case '\f':
				dst = append(dst, '\\', 'f')
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			from = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(append(dst, s[from:i]...), `\ufffd`...)
		case r == '\u2028', r == '\u2029': // no JavaScript would take them
			dst = append(append(dst, s[from:i]...), `\u202`...)
			dst = append(dst, hexDigits[r&15])
		default:
			i += size
			continue
		}
		i += size
		from = i
	}
	return append(append(dst, s[from:]...), '"')
}
