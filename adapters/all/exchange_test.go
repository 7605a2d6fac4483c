package all

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/adaptertest"
	"github.com/tollhouse/tollhouse/adapters/dialects/bedrock"
	"github.com/tollhouse/tollhouse/adapters/dialects/gemini"
)

// as is a provider of one dialect whose one answer is scripted.
type as struct {
	adapters.Provider
	dialect adapters.Dialect
	status  int
	answer  []string // in the pieces that it comes in
	kind    string   // its content type
	sent    string   // the body that went up, or the error that kept it here
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
	var body []io.Reader
	for _, piece := range p.answer {
		body = append(body, strings.NewReader(piece))
	}
	return &http.Response{
		StatusCode: p.status, Header: http.Header{"Content-Type": {p.kind}}, Request: req,
		Body: io.NopCloser(io.MultiReader(body...)), ContentLength: -1,
	}, nil
}

// exchange is one client's request to a provider and what became of it.
type exchange struct {
	client, provider adapters.Codec
	req              *adapters.RequestContext

	path    string
	up      string // the body that the provider got; empty: none
	down    string // what the client got, a stream as its bytes
	kind    string // of the stream
	status  int
	dropped []string
	refused *adapters.Error // what kept it here
	broken  error           // what ended the stream
}

// requestOf is a client's request, as its dialect has streams asked for.
func requestOf(t testing.TB, client adapters.Dialect, op adapters.Operation, path, body string, stream bool) *adapters.RequestContext {
	t.Helper()
	query := ""
	switch {
	case op != adapters.OperationChat:
	case client.Name() == gemini.Name && stream:
		path, query = "/v1beta/models/m:streamGenerateContent", "alt=sse"
	case client.Name() == gemini.Name:
		path = "/v1beta/models/m:generateContent"
	case client.Name() == bedrock.Name && stream:
		path = "/model/m/converse-stream"
	case client.Name() == bedrock.Name:
		path = "/model/m/converse"
	case stream:
		body = strings.TrimSuffix(strings.TrimSpace(body), "}") + `,"stream":true}`
	}
	inspection, err := client.Inspect(op, path, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return &adapters.RequestContext{
		ID: "req_00000000000000000000000001", Dialect: client, Operation: op, Method: http.MethodPost,
		Path: path, RawQuery: query, Header: http.Header{}, Body: []byte(body), Inspection: inspection,
		ReceivedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

// send makes one exchange: the provider answers with status and answer, a stream where that is one.
func send(t *testing.T, req *adapters.RequestContext, provider adapters.Dialect, model, answer string, status int) *exchange {
	t.Helper()
	p := &as{dialect: provider, status: status, answer: []string{answer}, kind: "application/json"}
	if req.Stream && status == http.StatusOK {
		s := adaptertest.ReadStream(answer)
		p.kind, p.answer = s.Type, s.Events
	}
	x := &exchange{client: req.Dialect.(adapters.Codec), provider: provider.(adapters.Codec), req: req}
	target := &adapters.Target{
		Registry: &adapters.Registry{Name: "r", Provider: p}, Endpoint: &adapters.Endpoint{Name: "e"}, SentModel: model, Ticket: ticket{},
	}
	v := adapters.NewProviderInvoker(adapters.InvokerOptions{})
	defer v.Close()
	invoke := v.Invoke
	if req.Stream {
		invoke = v.InvokeStream
	}
	resp, err := invoke(t.Context(), target, req)
	x.path, x.up, x.status, x.dropped = p.path, p.sent, resp.StatusCode, resp.Dropped
	switch {
	case err != nil && p.sent == "":
		x.refused = adapters.AsError(err)
	case err != nil:
		t.Fatalf("%s to %s: %v", x.client.Name(), x.provider.Name(), err)
	case resp.Stream == nil:
		x.down = string(resp.Body)
	default:
		x.kind = resp.Headers.Get("Content-Type")
		for frame, err := range resp.Stream {
			if err != nil {
				x.broken = err
				frame = adapters.ErrorFrame(req.Dialect, x.kind, adapters.AsError(err)) // as ingress does
			}
			x.down += string(frame)
		}
	}
	return x
}

// latency is the one thing that is another each time.
var latency = regexp.MustCompile(`("latencyMs": ?)\d+`)

// shown is what the client got, for a golden file.
func (x *exchange) shown(t *testing.T) string {
	if x.refused != nil {
		return "refused: " + string(x.client.RenderError(x.refused))
	}
	down := pretty(x.down)
	if x.kind == "application/vnd.amazon.eventstream" {
		var err error
		if down, err = adaptertest.Frames([]byte(x.down)); err != nil {
			t.Error(err)
		}
	}
	down = latency.ReplaceAllString(down, "${1}0")
	if len(x.dropped) > 0 {
		down = "dropped: " + strings.Join(x.dropped, ", ") + "\n" + down
	}
	if x.status != http.StatusOK {
		down = fmt.Sprint(x.status, " ", down)
	}
	return down
}

// of are the dialects that a scenario has a section of: request of clients, answer or error of providers.
func of(in map[string]string, kinds ...string) (dialects []string) {
	for name := range in {
		dialect, kind, _ := strings.Cut(name, ".")
		if slices.Contains(kinds, kind) && !slices.Contains(dialects, dialect) {
			dialects = append(dialects, dialect)
		}
	}
	slices.Sort(dialects)
	return dialects
}
