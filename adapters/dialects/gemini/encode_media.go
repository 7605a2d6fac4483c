package gemini

import (
	"cmp"
	"encoding/base64"
	"mime"
	"net/url"
	"path"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// media writes an image, a sound, a video or a document, or names it as lost.
func (e *encoder) media(p *canonical.Part) *object {
	m := p.Media
	e.loseIf(m.Detail == "low" || m.Detail == "high", p.Field+".detail", true)
	e.loseIf(m.Cite, p.Field+".citations", false)
	e.loseIf(m.Title != "", p.Field+".title", true)
	e.loseIf(m.Context != "", p.Field+".context", false)
	e.loseIf(m.Filename != "", p.Field+".filename", true)
	uri := m.URL
	if isGoogles(m.FileID) {
		uri = m.FileID
	}
	o := &object{}
	switch {
	case m.Text != "":
		o.at("inlineData.mimeType", "text/plain")
		o.at("inlineData.data", base64.StdEncoding.EncodeToString([]byte(m.Text)))
	case uri != "":
		if kind := mimeOf(m.MIME, uri); kind != "" {
			o.at("fileData.mimeType", kind)
		}
		o.at("fileData.fileUri", uri)
	case m.FileID != "": // another provider's
		e.lose(p.Field, false)
		return nil
	default:
		o.at("inlineData.mimeType", cmp.Or(m.MIME, fallback[p.Kind]))
		o.at("inlineData.data", m.Data)
	}
	return o
}

// fallback is what data are taken for that say nothing of themselves.
var fallback = map[canonical.PartKind]string{
	canonical.Image: "image/png", canonical.Audio: "audio/wav", canonical.Video: "video/mp4", canonical.File: "application/pdf",
}

// mimeOf guesses what is behind an address that comes without its kind: Vertex wants one.
func mimeOf(given, uri string) string {
	if given != "" {
		return given
	}
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	kind, _, _ := strings.Cut(mime.TypeByExtension(strings.ToLower(path.Ext(u.Path))), ";")
	return kind
}
