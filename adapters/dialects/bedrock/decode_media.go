package bedrock

import (
	"encoding/json"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

var mediaKinds = map[string]canonical.PartKind{
	"image": canonical.Image, "video": canonical.Video, "audio": canonical.Audio, "document": canonical.File,
}

// source is where a medium's bytes are. Content is of documents: their text in chunks.
type source struct {
	Bytes *string `json:"bytes,omitempty"`
	Text  *string `json:"text,omitempty"`
	S3    *struct {
		URI   string `json:"uri"`
		Owner string `json:"bucketOwner,omitempty"`
	} `json:"s3Location,omitempty"`
	Content []struct {
		Text *string `json:"text,omitempty"`
	} `json:"content,omitempty"`
}

// decodeMedia reads an image, a video, a sound or a document. One that has what no other dialect could be told of (a bucket of
// another account, chunks that citations count, an error) stays foreign.
func decodeMedia(path, kind string, value []byte) (canonical.Part, error) {
	foreign := canonical.Part{Kind: canonical.Foreign}
	m := &canonical.Media{}
	var s source
	var format string
	known := true
	err := object(path, value, func(name string, value []byte) error {
		at := path + "." + name
		switch {
		case name == "format":
			err := readText(at, value, &format)
			m.MIME = mimeOf(kind, format)
			known = known && m.MIME != ""
			return err
		case name == "source":
			known = json.Unmarshal(value, &s) == nil && known
		case name == "name" && kind == "document":
			return readText(at, value, &m.Title)
		case name == "context" && kind == "document":
			return readText(at, value, &m.Context)
		case name == "citations" && kind == "document":
			return object(at, value, func(name string, value []byte) error {
				if name == "enabled" {
					return readSwitch(at+".enabled", value, &m.Cite)
				}
				known = false
				return nil
			})
		default:
			known = false
		}
		return nil
	})
	if err != nil || !known || !s.fill(m) {
		return foreign, err
	}
	if m.Text != "" && m.MIME == "" {
		m.MIME = "text/plain"
	}
	return canonical.Part{Kind: mediaKinds[kind], Media: m}, nil
}

func (s *source) fill(m *canonical.Media) bool {
	switch {
	case s.Bytes != nil:
		m.Data = *s.Bytes
		return m.Data != ""
	case s.Text != nil:
		m.Text = *s.Text
		return m.Text != ""
	case s.S3 != nil:
		m.URL = s.S3.URI
		return s.S3.Owner == "" && strings.HasPrefix(m.URL, "s3://")
	}
	if len(s.Content) > 1 && m.Cite {
		return false
	}
	chunks := make([]string, 0, len(s.Content))
	for _, c := range s.Content {
		if c.Text == nil {
			return false
		}
		chunks = append(chunks, *c.Text)
	}
	m.Text = strings.Join(chunks, "\n\n")
	return m.Text != ""
}
