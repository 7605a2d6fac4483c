package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
)

// The official SDKs call a tool and hand its result back, whole and streamed, with a provider of their own dialect and with one of
// another; the two books agree about both turns.
func TestOfficialGoSDKsCallTools(t *testing.T) {
	s := newStack(t, "")
	s.startAll("")
	base := s.parts["gateway"].address("gateway")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for mark, model := range map[string]string{"own": "gpt-4o", "other": "claude-sonnet-4-5"} {
		t.Run("openai-go, "+model, func(t *testing.T) { openAITool(ctx, t, base, "openai-"+mark, model) })
	}
	for mark, model := range map[string]string{"own": "claude-sonnet-4-5", "other": "gpt-4o"} {
		t.Run("anthropic-sdk-go, "+model, func(t *testing.T) { anthropicTool(ctx, t, base, "anthropic-"+mark, model) })
	}
	eventually(t, 20*time.Second, func() error { return s.rowsOf(12, "attempts", "outcome = 'success' AND usage_evidence = 'reported'") })
	eventually(t, 20*time.Second, s.compareUnlabelled)
	s.stop("gateway")
	s.audit(t)
}

// compareUnlabelled is compare for clients that send no label: attempts are found by the provider's id.
func (s *stack) compareUnlabelled() error {
	stored, err := s.attempts()
	if err != nil {
		return err
	}
	for _, e := range s.upstream.Books() {
		if err := s.known(e, stored[""]); err != nil {
			return err
		}
		for _, a := range stored[""] {
			if a.response == e.ResponseID && (a.input != e.Reported.Input || a.output != e.Reported.Output || a.cached != e.Reported.Cached) {
				return fmt.Errorf("the upstream billed %+v, the books say %+v", e, a)
			}
		}
	}
	return nil
}

const wantArguments = `{"city":"Oslo"}`

func openAITool(ctx context.Context, t *testing.T, base, mark, model string) {
	client := openai.NewClient(openaioption.WithBaseURL(base+"/v1"), openaioption.WithAPIKey(testKey), openaioption.WithMaxRetries(0))
	params := openai.ChatCompletionNewParams{
		Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("mark:" + mark)},
		Tools: []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
			Name: "weather", Parameters: openai.FunctionParameters{
				"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}, "required": []string{"city"},
			},
		})},
	}
	stream := client.Chat.Completions.NewStreaming(ctx, params)
	var streamed openai.ChatCompletionAccumulator
	for stream.Next() {
		if !streamed.AddChunk(stream.Current()) {
			t.Error("the SDK refuses a chunk")
		}
	}
	if err := stream.Err(); err != nil || len(streamed.Choices) != 1 {
		t.Fatalf("%+v, %v", streamed, err)
	}
	answer, err := client.Chat.Completions.New(ctx, params)
	if err != nil {
		t.Fatal(err)
	}
	for how, choice := range map[string]openai.ChatCompletionChoice{"streamed": streamed.Choices[0], "whole": answer.Choices[0]} {
		calls := choice.Message.ToolCalls
		if len(calls) != 1 || calls[0].Function.Name != "weather" || compact(calls[0].Function.Arguments) != wantArguments ||
			calls[0].ID == "" || choice.FinishReason != "tool_calls" {
			t.Fatalf("%s: %+v", how, choice)
		}
	}
	call := answer.Choices[0].Message.ToolCalls[0]
	params.Messages = append(params.Messages, answer.Choices[0].Message.ToParam(), openai.ToolMessage("rain", call.ID))
	final, err := client.Chat.Completions.New(ctx, params)
	if err != nil || final.Choices[0].Message.Content != "answer to "+mark || final.Choices[0].FinishReason != "stop" {
		t.Errorf("%+v, %v", final, err)
	}
}

func anthropicTool(ctx context.Context, t *testing.T, base, mark, model string) {
	client := anthropic.NewClient(anthropicoption.WithBaseURL(base), anthropicoption.WithAPIKey(testKey), anthropicoption.WithMaxRetries(0))
	params := anthropic.MessageNewParams{
		Model: model, MaxTokens: 100,
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("mark:" + mark))},
		Tools: []anthropic.ToolUnionParam{anthropic.ToolUnionParamOfTool(anthropic.ToolInputSchemaParam{
			Properties: map[string]any{"city": map[string]any{"type": "string"}}, Required: []string{"city"},
		}, "weather")},
	}
	stream := client.Messages.NewStreaming(ctx, params)
	var streamed anthropic.Message
	for stream.Next() {
		if err := streamed.Accumulate(stream.Current()); err != nil {
			t.Error(err)
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	answer, err := client.Messages.New(ctx, params)
	if err != nil {
		t.Fatal(err)
	}
	for how, m := range map[string]*anthropic.Message{"streamed": &streamed, "whole": answer} {
		use := m.Content[len(m.Content)-1]
		if use.Type != "tool_use" || use.Name != "weather" || compact(string(use.Input)) != wantArguments || use.ID == "" || m.StopReason != "tool_use" {
			t.Fatalf("%s: %+v", how, m)
		}
	}
	params.Messages = append(params.Messages, answer.ToParam(),
		anthropic.NewUserMessage(anthropic.NewToolResultBlock(answer.Content[len(answer.Content)-1].ID, "rain", false)))
	final, err := client.Messages.New(ctx, params)
	if err != nil || final.Content[0].Text != "answer to "+mark || final.StopReason != "end_turn" {
		t.Errorf("%+v, %v", final, err)
	}
}

// compact takes out the spaces that models set as they like.
func compact(json string) string { return strings.ReplaceAll(json, " ", "") }
