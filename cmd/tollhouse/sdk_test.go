package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
)

// The official SDKs with nothing but base URL and key changed.
func TestOfficialGoSDKs(t *testing.T) {
	s := newStack(t, "")
	s.start("broker", "broker")
	s.writeConfig("")
	base := s.start("gateway", "gateway").address("gateway")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	t.Run("openai-go", func(t *testing.T) { useOpenAI(ctx, t, base) })
	t.Run("anthropic-sdk-go", func(t *testing.T) { useAnthropic(ctx, t, base) })
}

func useOpenAI(ctx context.Context, t *testing.T, base string) {
	client := openai.NewClient(openaioption.WithBaseURL(base+"/v1"), openaioption.WithAPIKey(testKey), openaioption.WithMaxRetries(0))
	ask := func(text string) openai.ChatCompletionNewParams {
		return openai.ChatCompletionNewParams{Model: "gpt-4o", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)}}
	}
	answer, err := client.Chat.Completions.New(ctx, ask("mark:sdk-openai"))
	if err != nil || answer.Choices[0].Message.Content != "answer to sdk-openai" || answer.Usage.TotalTokens == 0 {
		t.Errorf("%+v, %v", answer, err)
	}
	stream := client.Chat.Completions.NewStreaming(ctx, ask("mark:sdk-openai-s"))
	var text strings.Builder
	chunks := 0
	for stream.Next() {
		chunks++
		if choices := stream.Current().Choices; len(choices) > 0 {
			text.WriteString(choices[0].Delta.Content)
		} else {
			t.Error("a chunk without a choice: the client did not ask for usage")
		}
	}
	if stream.Err() != nil || !strings.HasPrefix(text.String(), "word 0 word 1") || chunks < 5 {
		t.Errorf("%d chunks: %q, %v", chunks, text.String(), stream.Err())
	}
	wanting := ask("mark:sdk-openai-u")
	wanting.StreamOptions.IncludeUsage = openai.Bool(true)
	stream = client.Chat.Completions.NewStreaming(ctx, wanting)
	var total int64
	for stream.Next() {
		total = max(total, stream.Current().Usage.TotalTokens)
	}
	if stream.Err() != nil || total == 0 {
		t.Errorf("usage was asked for and is %d: %v", total, stream.Err())
	}
	_, err = client.Chat.Completions.New(ctx, ask("mark:sdk-openai-e upstream: status=400"))
	var failed *openai.Error
	if !errors.As(err, &failed) || failed.StatusCode != http.StatusBadRequest || !strings.Contains(failed.Message, "scripted 400") {
		t.Errorf("a provider's error: %v", err)
	}
	stranger := openai.NewClient(openaioption.WithBaseURL(base+"/v1"), openaioption.WithAPIKey("wrong"), openaioption.WithMaxRetries(0))
	_, err = stranger.Chat.Completions.New(ctx, ask("x"))
	if !errors.As(err, &failed) || failed.StatusCode != http.StatusUnauthorized || failed.Code != "invalid_key" {
		t.Errorf("a wrong key: %v", err)
	}
	models, err := client.Models.List(ctx)
	if err != nil || len(models.Data) == 0 {
		t.Errorf("models: %+v, %v", models, err)
	}
}

func useAnthropic(ctx context.Context, t *testing.T, base string) {
	client := anthropic.NewClient(anthropicoption.WithBaseURL(base), anthropicoption.WithAPIKey(testKey), anthropicoption.WithMaxRetries(0))
	ask := func(text string) anthropic.MessageNewParams {
		return anthropic.MessageNewParams{
			Model: "claude-sonnet-4-5", MaxTokens: 100,
			Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(text))},
		}
	}
	answer, err := client.Messages.New(ctx, ask("mark:sdk-anthropic"))
	if err != nil || answer.Content[0].Text != "answer to sdk-anthropic" || answer.Usage.OutputTokens == 0 {
		t.Errorf("%+v, %v", answer, err)
	}
	stream := client.Messages.NewStreaming(ctx, ask("mark:sdk-anthropic-s upstream: ping=1"))
	message := anthropic.Message{}
	for stream.Next() {
		if err := message.Accumulate(stream.Current()); err != nil {
			t.Error(err)
		}
	}
	if stream.Err() != nil || !strings.HasPrefix(message.Content[0].Text, "word 0 word 1") || message.StopReason != "end_turn" {
		t.Errorf("%+v, %v", message, stream.Err())
	}
	_, err = client.Messages.New(ctx, ask("mark:sdk-anthropic-e upstream: status=529"))
	var failed *anthropic.Error
	if !errors.As(err, &failed) || failed.StatusCode != 529 {
		t.Errorf("a provider's error: %v", err)
	}
	stream = client.Messages.NewStreaming(ctx, ask("mark:sdk-anthropic-cut upstream: cut=mid"))
	for stream.Next() {
	}
	if err := stream.Err(); err == nil || !strings.Contains(err.Error(), "api_error") {
		t.Errorf("a broken stream ends with %v", err)
	}
}
