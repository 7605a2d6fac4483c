package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/adapters/adaptertest/upstream"
)

// sdkModels has one of a provider of each dialect, and of one that speaks another's.
var sdkModels = []string{"gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "command-r-plus", "amazon.nova-pro-v1:0", "mistral-small-latest"}

// sdk is an official SDK, and the words of its own in which its users hear of an answer.
type sdk struct {
	Name string `json:"name"`
	File string `json:"file"` // of the script that uses it

	stop, called      string // finish reasons
	refused, stranger string // errors of a request that the provider refuses, and of a wrong key
	ownEnvelope       bool   // it reads no error's message but from its own provider's envelope
}

// sdkRun is one SDK against one model.
type sdkRun struct {
	sdk
	Model string `json:"model"`
	Tag   string `json:"tag"` // begins the marks of its prompts
}

// runsOf has every SDK against every model.
func runsOf(sdks []sdk) (all []sdkRun) {
	for i, s := range sdks {
		for j, model := range sdkModels {
			all = append(all, sdkRun{s, model, fmt.Sprintf("%s%d-%d", s.File, i, j)})
		}
	}
	return all
}

// seen is what a user of an SDK saw of one case.
type seen struct {
	Name, Model, Case, Mark string

	Text          string
	Chunks        int
	Finish        string
	Input, Output uint64
	Calls         []struct {
		Name string
		Args json.RawMessage
	}
	Object json.RawMessage

	Error   string // the class of what was thrown
	Status  int
	Message string
}

func (s seen) String() string {
	raw, _ := json.Marshal(s)
	return string(raw)
}

// sdkCases that every run reports.
var sdkCases = []string{"text", "stream", "tool", "toolStream", "schema", "refused", "cut", "stranger"}

const (
	sdkWords  = "word 0 word 1 word 2 word 3 word 4 "
	sdkObject = `{"city":"Oslo"}`
)

// wrong says what is wrong with what was seen; empty: nothing.
func (r sdkRun) wrong(s seen) string {
	failed := s.Error != ""
	if known := r.unread(s.Case); known != "" {
		return unless(failed && strings.Contains(s.Message, known), "an error of the SDK's own: %s", known)
	}
	billed := upstream.UsageOf(s.Mark)
	counted := s.Input == billed.Input && s.Output == billed.Output
	called := len(s.Calls) == 1 && s.Calls[0].Name == "weather" && compact(string(s.Calls[0].Args)) == sdkObject && s.Finish == r.called
	switch s.Case {
	case "refused":
		return unless(s.Error == r.refused && s.Status == http.StatusBadRequest && strings.Contains(s.Message, r.refusal()), "%s 400: %s", r.refused, r.refusal())
	case "stranger":
		return unless(s.Error == r.stranger && s.Status == http.StatusUnauthorized, "%s 401", r.stranger)
	case "cut":
		return unless(failed && strings.Contains(s.Message, "broke off"), "an error that says that the stream broke off")
	case "text":
		return unless(!failed && s.Text == sdkWords && s.Finish == r.stop && counted, "the text, and the usage %+v", billed)
	case "stream":
		return unless(!failed && s.Text == sdkWords && s.Finish == r.stop && s.Chunks == 5 && (counted || r.unasked(s)), "the text in five, and the usage %+v", billed)
	case "tool":
		return unless(!failed && called && s.Text == "answer to "+s.Mark, "a call, and the answer to its result")
	case "toolStream":
		return unless(!failed && called, "a call")
	case "schema":
		return unless(!failed && compact(string(s.Object)) == sdkObject, "the object")
	}
	return "nobody asked for this"
}

func (r sdkRun) fromMistral() bool { return strings.HasPrefix(r.Model, "mistral") }

// refusal is what an SDK says of a provider's refusal: the provider's words where it finds them. Some look in their own provider's
// envelope only, and Mistral's is not OpenAI's.
func (r sdkRun) refusal() string {
	if r.ownEnvelope && r.fromMistral() == (r.Name != "@ai-sdk/mistral") {
		return "Bad Request"
	}
	return "scripted 400"
}

// unread is what an SDK says where it can not read what comes, whoever sends it; empty: it reads all. Mistral's take streamed calls only
// whole, and what OpenAI's provider splits passes as it is; and they know of no error within a stream.
func (r sdkRun) unread(kind string) string {
	switch mistrals := strings.HasSuffix(r.Name, "mistralai"); {
	case mistrals && kind == "toolStream" && r.Model == "gpt-4o":
		return "name"
	case mistrals && kind == "cut":
		return "data"
	}
	return ""
}

// unasked: Mistral's own streams have usage without being asked; its SDK does not ask other providers for it.
func (r sdkRun) unasked(s seen) bool {
	return strings.Contains(r.Name, "mistral") && s.Input == 0 && !r.fromMistral()
}

func unless(good bool, want string, args ...any) string {
	if good {
		return ""
	}
	return "want " + fmt.Sprintf(want, args...)
}

// checkRuns holds what was seen, a line of JSON a case, against what the upstream was told to answer.
func checkRuns(t *testing.T, runs []sdkRun, out []byte) {
	t.Helper()
	all := map[string]seen{}
	for line := range strings.Lines(string(out)) {
		var s seen
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all[s.Mark] = s
	}
	for _, r := range runs {
		t.Run(r.Name+", "+r.Model, func(t *testing.T) {
			for _, c := range sdkCases {
				s, ok := all[r.Tag+"-"+c]
				if !ok {
					t.Errorf("%s: nothing was seen", c)
				} else if wrong := r.wrong(s); wrong != "" {
					t.Errorf("%s: %s, is %s", c, wrong, s)
				}
			}
		})
	}
}

// compareCalls holds the two books together, call by call: each that the upstream received is one attempt, found by the id that the
// upstream gave its answer, with the usage that was reported.
func (s *stack) compareCalls() error {
	rows, err := s.query("SELECT upstream_request_id, status, usage_evidence, input_tokens, cache_read_tokens, output_tokens FROM attempts")
	if err != nil {
		return err
	}
	served := s.upstream.Books()
	if len(rows) != len(served) {
		return fmt.Errorf("the upstream served %d calls, the books hold %d attempts", len(served), len(rows))
	}
	for _, e := range served {
		at := slices.IndexFunc(rows, func(row map[string]any) bool { return row["upstream_request_id"] == upstream.RequestID(e) })
		if at < 0 {
			return fmt.Errorf("the books do not know %+v", e)
		}
		row := rows[at]
		booked := upstream.Usage{
			Input: uint64(row["input_tokens"].(float64)), Cached: uint64(row["cache_read_tokens"].(float64)), Output: uint64(row["output_tokens"].(float64)),
		}
		if int(row["status"].(float64)) != e.Status {
			return fmt.Errorf("the upstream answered %+v, the books say %v", e, row)
		}
		if e.Completed && e.Status == http.StatusOK && (booked != e.Reported || row["usage_evidence"] != "reported") {
			return fmt.Errorf("the upstream billed %+v, the books say %v", e, row)
		}
	}
	return nil
}

// useScripts runs SDKs by their scripts against a whole Tollhouse: what they saw is right, and then the two books agree.
func useScripts(t *testing.T, sdks []sdk, scripts string, program ...string) {
	t.Helper()
	s := newStack(t, "")
	s.startAll("")
	s.use(t, sdks, scripts, program...)
}

func (s *stack) use(t *testing.T, sdks []sdk, scripts string, program ...string) {
	t.Helper()
	runs := runsOf(sdks)
	list, err := json.Marshal(runs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program[0], append(program[1:], string(list))...)
	cmd.Dir = scripts
	cmd.Env = append(os.Environ(), "GATEWAY="+s.parts["gateway"].address("gateway"), "KEY="+testKey)
	stderr := &lockedBuffer{}
	cmd.Stderr = stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%v\n%s", err, stderr)
	}
	checkRuns(t, runs, out)
	if len(s.upstream.Books()) < len(runs)*len(sdkCases) {
		t.Errorf("the upstream served only %d calls", len(s.upstream.Books()))
	}
	eventually(t, 30*time.Second, s.compareCalls)
	s.stop("gateway")
	s.audit(t)
}

// copyScripts puts the scripts beside what they need, which stays in the cache.
func copyScripts(t *testing.T, from string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "sdk", from))); err != nil {
		t.Fatal(err)
	}
	return dir
}
