package adaptertest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// Question is what a request asks for, in the words that every dialect has: what must not change in translation.
func Question(r *canonical.Request) string {
	var b strings.Builder
	for _, m := range r.Messages {
		for _, p := range m.Parts {
			switch p.Kind {
			case canonical.Text:
				fmt.Fprintf(&b, "%q ", p.Text)
			case canonical.Image, canonical.File, canonical.Audio:
				fmt.Fprintf(&b, "media(%s%s) ", p.Media.Data, p.Media.URL)
			case canonical.ToolCall:
				fmt.Fprintf(&b, "call(%s%s) ", p.Call.Name, compact(p.Call.JSONArguments()))
			case canonical.ToolResult:
				text, _ := result(p.Result.Parts)
				fmt.Fprintf(&b, "result(%s) ", text)
			}
		}
	}
	// Who has no word for one tool that must be called offers that one only.
	one := r.ToolChoice != nil && (r.ToolChoice.Mode == canonical.ToolNamed || r.ToolChoice.Mode == canonical.ToolRequired && len(r.Tools) == 1)
	for _, tool := range r.Tools {
		if !one || r.ToolChoice.Mode != canonical.ToolNamed || tool.Name == r.ToolChoice.Name {
			fmt.Fprintf(&b, "tool(%s) ", tool.Name)
		}
	}
	if r.ToolChoice != nil && r.ToolChoice.Mode != canonical.ToolAuto {
		mode := r.ToolChoice.Mode
		if one {
			mode = canonical.ToolNamed
		}
		fmt.Fprintf(&b, "choice(%s) ", mode)
	}
	if r.Format != nil {
		fmt.Fprintf(&b, "format(%s) ", compact(r.Format.Schema))
	}
	if r.Reasoning != nil {
		b.WriteString("reasoning ")
	}
	fmt.Fprintf(&b, "limit(%s) temperature(%s) stop(%q)", r.MaxOutputTokens, r.Temperature, r.Stop)
	return b.String()
}

// Mark is something of a request beside its words, that changes little and still is lost by name only: a signature, a cache mark, how
// closely an image is looked at, what a document or a speaker is called, that a tool failed, who the user is.
type Mark struct{ Field, Text string }

// plain cuts from a title what not every dialect may have in one: where a name is a file's, its end.
var plain = regexp.MustCompile(`[^A-Za-z0-9].*$`)

// Marks are those of a request.
func Marks(r *canonical.Request) (all []Mark) {
	add := func(field, kind, text string) {
		if text != "" {
			all = append(all, Mark{field, kind + " " + text})
		}
	}
	for i, m := range r.Messages {
		add(fmt.Sprintf("messages[%d].name", i), "name", m.Name)
		for _, p := range m.Parts {
			var one Answer
			one.add([]canonical.Part{p})
			for _, text := range one.Signatures {
				add(p.Field, "signature", text)
			}
			if p.Cache != nil {
				add(p.Field, "cache", cmp.Or(p.Cache.TTL, "5m"))
			}
			if p.Media != nil {
				add(p.Field, "detail", p.Media.Detail)
				add(p.Field, "title", plain.ReplaceAllString(cmp.Or(p.Media.Title, p.Media.Filename), ""))
				add(p.Field, "context", p.Media.Context)
			}
			if p.Result != nil {
				if text, failed := result(p.Result.Parts); failed || p.Result.IsError {
					add(p.Field, "failed", text)
				}
			}
		}
	}
	for _, tool := range r.Tools {
		if tool.Cache != nil {
			add(tool.Field, "cache", cmp.Or(tool.Cache.TTL, "5m"))
		}
		if tool.Strict != nil && *tool.Strict { // nothing is lost of what is not: that is what it is where there is no word for it
			add(tool.Field, "strict", tool.Name)
		}
	}
	add("user", "user", r.User)
	return all
}

// result is what a tool gave back, also where it stands in a document, and whether it says there that it failed, as Cohere has it.
func result(parts []canonical.Part) (text string, failed bool) {
	text, _ = canonical.PlainText(parts)
	for _, p := range parts {
		if p.Media != nil {
			text += p.Media.Text
		}
	}
	var failure struct {
		Error string `json:"error"`
	}
	if json.Unmarshal([]byte(text), &failure) == nil && failure.Error != "" {
		return failure.Error, true
	}
	return text, false
}
