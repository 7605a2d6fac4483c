package tokens_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/adapters/adaptertest/corpus"
	"github.com/tollhouse/tollhouse/adapters/tokens"
)

// expected is what was derived of a recording.
type expected struct {
	OK        bool   `json:"ok"`
	Framing   string `json:"framing"`
	Text      string `json:"text"`
	Reasoning string `json:"reasoning"`
	ToolCalls []struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"tool_calls"`
	Flags []string `json:"flags"`
	Usage *struct {
		Reasoning *uint64 `json:"reasoning"`
	} `json:"usage"`
	Inclusive *struct {
		Input  *uint64 `json:"input"`
		Output *uint64 `json:"output"`
	} `json:"usage_inclusive"`
}

// TestErrorOverRecordings measures estimates against what providers have reported, and bounds the error: half of the estimates are nearer
// than the median, and nine of ten than the other. Prompts are OpenAI's, as the tokenizer is: others put words of their own, up to thousands
// of tokens, around tools and answers, which nobody can see.
func TestErrorOverRecordings(t *testing.T) {
	dir := corpus.Dir(t)
	var input, output, meter, against []float64
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*", "*.expect.json"))
	for _, file := range files {
		var e expected
		read(t, file, &e)
		if !e.OK || e.Inclusive == nil {
			continue
		}
		var request struct {
			Body json.RawMessage `json:"body"`
		}
		read(t, strings.TrimSuffix(file, ".expect.json")+".request.json", &request)
		openAI := strings.Contains(file, "/openai/chat/") || strings.Contains(file, "/azure/chat/")
		if in := e.Inclusive.Input; openAI && in != nil && *in > 0 && len(request.Body) > 2 && !media(request.Body) {
			input = append(input, relative(tokens.EstimateRequest("", request.Body), *in))
		}
		said := e.Text + e.Reasoning
		for _, call := range e.ToolCalls {
			said += " " + call.Name + string(call.Arguments)
		}
		hidden := e.Usage != nil && e.Usage.Reasoning != nil && *e.Usage.Reasoning > 0 && e.Reasoning == ""
		if len(said) < 80 || hidden || e.Inclusive.Output == nil || *e.Inclusive.Output == 0 {
			continue
		}
		quoted, err := json.Marshal(said)
		if err != nil {
			t.Fatal(err)
		}
		var m tokens.Meter
		m.JSON(quoted)
		output = append(output, relative(tokens.EstimateAnswer("", quoted), *e.Inclusive.Output))
		meter = append(meter, relative(m.Tokens(), *e.Inclusive.Output))
		against = append(against, relative(m.Tokens(), tokens.Estimate("", []byte(said))))
	}
	bound(t, "a prompt by the tokenizer", input, 0.30, 0.80)
	bound(t, "an answer by the tokenizer", output, 0.30, 0.80)
	bound(t, "an answer by the meter", meter, 0.30, 0.80)
	bound(t, "the meter against the tokenizer", against, 0.08, 0.18)
}

// media reports whether a prompt has what estimates leave out.
func media(body []byte) bool {
	for _, sign := range []string{"image", "audio", "file", "inlineData", "document", "web_search", "googleSearch", "cachedContent"} {
		if strings.Contains(string(body), sign) {
			return true
		}
	}
	return false
}

func read(t *testing.T, path string, into any) {
	raw, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func relative(got, want uint64) float64 { return float64(got)/float64(want) - 1 }

func bound(t *testing.T, what string, errs []float64, median, ninth float64) {
	t.Helper()
	if len(errs) < 20 {
		t.Fatalf("%s: only %d cases", what, len(errs))
	}
	sum := 0.0
	abs := make([]float64, len(errs))
	for i, e := range errs {
		sum += e
		abs[i] = math.Abs(e)
	}
	slices.Sort(abs)
	half, nine := abs[len(abs)/2], abs[len(abs)*9/10]
	t.Logf("%s: %d cases, mean error %+.0f %%, median %.0f %%, nine of ten within %.0f %%", what, len(errs), 100*sum/float64(len(errs)), 100*half, 100*nine)
	if half > median || nine > ninth {
		t.Errorf("%s: over the bounds %.0f %% and %.0f %%", what, 100*median, 100*ninth)
	}
}
