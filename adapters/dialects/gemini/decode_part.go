package gemini

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// member is a member of an object, by its path.
type member struct {
	name  string
	value []byte
}

// decodePart reads a part of a request or of an answer. extra is what its kind has no word for.
func decodePart(value []byte, at string) (p canonical.Part, extra []member, err error) {
	p.Field = at
	var data member
	thought := false
	err = fields(value, at, func(name string, value []byte) (err error) {
		switch name {
		case "thought":
			thought, err = boolean(value, at+".thought")
		case "thoughtSignature":
			p.Signature, err = text(value, at+".thoughtSignature")
		case "videoMetadata", "mediaResolution", "partMetadata":
			extra = append(extra, member{at + "." + name, value})
		default:
			data = member{name, value}
		}
		return err
	})
	if err != nil {
		return p, extra, err
	}
	below := at + "." + data.name
	switch data.name {
	case "text", "": // a part may hold nothing but a signature
		p.Kind = canonical.Text
		if data.name != "" {
			p.Text, err = text(data.value, below)
		}
		if thought {
			p.Kind, p.Thought = canonical.Thinking, &canonical.Thought{Text: p.Text, Signature: p.Signature, Summary: true}
			p.Text, p.Signature = "", ""
		}
	case "inlineData":
		p.Media, err = decodeMedia(data.value, below, &extra)
		p.Kind = kindOf(p.Media.MIME)
	case "fileData":
		p.Media, err = decodeMedia(data.value, below, &extra)
		p.Kind = kindOf(p.Media.MIME)
	case "functionCall":
		p.Kind = canonical.ToolCall
		p.Call, err = decodeCall(data.value, below, &extra)
	case "functionResponse":
		p.Kind = canonical.ToolResult
		p.Result, err = decodeResult(data.value, below, &extra)
	default: // executableCode, codeExecutionResult, toolCall, toolResponse
		p.Kind, p.Raw, p.Dialect = canonical.Foreign, clone(value), Name
	}
	return p, extra, err
}

func kindOf(mime string) canonical.PartKind {
	switch kind, _, _ := strings.Cut(mime, "/"); kind {
	case "image":
		return canonical.Image
	case "audio":
		return canonical.Audio
	case "video":
		return canonical.Video
	}
	return canonical.File
}

// decodeMedia reads inlineData or fileData.
func decodeMedia(value []byte, at string, extra *[]member) (*canonical.Media, error) {
	m := &canonical.Media{}
	err := fields(value, at, func(name string, value []byte) (err error) {
		switch name {
		case "mimeType":
			m.MIME, err = text(value, at+".mimeType")
		case "data":
			m.Data, err = text(value, at+".data")
			m.Data = standard(m.Data)
		case "displayName":
			m.Filename, err = text(value, at+".displayName")
		case "fileUri":
			var uri string
			if uri, err = text(value, at+".fileUri"); isGoogles(uri) {
				m.FileID = uri
			} else {
				m.URL = uri
			}
		default:
			*extra = append(*extra, member{at + "." + name, value})
		}
		return err
	})
	return m, err
}

// isGoogles tells a file that only Google can read from one that anybody can.
func isGoogles(uri string) bool {
	return strings.HasPrefix(uri, "gs://") || strings.HasPrefix(uri, "https://generativelanguage.googleapis.com/")
}

// standard returns base64 in the standard alphabet, padded. Google takes the one for URLs too.
func standard(data string) string {
	if strings.ContainsAny(data, "-_") {
		data = strings.NewReplacer("-", "+", "_", "/").Replace(data)
	}
	if n := len(data) % 4; n > 1 {
		data += "=="[:4-n]
	}
	return data
}

func decodeCall(value []byte, at string, extra *[]member) (*canonical.Call, error) {
	c := &canonical.Call{Arguments: "{}"}
	err := fields(value, at, func(name string, value []byte) (err error) {
		switch name {
		case "id":
			c.ID, err = text(value, at+".id")
		case "name":
			c.Name, err = text(value, at+".name")
		case "args":
			c.Arguments = compact(value)
		default:
			*extra = append(*extra, member{at + "." + name, value})
		}
		return err
	})
	return c, err
}

// decodeResult reads what a function gave back. Google's convention is the member output for a result, error for a failure; any
// other object is the result itself.
func decodeResult(value []byte, at string, extra *[]member) (*canonical.Result, error) {
	r := &canonical.Result{}
	said := canonical.Part{Kind: canonical.Text, Field: at + ".response"}
	var media []canonical.Part
	err := fields(value, at, func(name string, value []byte) (err error) {
		switch name {
		case "id":
			r.CallID, err = text(value, at+".id")
		case "name":
			r.Name, err = text(value, at+".name")
		case "response":
			said.Text, r.IsError = readResponse(value)
		case "parts":
			return items(value, at+".parts", func(i int, value []byte) error {
				p, more, err := decodePart(value, fmt.Sprintf("%s.parts[%d]", at, i))
				*extra = append(*extra, more...)
				media = append(media, p)
				return err
			})
		default:
			*extra = append(*extra, member{at + "." + name, value})
		}
		return err
	})
	r.Parts = append([]canonical.Part{said}, media...)
	return r, err
}

func readResponse(value []byte) (said string, failed bool) {
	var o map[string]json.RawMessage
	if json.Unmarshal(value, &o) != nil || len(o) != 1 {
		return compact(value), false
	}
	if err, ok := o["error"]; ok && string(err) != "null" {
		var s string
		if json.Unmarshal(err, &s) == nil {
			return s, true
		}
		return compact(err), true
	}
	var s string
	if output, ok := o["output"]; ok && json.Unmarshal(output, &s) == nil && string(output) != "null" {
		return s, false
	}
	return compact(value), false
}
