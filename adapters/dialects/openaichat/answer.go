package openaichat

import (
	"encoding/json"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/events"
)

// received is a message or a delta as a provider of the family writes it.
type received struct {
	message
	Annotations json.RawMessage `json:"annotations"`
	Spoken      *struct {
		ID         string `json:"id"`
		Data       string `json:"data"`
		Transcript string `json:"transcript"`
	} `json:"audio"`
	Images []contentPart `json:"images"`
}

// parts are a message's, in the order in which a model makes them: thoughts, text, calls.
func (m *received) parts() []canonical.Part {
	var parts []canonical.Part
	if t := m.ReasoningContent + m.Reasoning; t != "" {
		parts = append(parts, canonical.Part{Kind: canonical.Thinking, Thought: &canonical.Thought{Text: t}})
	}
	content, _ := decodeContent("content", m.Content)
	for i := range content {
		if content[i].Kind == canonical.Text && content[i].Text == "" {
			continue
		}
		if i == 0 && !canonical.Null(m.Annotations) && string(m.Annotations) != "[]" {
			content[i].Citations, content[i].Dialect = m.Annotations, Name
		}
		parts = append(parts, content[i])
	}
	for _, image := range m.Images {
		if p, ok := image.canonical(); ok {
			parts = append(parts, p)
		}
	}
	if m.Refusal != "" {
		parts = append(parts, canonical.Part{Kind: canonical.Refusal, Text: m.Refusal})
	}
	if s := m.Spoken; s != nil {
		parts = append(parts, canonical.Part{
			Kind: canonical.Audio, Text: s.Transcript, Media: &canonical.Media{FileID: s.ID, Data: s.Data},
		})
	}
	for _, c := range m.ToolCalls {
		parts = append(parts, c.part(""))
	}
	if m.Function != nil {
		parts = append(parts, call{ID: legacyID(m.Function.Name), Function: m.Function}.part(""))
	}
	return parts
}

