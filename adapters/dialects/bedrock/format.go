package bedrock

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// formats pairs Bedrock's words for a file's format with MIME types; the first of a format is the one it is read as.
var formats = map[string][][2]string{
	"image": {
		{"png", "image/png"},
		{"jpeg", "image/jpeg"},
		{"jpeg", "image/jpg"},
		{"gif", "image/gif"},
		{"webp", "image/webp"},
	},
	"video": {
		{"mp4", "video/mp4"},
		{"mkv", "video/x-matroska"},
		{"mov", "video/quicktime"},
		{"webm", "video/webm"},
		{"flv", "video/x-flv"},
		{"mpeg", "video/mpeg"},
		{"wmv", "video/x-ms-wmv"},
		{"three_gp", "video/3gpp"},
		{"mpg", "video/mpg"},
	},
	"audio": {
		{"mp3", "audio/mpeg"},
		{"mp3", "audio/mp3"},
		{"wav", "audio/wav"},
		{"wav", "audio/x-wav"},
		{"aac", "audio/aac"},
		{"flac", "audio/flac"},
		{"ogg", "audio/ogg"},
		{"opus", "audio/opus"},
		{"m4a", "audio/m4a"},
		{"m4a", "audio/x-m4a"},
		{"mp4", "audio/mp4"},
		{"webm", "audio/webm"},
		{"mka", "audio/x-matroska"},
		{"pcm", "audio/pcm"},
		{"x-aac", "audio/x-aac"},
	},
	"document": {
		{"pdf", "application/pdf"},
		{"txt", "text/plain"},
		{"md", "text/markdown"},
		{"html", "text/html"},
		{"csv", "text/csv"},
		{"doc", "application/msword"},
		{"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
		{"xls", "application/vnd.ms-excel"},
		{"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
	},
}

// mimeOf returns the type of a format, or "" for one that is not known.
func mimeOf(kind, format string) string {
	for _, pair := range formats[kind] {
		if pair[0] == format {
			return pair[1]
		}
	}
	return ""
}

// formatOf returns Bedrock's word for a type. Where the type is not given, the data's first bytes say what it is: Bedrock refuses
// media without a format.
func formatOf(kind, mime, data string) string {
	if mime == "" && data != "" {
		head := data[:min(len(data), 684)&^3] // 512 bytes are looked at
		raw, _ := base64.StdEncoding.DecodeString(head)
		mime = http.DetectContentType(raw)
	}
	mime, _, _ = strings.Cut(strings.ToLower(mime), ";")
	mime = strings.TrimSpace(mime)
	for _, pair := range formats[kind] {
		if pair[1] == mime {
			return pair[0]
		}
	}
	return ""
}
