package sim

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/dialects/openaichat"
)

// Load is what the clients ask for.
type Load struct {
	Requests int
	Rate     float64 // a second, as a Poisson process
	Models   []string
	Sessions int
	Input    float64       // tokens of a session's prompt, median
	Output   float64       // tokens of an answer, mean
	Streams  float64       // share
	HangUps  float64       // share whose client leaves before the end
	Patience time.Duration // within which they do
	Hasty    float64       // share with a deadline
	Deadline time.Duration // the longest
}

// request is one client's request, all of which is fixed before it is made.
type request struct {
	n        int
	consumer int
	session  int
	model    string
	stream   bool
	input    int
	output   int
	hangsUp  time.Duration // 0: never
	reads    int           // frames, and then it leaves; 0: all
	deadline time.Duration // 0: none
	body     []byte
	adapters.Inspection
}

// clients makes the requests of a load. One goroutine uses it.
type clients struct {
	Load
	seed      uint64
	consumers int
	arrivals  *rand.Rand
	prompts   map[string]*request // by session, model and stream
}

func newClients(l Load, seed uint64, consumers int) *clients {
	return &clients{Load: l, seed: seed, consumers: consumers, arrivals: rand.New(rand.NewPCG(seed, 1)), prompts: map[string]*request{}}
}

// pause is until the next request.
func (c *clients) pause() time.Duration {
	return time.Duration(c.arrivals.ExpFloat64() / c.Rate * float64(time.Second))
}

// request draws the n-th one: the same for a seed, whatever became of those before it.
func (c *clients) request(n int) (*request, error) {
	r := rand.New(rand.NewPCG(c.seed, uint64(n)<<8|2))
	// Some sessions are busier than others.
	session := int(float64(max(c.Sessions, 1)) * r.Float64() * r.Float64())
	q, err := c.prompt(session, c.Models[r.IntN(len(c.Models))], r.Float64() < c.Streams)
	if err != nil {
		return nil, err
	}
	q.n, q.consumer = n, r.IntN(max(c.consumers, 1))
	q.output = 1 + int(c.Output*(0.25+0.75*r.ExpFloat64()))
	if r.Float64() < c.HangUps {
		if q.stream && r.IntN(3) == 0 {
			q.reads = 1 + r.IntN(chunks)
		} else {
			q.hangsUp = time.Duration(r.Int64N(int64(c.Patience)))
		}
	}
	if r.Float64() < c.Hasty {
		q.deadline = time.Duration(r.Int64N(int64(c.Deadline)))
	}
	return &q, nil
}

// prompt is a request of a session as a client writes it. Its bytes are the same every time, and nobody changes them.
func (c *clients) prompt(session int, model string, stream bool) (request, error) {
	key := fmt.Sprint(session, model, stream)
	if q := c.prompts[key]; q != nil {
		return *q, nil
	}
	r := rand.New(rand.NewPCG(c.seed, uint64(session)<<8|3))
	input := 1 + int(c.Input*math.Exp(0.6*r.NormFloat64()))
	text := strings.Repeat(fmt.Sprintf("word%d ", session), 1+input*4/(5+len(strconv.Itoa(session))))
	body := fmt.Appendf(nil, `{"model":%q,"stream":%t,"max_tokens":%d,"prompt_cache_key":"session-%d","messages":[{"role":"system","content":"%s"},{"role":"user","content":"go on"}]}`,
		model, stream, int(c.Output*4), session, text)
	inspection, err := openaichat.Dialect{}.Inspect(adapters.OperationChat, "/v1/chat/completions", body)
	if err != nil {
		return request{}, fmt.Errorf("inspect the request of session %d: %w", session, err)
	}
	q := &request{session: session, model: model, stream: stream, input: len(body) / 4, body: body, Inspection: inspection}
	c.prompts[key] = q
	return *q, nil
}

func (q *request) id() string { return fmt.Sprintf("req_%026d", q.n) }

// context carries the request to the place that answers it.
func (q *request) context() *adapters.RequestContext {
	return &adapters.RequestContext{
		ID: q.id(), Dialect: openaichat.Dialect{}, Operation: adapters.OperationChat, Method: "POST", Path: "/v1/chat/completions",
		Body: q.body, Inspection: q.Inspection, ReceivedAt: time.Now(),
	}
}

type requestKey struct{}

func withRequest(ctx context.Context, q *request) context.Context {
	return context.WithValue(ctx, requestKey{}, q)
}

func requestOf(ctx context.Context) *request { return ctx.Value(requestKey{}).(*request) }
