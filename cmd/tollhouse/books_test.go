package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/adapters/adaptertest/upstream"
)

// call is one request of a client.
type call struct {
	mark      string
	script    string // for the upstream
	anthropic bool
	stream    bool
	model     string
	hangUp    int    // bytes after which the client hangs up; 0: never
	timeout   string // X-Tollhouse-Timeout
}

// send makes the call and returns what came of it. The mark stands in a label and in the prompt, so that the two books can be
// joined where no answer came.
func (c call) send(base string) (status int, body string, header http.Header, err error) {
	path, model := "/v1/chat/completions", "gpt-4o"
	if c.anthropic {
		path, model = "/v1/messages", "claude-sonnet-4-5"
	}
	if c.model != "" {
		model = c.model
	}
	prompt := "mark:" + c.mark
	if c.script != "" {
		prompt += " upstream: " + c.script
	}
	text := fmt.Sprintf(`{"model":%q,"stream":%v,"max_tokens":100,"messages":[{"role":"user","content":%q}]}`, model, c.stream, prompt)
	req, err := http.NewRequest(http.MethodPost, base+path, strings.NewReader(text))
	if err != nil {
		return 0, "", nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+testKey)
	req.Header.Set("X-Tollhouse-Labels", "mark="+c.mark)
	if c.timeout != "" {
		req.Header.Set("X-Tollhouse-Timeout", c.timeout)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer resp.Body.Close()
	var in io.Reader = resp.Body
	if c.hangUp > 0 {
		in = io.LimitReader(in, int64(c.hangUp))
	}
	raw, err := io.ReadAll(in)
	return resp.StatusCode, string(raw), resp.Header, err
}

var client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}

// attempt is a row as the comparison needs it.
type attempt struct {
	mark, outcome, class, response, evidence string
	input, cached, output                    uint64
}

// attempts reads every attempt by its mark.
func (s *stack) attempts() (map[string][]attempt, error) {
	rows, err := s.query("SELECT labels['mark'] AS mark, outcome, error_class, response_id, usage_evidence, input_tokens, cache_read_tokens, output_tokens FROM attempts")
	if err != nil {
		return nil, err
	}
	all := map[string][]attempt{}
	for _, r := range rows {
		a := attempt{
			mark: r["mark"].(string), outcome: r["outcome"].(string), class: r["error_class"].(string), response: r["response_id"].(string),
			evidence: r["usage_evidence"].(string), input: uint64(r["input_tokens"].(float64)),
			cached: uint64(r["cache_read_tokens"].(float64)), output: uint64(r["output_tokens"].(float64)),
		}
		all[a.mark] = append(all[a.mark], a)
	}
	return all, nil
}

// books are those of every upstream.
func (s *stack) books() []upstream.Entry {
	all := s.upstream.Books()
	for _, u := range s.others {
		all = append(all, u.Books()...)
	}
	return all
}

// compare holds the upstream's books against ClickHouse: attempt by attempt, and token by token where usage was reported. What the
// upstream knows nothing of must be abandoned, cancelled or a transport failure.
func (s *stack) compare() error {
	stored, err := s.attempts()
	if err != nil {
		return err
	}
	served := map[string][]upstream.Entry{}
	byResponse := map[string]upstream.Entry{}
	for _, e := range s.books() {
		served[e.Mark] = append(served[e.Mark], e)
		byResponse[e.ResponseID] = e
	}
	for mark, entries := range served {
		if len(stored[mark]) < len(entries) {
			return fmt.Errorf("mark %s: the upstream served %d attempts, the books hold %d: %+v", mark, len(entries), len(stored[mark]), stored[mark])
		}
	}
	for mark, rows := range stored {
		unknown := len(rows) - len(served[mark])
		for _, a := range rows {
			if a.outcome == "abandoned" || a.outcome == "cancelled" || a.class == "transport" || a.class == "timeout" {
				unknown--
			}
			e, known := byResponse[a.response]
			if !known || a.outcome != "success" || a.evidence != "reported" {
				continue
			}
			if want := e.Reported; want != (upstream.Usage{Input: a.input, Cached: a.cached, Output: a.output}) {
				return fmt.Errorf("mark %s: the upstream billed %+v, the books say %+v", mark, want, a)
			}
		}
		if unknown > 0 {
			return fmt.Errorf("mark %s: the books hold %d attempts that the upstream does not know: %+v", mark, unknown, rows)
		}
	}
	for _, e := range s.books() {
		if e.Completed && e.Status == http.StatusOK && e.Reported.Input > 0 {
			if err := s.known(e, stored[e.Mark]); err != nil {
				return err
			}
		}
	}
	return nil
}

// known finds the row of an answer that was written to its end: settled with what was reported, or as what the gateway could not
// live, or was not left, to see. What an upstream that was killed has written, it may have written to a connection that died with it.
func (s *stack) known(e upstream.Entry, rows []attempt) error {
	for _, a := range rows {
		if a.response == e.ResponseID || a.outcome == "abandoned" || a.outcome == "cancelled" || s.died && a.class == "transport" {
			return nil
		}
	}
	return fmt.Errorf("mark %s: nobody accounts for %+v: %+v", e.Mark, e, rows)
}

// audit runs the command until the books close.
func (s *stack) audit(t testing.TB) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		out, errs, code := s.tollhouse("audit")
		if code != 0 || !strings.HasPrefix(out, "unaccounted: 0\nduplicated: 0\ngaps: 0\nopen: 0\n") {
			return fmt.Errorf("audit exits %d:\n%s%s", code, out, errs)
		}
		return nil
	})
}