// DecodeAnswer reads a chat completion.
func (Dialect) DecodeAnswer(body []byte) (*canonical.Response, error) {
	var a struct {
		Created     int64  `json:"created"`
		ServiceTier string `json:"service_tier"`
		Fingerprint string `json:"system_fingerprint"`
		Choices     []struct {
			Index        int             `json:"index"`
			Message      received        `json:"message"`
			FinishReason string          `json:"finish_reason"`
			Logprobs     json.RawMessage `json:"logprobs"`
		} `json:"choices"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, err
	}
	r := &canonical.Response{Created: a.Created, ServiceTier: a.ServiceTier, Fingerprint: a.Fingerprint}
	for _, c := range a.Choices {
		r.Choices = append(r.Choices, canonical.Choice{
			Index: c.Index, Parts: c.Message.parts(), Finish: finish(c.FinishReason), Logprobs: c.Logprobs,
		})
	}
	return r, nil
}

// finishWord is OpenAI's word for a canonical reason.
func finishWord(r events.FinishReason) string {
	switch r {
	case events.FinishLength:
		return "length"
	case events.FinishToolCalls:
		return "tool_calls"
	case events.FinishContentFilter, events.FinishRefusal:
		return "content_filter"
	}
	return "stop"
}

type usageBody struct {
	PromptTokens     uint64 `json:"prompt_tokens"`
	CompletionTokens uint64 `json:"completion_tokens"`
	TotalTokens      uint64 `json:"total_tokens"`
	PromptDetails    struct {
		CachedTokens     uint64 `json:"cached_tokens"`
		AudioTokens      uint64 `json:"audio_tokens"`
		CacheWriteTokens uint64 `json:"cache_write_tokens,omitempty"`
	} `json:"prompt_tokens_details"`
	CompletionDetails struct {
		ReasoningTokens uint64 `json:"reasoning_tokens"`
		AudioTokens     uint64 `json:"audio_tokens"`
	} `json:"completion_tokens_details"`
}

// usageOf writes what was counted, an estimate among it: a client that reads usage finds some.
func usageOf(facts *adapters.ProviderResponse) *usageBody {
	u := facts.Usage
	if u == nil {
		u = &events.Usage{}
	}
	b := &usageBody{PromptTokens: u.InputTokens, CompletionTokens: u.OutputTokens, TotalTokens: u.InputTokens + u.OutputTokens}
	b.PromptDetails.CachedTokens, b.PromptDetails.AudioTokens = u.CacheReadTokens, u.InputAudioTokens
	b.PromptDetails.CacheWriteTokens = u.CacheWriteTokens
	b.CompletionDetails.ReasoningTokens, b.CompletionDetails.AudioTokens = u.ReasoningTokens, u.OutputAudioTokens
	return b
}

type answerBody struct {
	ID          string         `json:"id"`
	Object      string         `json:"object"`
	Created     int64          `json:"created"`
	Model       string         `json:"model"`
	Choices     []answerChoice `json:"choices"`
	Usage       *usageBody     `json:"usage,omitempty"`
	ServiceTier string         `json:"service_tier,omitempty"`
	Fingerprint string         `json:"system_fingerprint,omitempty"`
}

type answerChoice struct {
	Index        int             `json:"index"`
	Message      *answerMessage  `json:"message"`
	FinishReason string          `json:"finish_reason"`
	Logprobs     json.RawMessage `json:"logprobs"`
}

// answerMessage has its nulls written, as OpenAI does.
type answerMessage struct {
	Role             string          `json:"role"`
	Content          *string         `json:"content"`
	Refusal          *string         `json:"refusal"`
	ReasoningContent string          `json:"reasoning_content,omitempty"`
	ToolCalls        []outCall       `json:"tool_calls,omitempty"`
	Audio            *spoken         `json:"audio,omitempty"`
	Images           []mediaPart     `json:"images,omitempty"`
	Annotations      json.RawMessage `json:"annotations,omitempty"`
}

type spoken struct {
	ID         string `json:"id,omitempty"`
	Data       string `json:"data"`
	Transcript string `json:"transcript"`
}

func answerID(facts *adapters.ProviderResponse, req *adapters.RequestContext) string {
	if facts.ResponseID != "" {
		return facts.ResponseID
	}
	return "chatcmpl-" + req.ID
}

func modelOf(facts *adapters.ProviderResponse) string {
	if facts.Model != "" {
		return facts.Model
	}
	return facts.SentModel
}

// EncodeAnswer writes a chat completion.
func (Dialect) EncodeAnswer(r *canonical.Response, req *adapters.RequestContext, facts *adapters.ProviderResponse) []byte {
	b := answerBody{
		ID: answerID(facts, req), Object: "chat.completion", Created: createdAt(r.Created, req), Model: modelOf(facts),
		Usage: usageOf(facts), ServiceTier: r.ServiceTier, Fingerprint: r.Fingerprint, Choices: []answerChoice{},
	}
	for _, c := range r.Choices {
		b.Choices = append(b.Choices, answerChoice{
			Index: c.Index, Message: answered(c.Parts), FinishReason: finishWord(c.Finish), Logprobs: orNull(c.Logprobs),
		})
	}
	return canonical.Marshal(b)
}

func orNull(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("null")
	}
	return raw
}

func createdAt(said int64, req *adapters.RequestContext) int64 {
	if said != 0 {
		return said
	}
	if req.ReceivedAt.IsZero() {
		return time.Now().Unix()
	}
	return req.ReceivedAt.Unix()
}

func answered(parts []canonical.Part) *answerMessage {
	m := &answerMessage{Role: "assistant"}
	for _, p := range parts {
		switch p.Kind {
		case canonical.Text:
			m.Content = plus(m.Content, p.Text)
			if p.Dialect == Name {
				m.Annotations = p.Citations
			}
		case canonical.Refusal:
			m.Refusal = plus(m.Refusal, p.Text)
		case canonical.Thinking:
			m.ReasoningContent += p.Thought.Text
		case canonical.ToolCall:
			m.ToolCalls = append(m.ToolCalls, encodeCall(p))
		case canonical.Audio:
			m.Audio = &spoken{ID: p.Media.FileID, Data: p.Media.Data, Transcript: p.Text}
		case canonical.Image:
			if url := p.Media.AsURL(); url != "" {
				m.Images = append(m.Images, mediaPart{Type: "image_url", Image: &imageURL{URL: url}})
			}
		}
	}
	return m
}

func plus(text *string, more string) *string {
	if text != nil {
		more = *text + more
	}
	return &more
}
