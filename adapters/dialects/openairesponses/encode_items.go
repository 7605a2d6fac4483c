package openairesponses

import (
	"cmp"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

type outMessage struct {
	Type    string `json:"type,omitempty"`
	ID      string `json:"id,omitempty"`
	Role    string `json:"role"`
	Content any    `json:"content"`
}

type outCall struct {
	Type      string  `json:"type"`
	ID        string  `json:"id,omitempty"`
	Status    string  `json:"status,omitempty"`
	CallID    string  `json:"call_id"`
	Name      string  `json:"name"`
	Arguments *string `json:"arguments,omitempty"`
	Input     *string `json:"input,omitempty"`
}

// callItem writes a call of a function, or of a tool that takes free text.
func callItem(c *canonical.Call, arguments string) outCall {
	out := outCall{Type: "function_call", CallID: c.ID, Name: c.Name, Arguments: &arguments}
	if c.Custom {
		out.Type, out.Input, out.Arguments = "custom_tool_call", out.Arguments, nil
	}
	return out
}

type outResult struct {
	Type   string `json:"type"`
	CallID string `json:"call_id"`
	Output any    `json:"output"`
}

type outThought struct {
	Type      string       `json:"type"`
	ID        string       `json:"id,omitempty"`
	Status    string       `json:"status,omitempty"`
	Summary   []outContent `json:"summary"`
	Content   []outContent `json:"content,omitempty"`
	Encrypted string       `json:"encrypted_content,omitempty"`
}

type outContent struct {
	Type        string    `json:"type"`
	Text        *string   `json:"text,omitempty"`
	Refusal     *string   `json:"refusal,omitempty"`
	Annotations any       `json:"annotations,omitempty"`
	Logprobs    any       `json:"logprobs,omitempty"`
	ImageURL    string    `json:"image_url,omitempty"`
	Detail      string    `json:"detail,omitempty"`
	FileID      string    `json:"file_id,omitempty"`
	FileURL     string    `json:"file_url,omitempty"`
	FileData    string    `json:"file_data,omitempty"`
	Filename    string    `json:"filename,omitempty"`
	Audio       *outSound `json:"input_audio,omitempty"`
}

type outSound struct {
	Data   string `json:"data"`
	Format string `json:"format"`
}

// items writes one turn: each call, each result and each thought is an item of its own, and so is what was said between them.
func (e *encoder) items(m *canonical.Message) []any {
	w := itemWriter{encoder: e, role: m.Role, id: m.ID}
	for i := range m.Parts {
		w.part(&m.Parts[i])
	}
	w.flushThought()
	w.flush()
	if len(w.items) == 0 && !w.said {
		w.items = append(w.items, outMessage{Role: w.roleWord(), ID: w.id, Content: []any{}})
	}
	return w.items
}

// itemWriter writes the items of one turn.
type itemWriter struct {
	*encoder
	role    canonical.Role
	id      string
	items   []any
	content []any
	thought *outThought
	said    bool // something stood in it, though it may have found no place
}

func (w *itemWriter) roleWord() string {
	if w.role == canonical.ToolRole {
		return string(canonical.User) // what came back from tools beside their results
	}
	return string(w.role)
}

func (w *itemWriter) part(p *canonical.Part) {
	w.said = true
	w.loseIf(p.Signature != "", p.Field+".signature", true) // another provider's: it means nothing here
	w.loseIf(p.Cache != nil, p.Field+".cache_control", true)
	if p.Kind == canonical.Thinking {
		w.flush()
		w.think(p)
		return
	}
	w.flushThought()
	switch {
	case p.Kind == canonical.ToolCall:
		arguments := p.Call.Arguments
		if w.custom[p.Call.ID] = p.Call.Custom; arguments == "" && !p.Call.Custom {
			arguments = "{}"
		}
		w.add(callItem(p.Call, arguments))
	case p.Kind == canonical.ToolResult:
		w.add(w.result(p))
	case p.Kind == canonical.Foreign && p.Dialect == Name && !strings.Contains(p.Field, "."): // an item, not a part of one
		w.add(p.Raw)
	default:
		if c := w.encodeContent(p, w.role == canonical.Assistant); c != nil {
			w.content = append(w.content, c)
		}
	}
}

func (w *itemWriter) add(item any) {
	w.flush()
	w.items = append(w.items, item)
}

// flush writes what was said as a message.
func (w *itemWriter) flush() {
	if len(w.content) == 0 {
		return
	}
	m := outMessage{ID: w.id, Role: w.roleWord(), Content: flat(w.content)}
	if w.id != "" {
		m.Type = "message"
	}
	w.items = append(w.items, m)
	w.id, w.content = "", nil
}

// flat is content as most write it: a lone text without anything about it is a string.
func flat(content []any) any {
	if c, ok := content[0].(*outContent); ok && len(content) == 1 && c.Text != nil && c.Annotations == nil {
		return *c.Text
	}
	return content
}

// think writes what was thought. Only who thought it can read it, and asks for its own id or cipher: a plain text is not taken here, and
// neither is what another provider encrypted.
func (w *itemWriter) think(p *canonical.Part) {
	t := unsealThought(*p.Thought)
	if t.ID == "" {
		w.lose(p.Field, true)
		return
	}
	if w.thought != nil && (w.thought.ID != t.ID || w.thought.Encrypted != "") {
		w.flushThought()
	}
	if w.thought == nil {
		w.thought = &outThought{Type: "reasoning", ID: t.ID, Summary: []outContent{}}
	}
	switch {
	case t.Summary:
		w.thought.Summary = append(w.thought.Summary, outContent{Type: "summary_text", Text: &t.Text})
	case t.Text != "":
		w.thought.Content = append(w.thought.Content, outContent{Type: "reasoning_text", Text: &t.Text})
	}
	w.thought.Encrypted = t.Encrypted
}

func (w *itemWriter) flushThought() {
	if w.thought != nil {
		w.items = append(w.items, w.thought)
	}
	w.thought = nil
}

// result writes a tool's result: a text, or parts.
func (w *itemWriter) result(p *canonical.Part) outResult {
	r := p.Result
	w.loseIf(r.IsError, p.Field+".is_error", true)
	out := outResult{Type: "function_call_output", CallID: r.CallID, Output: ""}
	if r.Custom || w.custom[r.CallID] {
		out.Type = "custom_tool_call_output"
	}
	var content []any
	for i := range r.Parts {
		if c := w.encodeContent(&r.Parts[i], false); c != nil {
			content = append(content, c)
		}
	}
	if len(content) > 0 {
		out.Output = flat(content)
	}
	return out
}

// encodeContent writes one part of a message or a result; nil where it has no place.
func (e *encoder) encodeContent(p *canonical.Part, assistant bool) any {
	m := p.Media
	switch {
	case p.Kind == canonical.Text && assistant:
		c := &outContent{Type: "output_text", Text: &p.Text}
		if p.Citations != nil && p.Dialect == Name {
			c.Annotations = p.Citations
		}
		e.loseIf(p.Citations != nil && p.Dialect != Name, p.Field+".citations", true)
		return c
	case p.Kind == canonical.Text:
		e.loseIf(p.Citations != nil, p.Field+".citations", true)
		return &outContent{Type: "input_text", Text: &p.Text}
	case p.Kind == canonical.Refusal:
		return &outContent{Type: "refusal", Refusal: &p.Text}
	case p.Kind == canonical.Foreign && p.Dialect == Name:
		return p.Raw
	case p.Kind == canonical.Image && (m.AsURL() != "" || m.FileID != ""):
		return &outContent{Type: "input_image", ImageURL: m.AsURL(), FileID: m.FileID, Detail: m.Detail}
	case p.Kind == canonical.Audio && m.Data != "":
		return &outContent{Type: "input_audio", Audio: &outSound{m.Data, audioFormat(m.MIME)}}
	case p.Kind == canonical.File && m.Text != "":
		return &outContent{Type: "input_text", Text: &m.Text}
	case p.Kind == canonical.File && (m.AsURL() != "" || m.FileID != ""):
		c := &outContent{Type: "input_file", FileID: m.FileID, Filename: m.Filename}
		if m.Data != "" {
			c.FileData = m.AsURL()
			c.Filename = cmp.Or(m.Filename, m.Title, "document") // demanded beside file_data
		} else {
			c.FileURL = m.URL
		}
		return c
	}
	e.lose(p.Field, false)
	return nil
}
