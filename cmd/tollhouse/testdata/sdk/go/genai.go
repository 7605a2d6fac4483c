package main

import (
	"context"
	"encoding/json"

	"google.golang.org/genai"
)

type google struct {
	models *genai.Models
	model  string
}

func newGenAI(base, key, model string) (client, error) {
	c, err := genai.NewClient(context.Background(), &genai.ClientConfig{
		APIKey: key, Backend: genai.BackendGeminiAPI, HTTPOptions: genai.HTTPOptions{BaseURL: base},
	})
	if err != nil {
		return nil, err
	}
	return google{c.Models, model}, nil
}

func offer() *genai.GenerateContentConfig {
	return &genai.GenerateContentConfig{Tools: []*genai.Tool{{FunctionDeclarations: []*genai.FunctionDeclaration{
		{Name: "weather", Description: "The weather now", ParametersJsonSchema: place()},
	}}}}
}

func (google) add(s *seen, r *genai.GenerateContentResponse) {
	if u := r.UsageMetadata; u != nil {
		s.Input, s.Output = int64(u.PromptTokenCount), int64(u.CandidatesTokenCount)
	}
	if len(r.Candidates) == 0 {
		return
	}
	if text := r.Text(); text != "" {
		s.Text += text
		s.Chunks++
	}
	s.Finish = string(r.Candidates[0].FinishReason)
	for _, made := range r.FunctionCalls() {
		args, _ := json.Marshal(made.Args)
		s.Calls = append(s.Calls, call{made.Name, args})
	}
}

func (g google) whole(ctx context.Context, contents []*genai.Content, config *genai.GenerateContentConfig) (*genai.GenerateContentResponse, seen, error) {
	var s seen
	r, err := g.models.GenerateContent(ctx, g.model, contents, config)
	if err == nil {
		g.add(&s, r)
	}
	return r, s, err
}

func (g google) read(ctx context.Context, prompt string, config *genai.GenerateContentConfig) (seen, error) {
	var s seen
	for r, err := range g.models.GenerateContentStream(ctx, g.model, genai.Text(prompt), config) {
		if err != nil {
			return s, err
		}
		g.add(&s, r)
	}
	return s, nil
}

func (g google) text(ctx context.Context, prompt string) (seen, error) {
	_, s, err := g.whole(ctx, genai.Text(prompt), nil)
	return s, err
}

func (g google) stream(ctx context.Context, prompt string) (seen, error) {
	return g.read(ctx, prompt, nil)
}

func (g google) tool(ctx context.Context, prompt string) (seen, error) {
	contents := genai.Text(prompt)
	r, s, err := g.whole(ctx, contents, offer())
	if err != nil || len(s.Calls) == 0 {
		return s, err
	}
	result := genai.NewPartFromFunctionResponse("weather", map[string]any{"output": "rain"})
	result.FunctionResponse.ID = r.FunctionCalls()[0].ID
	contents = append(contents, r.Candidates[0].Content, genai.NewContentFromParts([]*genai.Part{result}, genai.RoleUser))
	_, done, err := g.whole(ctx, contents, offer())
	s.Text = done.Text
	return s, err
}

func (g google) toolStream(ctx context.Context, prompt string) (seen, error) {
	return g.read(ctx, prompt, offer())
}

func (g google) schema(ctx context.Context, prompt string) (seen, error) {
	_, s, err := g.whole(ctx, genai.Text(prompt), &genai.GenerateContentConfig{ResponseMIMEType: "application/json", ResponseJsonSchema: place()})
	s.Object, s.Text = json.RawMessage(s.Text), ""
	return s, err
}
