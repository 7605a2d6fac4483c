package all

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tollhouse/tollhouse/adapters"
)

var update = flag.Bool("update", false, "write the golden files anew; read every line of the difference")

// as is a provider of one dialect whose one answer is scripted.
type as struct {
	adapters.Provider
	dialect adapters.Dialect
	status  int
	answer  string
	sent    string // the body that went up, or the error that kept it here
	path    string
}

func (p *as) Name() string { return "scripted" }

func (p *as) Dialect(adapters.Dialect, adapters.Operation, string) adapters.Dialect { return p.dialect }

func (p *as) NewRequest(ctx context.Context, t *adapters.Target, req *adapters.RequestContext, body []byte) (*http.Request, error) {
	p.sent, p.path = string(body), req.Dialect.Path(req, t.SentModel)
	return http.NewRequestWithContext(ctx, http.MethodPost, "http://scripted.invalid"+p.path, bytes.NewReader(body))
}

func (p *as) Classify(status int, h http.Header, _ []byte) adapters.Verdict {
	return adapters.ClassifyStatus(status, h, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
}

func (p *as) Transport() http.RoundTripper { return p }

func (p *as) RoundTrip(req *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, req.Body)
	kind := "application/json"
	if strings.HasPrefix(p.answer, "data:") || strings.HasPrefix(p.answer, "event:") {
		kind = "text/event-stream"
	}
	return &http.Response{
		StatusCode: p.status, Header: http.Header{"Content-Type": {kind}}, Request: req,
		Body: io.NopCloser(strings.NewReader(p.answer)), ContentLength: int64(len(p.answer)),
	}, nil
}

// exchange sends one client's request to a provider of another dialect, and returns what went up and what came back.
func exchange(t *testing.T, set *adapters.Set, client, provider, request, answer string, status int, stream bool) (up, down string) {
	t.Helper()
	dialect := set.Dialect(client)
	body, path, query := []byte(request), "", ""
	switch {
	case client == "gemini" && stream:
		path, query = "/v1beta/models/m:streamGenerateContent", "alt=sse"
	case client == "gemini":
		path = "/v1beta/models/m:generateContent"
	case client == "bedrock_converse" && stream: // frames are binary: its own folder tests them
		return "", ""
	case client == "bedrock_converse":
		path = "/model/m/converse"
	case stream:
		body = []byte(strings.TrimSuffix(strings.TrimSpace(request), "}") + `,"stream":true}`)
	}
	inspection, err := dialect.Inspect(adapters.OperationChat, path, body)
	if err != nil {
		t.Fatal(err)
	}
	p := &as{dialect: set.Dialect(provider), status: status, answer: answer}
	req := &adapters.RequestContext{
		ID: "req_00000000000000000000000001", Dialect: dialect, Operation: adapters.OperationChat, Method: http.MethodPost,
		Path: path, RawQuery: query, Header: http.Header{}, Body: body, Inspection: inspection, ReceivedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	target := &adapters.Target{
		Registry: &adapters.Registry{Name: "r", Provider: p}, Endpoint: &adapters.Endpoint{Name: "e"}, SentModel: "sent", Ticket: ticket{},
	}
	v := adapters.NewProviderInvoker(adapters.InvokerOptions{})
	defer v.Close()
	invoke := v.Invoke
	if stream {
		invoke = v.InvokeStream
	}
	resp, err := invoke(t.Context(), target, req)
	switch {
	case err != nil && p.sent == "":
		return "", "refused: " + string(dialect.RenderError(adapters.AsError(err)))
	case err != nil:
		t.Fatalf("%s to %s: %v", client, provider, err)
	case resp.Stream == nil:
		down = pretty(string(resp.Body))
	default:
		for frame, err := range resp.Stream {
			if err != nil {
				t.Fatalf("%s to %s: %v", client, provider, err)
			}
			down += string(frame)
		}
	}
	if len(resp.Dropped) > 0 {
		down = "dropped: " + strings.Join(resp.Dropped, ", ") + "\n" + down
	}
	if resp.StatusCode != http.StatusOK {
		down = fmt.Sprint(resp.StatusCode, " ", down)
	}
	return pretty(p.sent), down
}

// pretty indents JSON, so that a difference is a line.
func pretty(text string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(text), "", " ") != nil {
		return text
	}
	return b.String()
}

// TestMatrix takes every scenario from every dialect to every other: what goes up and what comes back stand in golden/.
func TestMatrix(t *testing.T) {
	set, err := Set()
	if err != nil {
		t.Fatal(err)
	}
	scenarios, _ := filepath.Glob("testdata/matrix/*.txtar")
	if len(scenarios) == 0 {
		t.Fatal("no scenarios")
	}
	for _, path := range scenarios {
		scenario := strings.TrimSuffix(filepath.Base(path), ".txtar")
		t.Run(scenario, func(t *testing.T) {
			in := sections(t, path)
			golden := &txtar.Archive{}
			add := func(name, text string) {
				golden.Files = append(golden.Files, txtar.File{Name: name, Data: []byte(strings.TrimRight(text, "\n") + "\n")})
			}
			for _, client := range clients(in) {
				for _, provider := range clients(in) {
					if client == provider {
						continue
					}
					pair, request := client+" to "+provider, in[client+".request"]
					if answer := in[provider+".answer"]; answer != "" {
						up, down := exchange(t, set, client, provider, request, answer, 200, false)
						add(pair+", up", up)
						add(pair+", down", down)
					}
					if answer := in[provider+".stream"]; answer != "" {
						if _, down := exchange(t, set, client, provider, request, answer, 200, true); down != "" {
							add(pair+", stream", down)
						}
					}
					if answer := in[provider+".error"]; answer != "" {
						var status int
						_, _ = fmt.Sscan(answer, &status)
						_, down := exchange(t, set, client, provider, request, answer[4:], status, false)
						add(pair+", error", down)
					}
				}
			}
			compare(t, "testdata/matrix/golden/"+scenario+".txtar", golden)
		})
	}
}

func sections(t *testing.T, path string) map[string]string {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]string{}
	for _, f := range archive.Files {
		in[f.Name] = string(f.Data)
	}
	return in
}

// clients are the dialects that a scenario has a request of.
func clients(in map[string]string) (names []string) {
	for name := range in {
		if dialect, ok := strings.CutSuffix(name, ".request"); ok {
			names = append(names, dialect)
		}
	}
	slices.Sort(names)
	return names
}

func compare(t *testing.T, path string, got *txtar.Archive) {
	t.Helper()
	text := txtar.Format(got)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("%s: −want +got\n%s", path, diff)
	}
}
