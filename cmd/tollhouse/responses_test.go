package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"

	"github.com/tollhouse/tollhouse/adapters/adaptertest/upstream"
)

const otherKey = "sk-test-key-of-another-client"

// writeKeepers writes a configuration with two endpoints that keep responses, told apart by their keys, and two consumers.
func (s *stack) writeKeepers() {
	s.write(fmt.Sprintf(`gateway: {listen: "127.0.0.1:0", admin: "127.0.0.1:0", id: gw-test, grace: 5s}
data_dir: %q
registries:
  - name: openai
    provider: openai
    models: ["gpt-*"]
    endpoints:
      - {name: east, base_url: "%[2]s/v1", api_key: sk-east}
      - {name: west, base_url: "%[2]s/v1", api_key: sk-west}
  - {name: compatible, provider: openai_compatible, responses: true, models: ["local-*"], endpoints: [{name: main, base_url: "%[2]s/v1"}]}
  - {name: chat, provider: openai_compatible, models: ["old-*"], endpoints: [{name: main, base_url: "%[2]s/v1"}]}
  - {name: anthropic, provider: anthropic, models: ["claude-*"], endpoints: [{name: main, base_url: "%[2]s", api_key: %[3]s}]}
pools:
  main: {members: [{registry: openai, weight: 1}, {registry: compatible, weight: 1}, {registry: chat, weight: 1}, {registry: anthropic, weight: 1}]}
consumers:
  - {name: tester, keys: [%[4]q], pool: main}
  - {name: other, keys: [%[5]q], pool: main}
kafka: {brokers: [%[6]q], partitions: 4}
clickhouse: {dsn: %[7]q}
`, filepath.Join(s.dir, "data"), s.upstream.URL(), upstreamKey, testKey, otherKey,
		strings.TrimPrefix(s.parts["broker"].address("broker"), "kafka://"), s.parts["warehouse"].address("warehouse")+"/tollhouse"))
}

func responsesClient(base, key string) openai.Client {
	return openai.NewClient(openaioption.WithBaseURL(base+"/v1"), openaioption.WithAPIKey(key), openaioption.WithMaxRetries(0))
}

func askFor(model, text, previous string) responses.ResponseNewParams {
	p := responses.ResponseNewParams{Model: model, Input: responses.ResponseNewParamsInputUnion{OfString: param.NewOpt(text)}}
	if previous != "" {
		p.PreviousResponseID = param.NewOpt(previous)
	}
	return p
}

