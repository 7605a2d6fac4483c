package all

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/adapters"
)

// The paths whose cost is held: a client's dialect and its provider's, and what a chunk and a whole answer may allocate.
var costs = []struct {
	client, provider string
	chunk            float64 // allocations for each chunk of a stream
	whole            float64 // for a whole exchange
}{
	{"openai_chat", "openai_chat", 0, 60},
	{"anthropic_messages", "anthropic_messages", 0, 60},
	{"gemini", "gemini", 0, 60},
	{"openai_chat", "anthropic_messages", 2, 230},
	{"anthropic_messages", "openai_chat", 3, 230},
}

// chunks are what is repeated of a provider's stream, what comes before and what behind.
var chunks = map[string][3]string{
	"openai_chat": {
		`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-x","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n",
		`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-x","service_tier":"default","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":" books"},"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n",
		`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n" +
			`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-x","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":5,"total_tokens":25}}` + "\n\ndata: [DONE]\n\n",
	},
	"anthropic_messages": {
		"event: message_start\ndata: " + `{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":20,"output_tokens":1}}}` + "\n\n" +
			"event: content_block_start\ndata: " + `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n\n",
		"event: content_block_delta\ndata: " + `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" books"}}` + "\n\n",
		"event: content_block_stop\ndata: " + `{"type":"content_block_stop","index":0}` + "\n\n" +
			"event: message_delta\ndata: " + `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":5}}` + "\n\n" +
			"event: message_stop\ndata: " + `{"type":"message_stop"}` + "\n\n",
	},
	"gemini": {
		"",
		`data: {"candidates":[{"content":{"parts":[{"text":" books"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":20,"totalTokenCount":20},"modelVersion":"gemini-x","responseId":"g-1"}` + "\r\n\r\n",
		`data: {"candidates":[{"content":{"parts":[{"text":"."}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":20,"candidatesTokenCount":5,"totalTokenCount":25},"modelVersion":"gemini-x","responseId":"g-1"}` + "\r\n\r\n",
	},
}

// paced is a stream that gives a chunk for each read, as a provider's comes.
type paced struct {
	before, chunk, behind string
	n, at                 int
}

func (p *paced) Read(b []byte) (int, error) {
	p.at++
	switch {
	case p.at == 1 && p.before != "":
		return copy(b, p.before), nil
	case p.at <= p.n+1:
		return copy(b, p.chunk), nil
	case p.at == p.n+2:
		return copy(b, p.behind), nil
	}
	return 0, io.EOF
}

func (p *paced) Close() error { return nil }

// pacing is a provider whose stream is paced, or whose answer is whole.
type pacing struct {
	as
	n     int
	whole string
}

func (p *pacing) Transport() http.RoundTripper { return p }

func (p *pacing) RoundTrip(req *http.Request) (*http.Response, error) {
	c := chunks[p.dialect.Name()]
	resp := &http.Response{StatusCode: http.StatusOK, Request: req, ContentLength: -1}
	if p.whole != "" {
		resp.Header, resp.Body = http.Header{"Content-Type": {"application/json"}}, io.NopCloser(strings.NewReader(p.whole))
		return resp, nil
	}
	resp.Header, resp.Body = http.Header{"Content-Type": {"text/event-stream"}}, &paced{before: c[0], chunk: c[1], behind: c[2], n: p.n}
	return resp, nil
}

// run makes a function that makes one exchange, with so many chunks or whole, and reads it to its end.
func run(t testing.TB, set *adapters.Set, client, provider string, n int) func() {
	dialect := set.Dialect(client)
	p := &pacing{as: as{dialect: set.Dialect(provider)}, n: n}
	if n == 0 {
		p.whole = sections(t, "testdata/matrix/text.txtar")[provider+".answer"]
	}
	req := requestOf(t, dialect, adapters.OperationChat, "", sections(t, "testdata/matrix/text.txtar")[client+".request"], n > 0)
	target := &adapters.Target{
		Registry: &adapters.Registry{Name: "r", Provider: p}, Endpoint: &adapters.Endpoint{Name: "e"}, SentModel: "sent", Ticket: ticket{},
	}
	v := adapters.NewProviderInvoker(adapters.InvokerOptions{})
	t.Cleanup(v.Close)
	return func() {
		invoke := v.Invoke
		if n > 0 {
			invoke = v.InvokeStream
		}
		resp, err := invoke(t.Context(), target, req)
		if err != nil || resp.Outcome != adapters.OutcomeSuccess {
			t.Fatalf("%v, %v", resp.Outcome, err)
		}
		if resp.Release != nil {
			resp.Release()
		}
		if resp.Stream == nil {
			return
		}
		frames := 0
		for frame, err := range resp.Stream {
			if err != nil || len(frame) == 0 {
				t.Fatalf("%q, %v", frame, err)
			}
			frames++
		}
		if frames < n {
			t.Fatalf("%d frames of %d chunks", frames, n)
		}
	}
}

// TestAllocations holds what a chunk costs, by what a longer stream costs more, and what a whole exchange does.
func TestAllocations(t *testing.T) {
	set, err := Set()
	if err != nil {
		t.Fatal(err)
	}
	const short, long = 50, 550
	for _, c := range costs {
		t.Run(c.client+" to "+c.provider, func(t *testing.T) {
			per := (testing.AllocsPerRun(10, run(t, set, c.client, c.provider, long)) - testing.AllocsPerRun(10, run(t, set, c.client, c.provider, short))) / (long - short)
			whole := testing.AllocsPerRun(20, run(t, set, c.client, c.provider, 0))
			t.Logf("%.2f allocations a chunk, %.0f a whole exchange", per, whole)
			if per > c.chunk+0.05 {
				t.Errorf("%.2f allocations a chunk, over %v", per, c.chunk)
			}
			if whole > c.whole {
				t.Errorf("%.0f allocations a whole exchange, over %v", whole, c.whole)
			}
		})
	}
}

// BenchmarkChunk is the cost of a chunk of a stream, read from the provider and ready for the client.
func BenchmarkChunk(b *testing.B) {
	set, err := Set()
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range costs {
		b.Run(fmt.Sprintf("%s from %s", c.client, c.provider), func(b *testing.B) {
			b.ReportAllocs()
			stream := run(b, set, c.client, c.provider, max(b.N, 1))
			b.ResetTimer()
			stream()
		})
	}
}

// BenchmarkWhole is the cost of a whole exchange.
func BenchmarkWhole(b *testing.B) {
	set, err := Set()
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range costs {
		b.Run(fmt.Sprintf("%s from %s", c.client, c.provider), func(b *testing.B) {
			exchange := run(b, set, c.client, c.provider, 0)
			b.ReportAllocs()
			for b.Loop() {
				exchange()
			}
		})
	}
}
