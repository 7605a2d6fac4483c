package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

type openAI struct {
	client openai.Client
	model  string
}

func newOpenAI(base, key, model string) (client, error) {
	return openAI{openai.NewClient(option.WithBaseURL(base+"/v1"), option.WithAPIKey(key), option.WithMaxRetries(0)), model}, nil
}

func (o openAI) ask(prompt string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: o.model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(prompt)}}
}

func (o openAI) offer(prompt string) openai.ChatCompletionNewParams {
	params := o.ask(prompt)
	params.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
		Name: "weather", Description: openai.String("The weather now"), Strict: openai.Bool(true), Parameters: place(),
	})}
	return params
}

func (openAI) seen(c *openai.ChatCompletion) (s seen) {
	s.Input, s.Output = c.Usage.PromptTokens, c.Usage.CompletionTokens
	for _, choice := range c.Choices {
		s.Text, s.Finish = choice.Message.Content, choice.FinishReason
		for _, made := range choice.Message.ToolCalls {
			s.Calls = append(s.Calls, call{made.Function.Name, json.RawMessage(made.Function.Arguments)})
		}
	}
	return s
}

func (o openAI) whole(ctx context.Context, params openai.ChatCompletionNewParams) (*openai.ChatCompletion, seen, error) {
	answer, err := o.client.Chat.Completions.New(ctx, params)
	if err != nil {
		return nil, seen{}, err
	}
	return answer, o.seen(answer), nil
}

func (o openAI) text(ctx context.Context, prompt string) (seen, error) {
	_, s, err := o.whole(ctx, o.ask(prompt))
	return s, err
}

func (o openAI) read(ctx context.Context, params openai.ChatCompletionNewParams) (seen, error) {
	params.StreamOptions.IncludeUsage = openai.Bool(true)
	stream := o.client.Chat.Completions.NewStreaming(ctx, params)
	var acc openai.ChatCompletionAccumulator
	chunks := 0
	for stream.Next() {
		chunk := stream.Current()
		if !acc.AddChunk(chunk) {
			return seen{}, errors.New("the SDK refuses a chunk")
		}
		if len(chunk.Choices) > 0 && chunk.Choices[0].Delta.Content != "" {
			chunks++
		}
	}
	s := o.seen(&acc.ChatCompletion)
	s.Chunks = chunks
	return s, stream.Err()
}

func (o openAI) stream(ctx context.Context, prompt string) (seen, error) {
	return o.read(ctx, o.ask(prompt))
}

func (o openAI) tool(ctx context.Context, prompt string) (seen, error) {
	params := o.offer(prompt)
	answer, s, err := o.whole(ctx, params)
	if err != nil || len(s.Calls) == 0 {
		return s, err
	}
	message := answer.Choices[0].Message
	params.Messages = append(params.Messages, message.ToParam(), openai.ToolMessage("rain", message.ToolCalls[0].ID))
	_, done, err := o.whole(ctx, params)
	s.Text = done.Text
	return s, err
}

func (o openAI) toolStream(ctx context.Context, prompt string) (seen, error) {
	return o.read(ctx, o.offer(prompt))
}

func (o openAI) schema(ctx context.Context, prompt string) (seen, error) {
	params := o.ask(prompt)
	params.ResponseFormat.OfJSONSchema = &openai.ResponseFormatJSONSchemaParam{JSONSchema: openai.ResponseFormatJSONSchemaJSONSchemaParam{
		Name: "place", Strict: openai.Bool(true), Schema: place(),
	}}
	_, s, err := o.whole(ctx, params)
	s.Object, s.Text = json.RawMessage(s.Text), ""
	return s, err
}