// The official SDK asks for responses whole, streamed and with a tool, of providers that speak its format and of others; responses are
// built upon, read and deleted where they are kept, also after the gateway was killed; the books agree about all of it.
func TestResponses(t *testing.T) {
	s := newStack(t, "")
	s.start("broker", "broker")
	s.start("warehouse", "warehouse")
	s.writeKeepers()
	s.start("sink", "")
	base := s.start("gateway", "gateway").address("gateway")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, model := range []string{"gpt-4o", "local-llama", "old-llama", "claude-sonnet-4-5"} {
		t.Run(model, func(t *testing.T) { useResponses(ctx, t, responsesClient(base, testKey), model) })
	}
	for _, e := range s.upstream.Books() {
		dialects := map[string]string{"gpt-4o": "openai_responses", "local-llama": "openai_responses", "old-llama": "openai_chat", "claude-sonnet-4-5": "anthropic_messages"}
		if e.Dialect != dialects[e.Model] {
			t.Errorf("%s was asked in %s", e.Model, e.Dialect)
		}
	}
	var made []*responses.Response
	mine := responsesClient(base, testKey)
	for i := range 6 {
		r, err := mine.Responses.New(ctx, askFor("gpt-4o", fmt.Sprint("mark:made-", i), ""))
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, r)
	}
	s.buildOn(ctx, t, mine, made)
	eventually(t, 20*time.Second, func() error { return s.responsesAgree(len(made)) }) // what is not settled when it is killed is estimated
	s.kill("gateway")
	base = s.start("gateway", "gateway").address("gateway")
	mine, others := responsesClient(base, testKey), responsesClient(base, otherKey)
	s.buildOn(ctx, t, mine, made)
	refused := func(what string, err error, status int, contains string) {
		t.Helper()
		var failed *openai.Error
		if !errors.As(err, &failed) || failed.StatusCode != status || !strings.Contains(failed.RawJSON(), contains) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := others.Responses.Get(ctx, made[0].ID, responses.ResponseGetParams{})
	refused("another's is read", err, http.StatusNotFound, "there is no response")
	_, err = others.Responses.New(ctx, askFor("gpt-4o", "x", made[0].ID))
	refused("another's is built upon", err, http.StatusNotFound, "previous_response_id")
	refused("another's is deleted", others.Responses.Delete(ctx, made[0].ID), http.StatusNotFound, "there is no response")
	_, err = mine.Responses.New(ctx, askFor("claude-sonnet-4-5", "x", made[0].ID))
	refused("it is built upon elsewhere", err, http.StatusNotFound, "is not configured for this key and model")
	_, err = mine.Responses.New(ctx, askFor("claude-sonnet-4-5", "x", "resp_of_before"))
	refused("an unknown one is built upon elsewhere", err, http.StatusBadRequest, "unsupported_feature")
	_, err = mine.Responses.New(ctx, askFor("gpt-4o", "mark:unknown", "resp_of_before"))
	refused("an unknown one is built upon", err, http.StatusBadRequest, "previous_response_not_found")
	for _, r := range made {
		if err := mine.Responses.Delete(ctx, r.ID); err != nil {
			t.Errorf("%s is not deleted: %v", r.ID, err)
		}
		_, err = mine.Responses.Get(ctx, r.ID, responses.ResponseGetParams{})
		refused("it is gone", err, http.StatusNotFound, "not found")
	}
	eventually(t, 20*time.Second, func() error { return s.responsesAgree(len(made) * 3) })
	s.stop("gateway")
	s.audit(t)
}

// buildOn reads each response, and asks for one that builds on it: its own endpoint is asked for both.
func (s *stack) buildOn(ctx context.Context, t *testing.T, client openai.Client, made []*responses.Response) {
	t.Helper()
	keys := map[string]string{}
	for _, key := range []string{"sk-east", "sk-west"} {
		hash := sha256.Sum256([]byte(key))
		keys[hex.EncodeToString(hash[:])] = key
	}
	of := func(id string) string {
		for _, e := range s.upstream.Books() {
			if e.ResponseID == id {
				return keys[e.KeyHash]
			}
		}
		return "nobody"
	}
	used := map[string]bool{}
	for i, r := range made {
		again, err := client.Responses.Get(ctx, r.ID, responses.ResponseGetParams{})
		if err != nil || again.OutputText() != r.OutputText() {
			t.Errorf("%s is read as %+v, %v", r.ID, again, err)
		}
		next, err := client.Responses.New(ctx, askFor("gpt-4o", fmt.Sprint("mark:next-", i), r.ID))
		if err != nil {
			t.Errorf("%s is built upon: %v", r.ID, err)
			continue
		}
		if of(next.ID) != of(r.ID) {
			t.Errorf("%s was made by %s, what builds on it by %s", r.ID, of(r.ID), of(next.ID))
		}
		used[of(r.ID)] = true
	}
	if len(used) != 2 {
		t.Errorf("only %v were used: nothing is shown", used)
	}
}

// responsesAgree holds the upstream's sums against the books': what it billed, and how often a stored response was asked for and came.
func (s *stack) responsesAgree(stored int) error {
	var want upstream.Usage
	for _, e := range s.upstream.Books() {
		want.Input += e.Reported.Input
		want.Output += e.Reported.Output
	}
	rows, err := s.query("SELECT sum(input_tokens) AS input, sum(output_tokens) AS output, " +
		"countIf(sent_model = '' AND outcome = 'success' AND usage_evidence = 'none') AS stored FROM attempts WHERE usage_evidence IN ('reported', 'none')")
	if err != nil {
		return err
	}
	got := upstream.Usage{Input: uint64(rows[0]["input"].(float64)), Output: uint64(rows[0]["output"].(float64))}
	if got != want || int(rows[0]["stored"].(float64)) != stored {
		return fmt.Errorf("the upstream billed %+v, the books say %+v, and %v of %d times a stored response", want, got, rows[0]["stored"], stored)
	}
	return nil
}

