package bedrock

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

type wireMessage struct {
	Role    string   `json:"role"`
	Content []fields `json:"content"`
	merged  bool
}

// conversation writes system prompt and messages. Roles must alternate: neighbours of one role become one message.
func (e *requestEncoder) conversation() {
	system := []fields{}
	messages := []*wireMessage{}
	for i := range e.r.Messages {
		m := &e.r.Messages[i]
		e.loseIf(m.Name != "", fmt.Sprintf("messages[%d].name", i), true)
		blocks := []fields{}
		for k := range m.Parts {
			blocks = append(blocks, e.part(&m.Parts[k])...)
		}
		role := "user"
		switch m.Role {
		case canonical.System, canonical.Developer:
			system = append(system, e.onlyText(m, blocks)...)
			continue
		case canonical.Assistant:
			role = "assistant"
		}
		if len(blocks) == 0 { // an empty message is refused, and says nothing
			continue
		}
		if last := len(messages) - 1; last >= 0 && messages[last].Role == role {
			messages[last].Content = append(messages[last].Content, blocks...)
			messages[last].merged = true
			continue
		}
		messages = append(messages, &wireMessage{Role: role, Content: blocks})
	}
	for _, m := range messages {
		if m.merged && m.Role == "user" {
			m.Content = resultsFirst(m.Content)
		}
	}
	if len(system) > 0 {
		e.out["system"] = system
	}
	e.out["messages"], e.messages = messages, messages
}

// thoughtless reports whether the model is in the midst of calling tools, and what it thought before is not there any more. Claude
// refuses to think on from there.
func (e *requestEncoder) thoughtless() bool {
	n := len(e.messages)
	if n < 2 || e.messages[n-2].Role != "assistant" || len(e.messages[n-2].Content) == 0 {
		return false
	}
	answered := slices.ContainsFunc(e.messages[n-1].Content, func(b fields) bool { return b["toolResult"] != nil })
	return answered && e.messages[n-2].Content[0]["reasoningContent"] == nil
}

// onlyText leaves what a system prompt may have; media in one have no place.
func (e *requestEncoder) onlyText(m *canonical.Message, blocks []fields) []fields {
	return slices.DeleteFunc(blocks, func(b fields) bool {
		for kind := range b {
			switch kind {
			case "text", "cachePoint", "guardContent":
				return false
			}
		}
		field := string(m.Role)
		if len(m.Parts) > 0 && m.Parts[0].Field != "" {
			field = m.Parts[0].Field
		}
		e.lose(field, false)
		return true
	})
}

// resultsFirst puts the results of tools in front of what was said with them: they answer the calls of the message before, and
// Claude refuses them anywhere else. A cache point stays behind its block.
func resultsFirst(blocks []fields) []fields {
	var results, rest []fields
	into := &rest
	for _, b := range blocks {
		if b["cachePoint"] == nil {
			if into = &rest; b["toolResult"] != nil {
				into = &results
			}
		}
		*into = append(*into, b)
	}
	return append(results, rest...)
}

// part writes one part: usually one block, and a cache point behind it where one is wished for.
func (e *requestEncoder) part(p *canonical.Part) []fields {
	e.loseIf(p.Signature != "", p.Field+".signature", true) // only the provider that gave it can read it
	var block fields
	switch p.Kind {
	case canonical.Text, canonical.Refusal:
		block = e.text(p)
	case canonical.Thinking:
		block = e.thought(p)
	case canonical.Image, canonical.Video, canonical.Audio, canonical.File:
		block = e.media(p)
	case canonical.ToolCall:
		block = fields{"toolUse": fields{"toolUseId": toolUseID(p.Call.ID), "name": p.Call.Name, "input": arguments(p.Call.Arguments)}}
	case canonical.ToolResult:
		block = e.result(p)
	case canonical.Foreign:
		if p.Dialect == Name {
			block = foreign(p.Raw)
		}
		e.loseIf(block == nil, p.Field, false)
	default:
		e.lose(p.Field, false)
	}
	if block == nil {
		return nil
	}
	if point := e.cachePoint(p.Cache, p.Field); point != nil {
		return []fields{block, point}
	}
	return []fields{block}
}

// cachePoint marks how far the prompt may be cached. Models of other makers refuse the mark.
func (e *requestEncoder) cachePoint(c *canonical.Cache, field string) fields {
	switch {
	case c == nil:
		return nil
	case e.maker != claude && e.maker != nova:
		e.lose(field+".cache_control", true)
		return nil
	}
	point := fields{"type": "default"}
	switch {
	case c.TTL != "" && e.maker == claude:
		point["ttl"] = c.TTL
	case c.TTL != "" && c.TTL != "5m":
		e.lose(field+".cache_control.ttl", true)
	}
	return fields{"cachePoint": point}
}

// text writes a text. An empty one is refused, and says nothing.
func (e *requestEncoder) text(p *canonical.Part) fields {
	cited := len(p.Citations) > 0
	switch {
	case cited && p.Dialect == Name:
		return fields{"citationsContent": fields{"content": []fields{{"text": p.Text}}, "citations": p.Citations}}
	case cited:
		e.lose(p.Field+".citations", true)
	}
	if p.Text == "" {
		return nil
	}
	return fields{"text": p.Text}
}

// thought hands back what the model thought. What another provider sealed is of no use here, and Claude refuses a thought that it
// did not sign.
func (e *requestEncoder) thought(p *canonical.Part) fields {
	t := p.Thought
	switch {
	case t.ID != "" && t.Encrypted != "", t.Text == "" && t.Encrypted == "" && t.Signature == "",
		e.maker == claude && t.Encrypted == "" && t.Signature == "":
		e.lose(p.Field, true)
		return nil
	case t.Encrypted != "":
		return fields{"reasoningContent": fields{"redactedContent": wrap(t.Encrypted)}}
	}
	text := fields{"text": t.Text}
	if t.Signature != "" {
		text["signature"] = t.Signature
	}
	return fields{"reasoningContent": fields{"reasoningText": text}}
}

func (e *requestEncoder) result(p *canonical.Part) fields {
	r := p.Result
	content := []fields{}
	for i := range r.Parts {
		in := &r.Parts[i]
		e.loseIf(in.Cache != nil, in.Field+".cache", true) // a mark stands behind whole results only
		switch in.Kind {
		case canonical.Text, canonical.Refusal, canonical.Image, canonical.Video, canonical.File, canonical.Foreign:
			bare := *in
			bare.Cache, bare.Citations = nil, nil
			content = append(content, e.part(&bare)...)
		default:
			e.lose(in.Field, false)
		}
	}
	out := fields{"toolUseId": toolUseID(r.CallID), "content": content}
	if r.IsError {
		out["status"] = "error"
	}
	return fields{"toolResult": out}
}

// toolUseID makes an id one that Bedrock takes: of calls and results alike, so that they still belong together.
func toolUseID(id string) string {
	safe := strings.Map(func(c rune) rune {
		if c < 128 && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("_.:-", c)) {
			return c
		}
		return '_'
	}, id)
	if len(safe) > maxToolUseID {
		safe = safe[len(safe)-maxToolUseID:] // what tells ids apart is rather at their ends
	}
	return safe
}

const maxToolUseID = 64
