package openaichat

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

var _ adapters.Codec = Dialect{}

// wrong is the error for a member that is not what it must be.
func wrong(field string, what any) error { return adapters.InvalidRequest(field, "%s %v", field, what) }

// read decodes one member's value.
func read(field string, value json.RawMessage, into any) error {
	if err := json.Unmarshal(value, into); err != nil {
		return wrong(field, "is not what it must be")
	}
	return nil
}

// DecodeRequest reads a chat request into the canonical model.
func (Dialect) DecodeRequest(req *adapters.RequestContext) (*canonical.Request, error) {
	r := &canonical.Request{Model: req.Model, Stream: req.Stream}
	var err error
	_, _, scanErr := jsonscan.Object(req.Body, func(key []byte, start, end int) error {
		value := json.RawMessage(req.Body[start:end])
		if string(value) != "null" {
			err = decodeMember(r, string(key), value)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if scanErr != nil {
		return nil, asInvalid(scanErr)
	}
	return r, nil
}

// decodeMember reads one member of the body.
func decodeMember(r *canonical.Request, name string, value json.RawMessage) error {
	number := func(to *json.Number) error { return read(name, value, to) }
	switch name {
	case "model", "stream", "stream_options":
		return nil // known already
	case "messages":
		return decodeMessages(r, value)
	case "tools":
		return decodeTools(r, value)
	case "functions":
		return decodeFunctions(r, value)
	case "tool_choice", "function_call":
		return decodeToolChoice(r, name, value)
	case "parallel_tool_calls":
		return read(name, value, &r.ParallelTools)
	case "response_format":
		return decodeFormat(r, value)
	case "max_tokens", "max_completion_tokens":
		return number(&r.MaxOutputTokens)
	case "temperature":
		return number(&r.Temperature)
	case "top_p":
		return number(&r.TopP)
	case "top_k":
		return number(&r.TopK)
	case "min_p":
		return number(&r.MinP)
	case "frequency_penalty":
		return number(&r.FrequencyPenalty)
	case "presence_penalty":
		return number(&r.PresencePenalty)
	case "seed":
		return number(&r.Seed)
	case "n":
		return number(&r.N)
	case "stop":
		if value[0] == '"' {
			r.Stop = make([]string, 1)
			return read(name, value, &r.Stop[0])
		}
		return read(name, value, &r.Stop)
	case "logprobs":
		return read(name, value, &r.Logprobs)
	case "top_logprobs":
		return number(&r.TopLogprobs)
	case "reasoning_effort":
		reasoning(r)
		return read(name, value, &r.Reasoning.Effort)
	case "verbosity":
		return read(name, value, &r.Verbosity)
	case "modalities":
		return read(name, value, &r.Modalities)
	case "audio":
		r.Audio = &canonical.AudioOutput{}
		return read(name, value, r.Audio)
	case "service_tier":
		return read(name, value, &r.ServiceTier)
	case "user", "safety_identifier":
		return read(name, value, &r.User)
	case "metadata":
		return read(name, value, &r.Metadata)
	case "prompt_cache_key":
		return read(name, value, &r.PromptCacheKey)
	}
	hint := name == "store" || name == "prompt_cache_retention"
	r.Others = append(r.Others, canonical.Other{Dialect: Name, Name: name, Value: value, Hint: hint})
	return nil
}

func reasoning(r *canonical.Request) {
	if r.Reasoning == nil {
		r.Reasoning = &canonical.Reasoning{}
	}
}

type message struct {
	Role       string          `json:"role"`
	Name       string          `json:"name"`
	Content    json.RawMessage `json:"content"`
	Refusal    string          `json:"refusal"`
	ToolCalls  []call          `json:"tool_calls"`
	ToolCallID string          `json:"tool_call_id"`
	Function   *function       `json:"function_call"`
	Audio      *struct {
		ID string `json:"id"`
	} `json:"audio"`
	// Thoughts, as the family's vendors name them.
	ReasoningContent string `json:"reasoning_content"`
	Reasoning        string `json:"reasoning"`
}

type function struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

type call struct {
	Index    *int      `json:"index"`
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Function *function `json:"function"`
	Custom   *struct {
		Name  string `json:"name"`
		Input string `json:"input"`
	} `json:"custom"`
	Extra *extraContent `json:"extra_content"`
}

// extraContent is where Gemini's thought signatures travel in this dialect.
type extraContent struct {
	Google struct {
		ThoughtSignature string `json:"thought_signature"`
	} `json:"google"`
}

// arguments are JSON text in a string; some vendors write the object itself.
func arguments(raw json.RawMessage) string {
	if s, ok := jsonscan.String(raw); ok {
		return s
	}
	if canonical.Null(raw) {
		return ""
	}
	return string(raw)
}

func (c call) canonical() *canonical.Call {
	switch {
	case c.Custom != nil:
		return &canonical.Call{ID: c.ID, Name: c.Custom.Name, Arguments: c.Custom.Input, Custom: true}
	case c.Function != nil:
		return &canonical.Call{ID: c.ID, Name: c.Function.Name, Arguments: arguments(c.Function.Arguments)}
	}
	return &canonical.Call{ID: c.ID}
}

func (c call) part(field string) canonical.Part {
	p := canonical.Part{Kind: canonical.ToolCall, Call: c.canonical(), Field: field}
	if c.Extra != nil {
		p.Signature = c.Extra.Google.ThoughtSignature
	}
	return p
}

func decodeMessages(r *canonical.Request, value json.RawMessage) error {
	var all []message
	if err := read("messages", value, &all); err != nil {
		return err
	}
	for i, m := range all {
		out, err := m.canonical(fmt.Sprintf("messages[%d]", i))
		if err != nil {
			return err
		}
		r.Messages = append(r.Messages, out)
	}
	return nil
}

// legacyID names the one call that a message of the old kind can have.
func legacyID(function string) string { return "call_" + function }

func (m message) canonical(at string) (canonical.Message, error) {
	out := canonical.Message{Role: canonical.Role(m.Role), Name: m.Name}
	if thought := m.ReasoningContent + m.Reasoning; thought != "" {
		out.Parts = append(out.Parts, canonical.Part{
			Kind: canonical.Thinking, Thought: &canonical.Thought{Text: thought}, Field: at + ".reasoning_content",
		})
	}
	parts, err := decodeContent(at+".content", m.Content)
	if err != nil {
		return out, err
	}
	switch m.Role {
	case "system", "developer", "user", "assistant":
	case "tool", "function":
		id := m.ToolCallID
		if m.Role == "function" {
			id, out.Role = legacyID(m.Name), canonical.ToolRole
		}
		out.Name = ""
		out.Parts = []canonical.Part{{
			Kind: canonical.ToolResult, Field: at,
			Result: &canonical.Result{CallID: id, Name: m.Name, Parts: parts},
		}}
		return out, nil
	default:
		return out, wrong(at+".role", "must be system, developer, user, assistant or tool")
	}
	out.Parts = append(out.Parts, parts...)
	if m.Refusal != "" {
		out.Parts = append(out.Parts, canonical.Part{Kind: canonical.Refusal, Text: m.Refusal, Field: at + ".refusal"})
	}
	if m.Audio != nil {
		out.Parts = append(out.Parts, canonical.Part{Kind: canonical.Audio, Media: &canonical.Media{FileID: m.Audio.ID}, Field: at + ".audio"})
	}
	for k, c := range m.ToolCalls {
		out.Parts = append(out.Parts, c.part(fmt.Sprintf("%s.tool_calls[%d]", at, k)))
	}
	if m.Function != nil {
		c := call{ID: legacyID(m.Function.Name), Function: m.Function}
		out.Parts = append(out.Parts, c.part(at+".function_call"))
	}
	return out, nil
}

type contentPart struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Refusal  string `json:"refusal"`
	ImageURL *struct {
		URL    string `json:"url"`
		Detail string `json:"detail"`
	} `json:"image_url"`
	InputAudio *struct {
		Data   string `json:"data"`
		Format string `json:"format"`
	} `json:"input_audio"`
	VideoURL *struct {
		URL string `json:"url"`
	} `json:"video_url"`
	File *struct {
		ID       string `json:"file_id"`
		Data     string `json:"file_data"`
		Filename string `json:"filename"`
	} `json:"file"`
	Cache *struct {
		TTL string `json:"ttl"`
	} `json:"cache_control"`
}

// decodeContent reads a message's content: a string, or parts.
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
	for i, item := range list {
		field := fmt.Sprintf("%s[%d]", at, i)
		var c contentPart
		if err := read(field, item, &c); err != nil {
			return nil, err
		}
		p, ok := c.canonical()
		if !ok {
			p = canonical.Part{Kind: canonical.Foreign, Dialect: Name, Raw: item}
		}
		p.Field = field
		if c.Cache != nil {
			p.Cache = &canonical.Cache{TTL: c.Cache.TTL}
		}
		parts = append(parts, p)
	}
	return parts, nil
}

func (c contentPart) canonical() (canonical.Part, bool) {
	switch {
	case c.Type == "text":
		return canonical.Part{Kind: canonical.Text, Text: c.Text}, true
	case c.Type == "refusal":
		return canonical.Part{Kind: canonical.Refusal, Text: c.Refusal}, true
	case c.Type == "image_url" && c.ImageURL != nil:
		m := located(c.ImageURL.URL)
		m.Detail = c.ImageURL.Detail
		return canonical.Part{Kind: canonical.Image, Media: m}, true
	case c.Type == "video_url" && c.VideoURL != nil:
		return canonical.Part{Kind: canonical.Video, Media: located(c.VideoURL.URL)}, true
	case c.Type == "input_audio" && c.InputAudio != nil:
		return canonical.Part{Kind: canonical.Audio, Media: &canonical.Media{MIME: audioMIME(c.InputAudio.Format), Data: c.InputAudio.Data}}, true
	case c.Type == "file" && c.File != nil:
		m := &canonical.Media{FileID: c.File.ID}
		if c.File.Data != "" {
			m = located(c.File.Data)
			if m.URL != "" { // bare base64
				m.Data, m.URL, m.MIME = m.URL, "", "application/pdf"
			}
		}
		m.Filename = c.File.Filename
		return canonical.Part{Kind: canonical.File, Media: m}, true
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