func useResponses(ctx context.Context, t *testing.T, client openai.Client, model string) {
	answer, err := client.Responses.New(ctx, askFor(model, "mark:resp-"+model, ""))
	if err != nil || answer.OutputText() != "answer to resp-"+model || answer.Usage.TotalTokens == 0 || answer.Status != "completed" {
		t.Errorf("%+v, %v", answer, err)
	}
	stream := client.Responses.NewStreaming(ctx, askFor(model, "mark:resp-s-"+model+" upstream: ping=1", ""))
	var text string
	var final responses.Response
	for stream.Next() {
		e := stream.Current()
		if e.Type == "response.output_text.delta" {
			text += e.Delta
		}
		final = e.Response
	}
	if stream.Err() != nil || !strings.HasPrefix(text, "word 0 word 1") || final.OutputText() != text || final.Usage.TotalTokens == 0 {
		t.Errorf("%q, %+v, %v", text, final, stream.Err())
	}
	params := askFor(model, "", "")
	params.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
		responses.ResponseInputItemParamOfMessage("mark:resp-t-"+model, "user"),
	}}
	params.Tools = []responses.ToolUnionParam{{OfFunction: &responses.FunctionToolParam{
		Name: "weather", Strict: param.NewOpt(false), Parameters: map[string]any{
			"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}, "required": []string{"city"},
		},
	}}}
	called, err := client.Responses.New(ctx, params)
	if err != nil {
		t.Fatal(err)
	}
	call := called.Output[len(called.Output)-1]
	if call.Type != "function_call" || call.Name != "weather" || compact(call.Arguments.OfString) != wantArguments {
		t.Fatalf("%+v", called)
	}
	result := responses.ResponseInputItemParamOfFunctionCallOutput("rain")
	result.OfFunctionCallOutput.CallID = param.NewOpt(call.CallID)
	params.Input.OfInputItemList = append(params.Input.OfInputItemList,
		responses.ResponseInputItemParamOfFunctionCall(call.Arguments.OfString, call.CallID, call.Name), result)
	done, err := client.Responses.New(ctx, params)
	if err != nil || done.OutputText() != "answer to resp-t-"+model {
		t.Errorf("%+v, %v", done, err)
	}
	_, err = client.Responses.New(ctx, askFor(model, "mark:resp-e-"+model+" upstream: status=400", ""))
	var failed *openai.Error
	if !errors.As(err, &failed) || failed.StatusCode != http.StatusBadRequest || !strings.Contains(failed.Message, "scripted 400") {
		t.Errorf("a provider's error: %v", err)
	}
	broken := client.Responses.NewStreaming(ctx, askFor(model, "mark:resp-c-"+model+" upstream: cut=2", ""))
	for broken.Next() {
	}
	if err := broken.Err(); err == nil || !strings.Contains(err.Error(), "upstream_error") {
		t.Errorf("a broken stream ends with %v", err)
	}
}

// The npm SDK, too; what it runs is testdata/sdk/node/responses.mjs.
func TestResponsesWithTheNodeSDK(t *testing.T) {
	dir := nodeScripts(t)
	s := newStack(t, "")
	s.start("broker", "broker")
	s.writeConfig("")
	base := s.start("gateway", "gateway").address("gateway")
	cmd := exec.Command("node", filepath.Join(dir, "responses.mjs"))
	cmd.Env = append(os.Environ(), "GATEWAY="+base, "KEY="+testKey)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "all good") {
		t.Errorf("%v\n%s", err, out)
	}
	if asked := s.upstream.Asked(); !slices.ContainsFunc(asked, func(a string) bool { return strings.HasPrefix(a, "DELETE ") }) {
		t.Errorf("nothing was deleted: %v", asked)
	}
}
