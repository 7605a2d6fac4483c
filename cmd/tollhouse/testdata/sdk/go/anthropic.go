package main

import (
	"context"
	"encoding/json"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

type messages struct {
	client anthropic.Client
	model  string
}

func newAnthropic(base, key, model string) (client, error) {
	return messages{anthropic.NewClient(option.WithBaseURL(base), option.WithAPIKey(key), option.WithMaxRetries(0)), model}, nil
}

func (m messages) ask(prompt string) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model: m.model, MaxTokens: 100, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(prompt))},
	}
}

func (m messages) offer(prompt string) anthropic.MessageNewParams {
	params := m.ask(prompt)
	schema := anthropic.ToolInputSchemaParam{Properties: place()["properties"], Required: []string{"city"}}
	params.Tools = []anthropic.ToolUnionParam{anthropic.ToolUnionParamOfTool(schema, "weather")}
	return params
}

func (messages) seen(a *anthropic.Message) seen {
	s := seen{Finish: string(a.StopReason), Input: a.Usage.InputTokens + a.Usage.CacheReadInputTokens, Output: a.Usage.OutputTokens}
	for _, block := range a.Content {
		s.Text += block.Text
		if block.Type == "tool_use" {
			s.Calls = append(s.Calls, call{block.Name, block.Input})
		}
	}
	return s
}

func (m messages) whole(ctx context.Context, params anthropic.MessageNewParams) (*anthropic.Message, seen, error) {
	answer, err := m.client.Messages.New(ctx, params)
	if err != nil {
		return nil, seen{}, err
	}
	return answer, m.seen(answer), nil
}

func (m messages) text(ctx context.Context, prompt string) (seen, error) {
	_, s, err := m.whole(ctx, m.ask(prompt))
	return s, err
}

func (m messages) read(ctx context.Context, params anthropic.MessageNewParams) (seen, error) {
	stream := m.client.Messages.NewStreaming(ctx, params)
	var acc anthropic.Message
	chunks := 0
	for stream.Next() {
		if err := acc.Accumulate(stream.Current()); err != nil {
			return seen{}, err
		}
		if stream.Current().Delta.Text != "" {
			chunks++
		}
	}
	s := m.seen(&acc)
	s.Chunks = chunks
	return s, stream.Err()
}

func (m messages) stream(ctx context.Context, prompt string) (seen, error) {
	return m.read(ctx, m.ask(prompt))
}

func (m messages) tool(ctx context.Context, prompt string) (seen, error) {
	params := m.offer(prompt)
	answer, s, err := m.whole(ctx, params)
	if err != nil || len(s.Calls) == 0 {
		return s, err
	}
	id := answer.Content[len(answer.Content)-1].ID
	params.Messages = append(params.Messages, answer.ToParam(), anthropic.NewUserMessage(anthropic.NewToolResultBlock(id, "rain", false)))
	_, done, err := m.whole(ctx, params)
	s.Text = done.Text
	return s, err
}

func (m messages) toolStream(ctx context.Context, prompt string) (seen, error) {
	return m.read(ctx, m.offer(prompt))
}

func (m messages) schema(ctx context.Context, prompt string) (seen, error) {
	params := m.ask(prompt)
	params.OutputConfig.Format = anthropic.JSONOutputFormatParam{Schema: place()}
	_, s, err := m.whole(ctx, params)
	s.Object, s.Text = json.RawMessage(s.Text), ""
	return s, err
}
