// Runs official SDKs against the gateway, with nothing but base URL and key changed, and writes what each saw: a line of JSON a case.
// The last argument is a list of {name, file, model, tag}.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/openai/openai-go/v3"
	"google.golang.org/genai"
)

// client makes an SDK's five calls.
type client interface {
	text(ctx context.Context, prompt string) (seen, error)
	stream(ctx context.Context, prompt string) (seen, error)
	tool(ctx context.Context, prompt string) (seen, error) // and hands its result back
	toolStream(ctx context.Context, prompt string) (seen, error)
	schema(ctx context.Context, prompt string) (seen, error)
}

var makers = map[string]func(base, key, model string) (client, error){
	"openai": newOpenAI, "anthropic": newAnthropic, "genai": newGenAI,
}

// seen is what an SDK's user saw of a case.
type seen struct {
	Name   string          `json:"name"`
	Model  string          `json:"model"`
	Case   string          `json:"case"`
	Mark   string          `json:"mark"`
	Text   string          `json:"text"`
	Chunks int             `json:"chunks"`
	Finish string          `json:"finish"`
	Input  int64           `json:"input"`
	Output int64           `json:"output"`
	Calls  []call          `json:"calls"`
	Object json.RawMessage `json:"object"`

	Error   string `json:"error,omitempty"`
	Status  int    `json:"status"`
	Message string `json:"message"`
}

type call struct {
	Name string          `json:"name"`
	Args json.RawMessage `json:"args"`
}

// place is the schema of the tool's arguments, and of structured answers.
func place() map[string]any {
	return map[string]any{
		"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}},
		"required": []string{"city"}, "additionalProperties": false,
	}
}

// fail says what an SDK returned as an error.
func (s *seen) fail(err error) {
	s.Error, s.Message = fmt.Sprintf("%T", err), err.Error()
	var (
		fromOpenAI    *openai.Error
		fromAnthropic *anthropic.Error
		fromGoogle    genai.APIError
	)
	switch {
	case errors.As(err, &fromOpenAI):
		s.Status, s.Message = fromOpenAI.StatusCode, s.Message+" "+fromOpenAI.RawJSON()
	case errors.As(err, &fromAnthropic):
		s.Status = fromAnthropic.StatusCode
	case errors.As(err, &fromGoogle):
		s.Status = fromGoogle.Code
	}
}

type run struct {
	Name, File, Model, Tag string
}

func (r run) do(ctx context.Context, base, key string, report func(seen)) error {
	own, err := makers[r.File](base, key, r.Model)
	if err != nil {
		return err
	}
	stranger, err := makers[r.File](base, "wrong", r.Model)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name, script string
		do           func(ctx context.Context, prompt string) (seen, error)
	}{
		{"text", " upstream: same=1", own.text},
		{"stream", " upstream: same=1 ping=1", own.stream},
		{"tool", "", own.tool},
		{"toolStream", "", own.toolStream},
		{"schema", "", own.schema},
		{"refused", " upstream: status=400", own.text},
		{"cut", " upstream: cut=2", own.stream},
		{"stranger", "", stranger.text},
	} {
		mark := r.Tag + "-" + c.name
		s, err := c.do(ctx, "mark:"+mark+c.script)
		if err != nil {
			s.fail(err)
		}
		s.Name, s.Model, s.Case, s.Mark = r.Name, r.Model, c.name, mark
		report(s)
	}
	return nil
}

func main() {
	var runs []run
	if err := json.Unmarshal([]byte(os.Args[len(os.Args)-1]), &runs); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	var mu sync.Mutex
	out := json.NewEncoder(os.Stdout)
	report := func(s seen) {
		mu.Lock()
		defer mu.Unlock()
		_ = out.Encode(s)
	}
	var all sync.WaitGroup
	for _, r := range runs {
		all.Go(func() {
			if err := r.do(context.Background(), os.Getenv("GATEWAY"), os.Getenv("KEY"), report); err != nil {
				fmt.Fprintln(os.Stderr, r.Name, err)
			}
		})
	}
	all.Wait()
}
