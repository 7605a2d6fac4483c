package adapters

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/adapters/tokens"
	"github.com/tollhouse/tollhouse/adapters/wire/transport"
	"github.com/tollhouse/tollhouse/events"
)

// Transporter is implemented by a provider that answers by itself, without a network.
type Transporter interface {
	Transport() http.RoundTripper
}

// UsageSender is implemented by a provider whose streams may carry usage without being asked for it: where they do, nothing of the
// client's wish is changed.
type UsageSender interface {
	SendsUsage() bool
}

// InvokerOptions of NewProviderInvoker; zero values are the defaults.
type InvokerOptions struct {
	MaxResponseBody int64 // of a buffered answer; 64 MiB
	MaxStreamEvent  int   // 16 MiB
	Now             func() time.Time
}

// NewProviderInvoker makes the invoker that every request shares.
func NewProviderInvoker(o InvokerOptions) *Invoker {
	if o.Now == nil {
		o.Now = time.Now
	}
	v := &Invoker{Now: o.Now, network: transport.New()}
	v.Limit(o.MaxResponseBody, o.MaxStreamEvent)
	return v
}

// Invoker is the ProviderInvoker over HTTP.
type Invoker struct {
	Now     func() time.Time
	network *transport.Transport

	maxResponseBody, maxStreamEvent atomic.Int64
}

// Limit changes the limits, for the answers that begin from now on; 0 is the default.
func (v *Invoker) Limit(responseBody int64, streamEvent int) {
	v.maxResponseBody.Store(cmp.Or(responseBody, 64<<20))
	v.maxStreamEvent.Store(int64(cmp.Or(streamEvent, 16<<20)))
}

var _ ProviderInvoker = (*Invoker)(nil)

// Close closes the idle connections.
func (v *Invoker) Close() { v.network.CloseIdle() }

// call is one attempt while it runs.
type call struct {
	v      *Invoker
	t      *Target
	req    *RequestContext // as it goes upstream: the client's, or its translation
	tr     *translation    // nil where client and provider speak one dialect
	ctx    context.Context
	cancel context.CancelCauseFunc
	total  *time.Timer
	resp   *ProviderResponse
	up     *http.Response
}

// Invoke makes a buffered call.
func (v *Invoker) Invoke(ctx context.Context, t *Target, req *RequestContext) (*ProviderResponse, error) {
	c := v.begin(ctx, t, req)
	defer c.end()
	if err := c.send(); err != nil {
		return c.resp, c.failed(err)
	}
	defer c.up.Body.Close()
	body, release, err := readBody(c.up.Body, c.up.ContentLength, v.maxResponseBody.Load())
	c.resp.FirstByteAt = v.Now()
	if err != nil {
		return c.resp, c.failed(err)
	}
	body = c.veiled(body)
	c.resp.Body, c.resp.Release = body, release
	c.answer(body)
	c.dress(body)
	return c.resp, nil
}

func (v *Invoker) begin(ctx context.Context, t *Target, req *RequestContext) *call {
	c := &call{v: v, t: t, req: req}
	c.resp = &ProviderResponse{SentModel: t.SentModel, Evidence: events.EvidenceNone}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	if d := t.Endpoint.Timeouts.Total; d > 0 {
		c.total = time.AfterFunc(d, func() { c.cancel(ErrTimeoutTotal) })
	}
	return c
}

// end gives back what the attempt holds, and ends what it may have left running.
func (c *call) end() {
	if c.total != nil {
		c.total.Stop()
	}
	c.cancel(nil)
}

// send makes the one request and returns when its answer's header is there.
func (c *call) send() error {
	provider := c.t.Registry.Provider
	if c.t.Traceparent != "" {
		c.req = traced(c.req, c.t)
	}
	if err := c.speak(provider.Dialect(c.req.Dialect, c.req.Operation, c.t.SentModel)); err != nil {
		return err
	}
	if p, ok := provider.(UsageSender); ok && p.SendsUsage() && !c.req.IncludeUsage {
		unasked := *c.req
		unasked.IncludeUsage = true
		c.req = &unasked
	}
	// A rewritten body is not pooled: the transport may go on sending from it when the answer is there, or the attempt is over.
	body, err := c.req.Dialect.Rewrite(nil, c.req, c.t.SentModel)
	if err != nil {
		return err
	}
	httpReq, err := provider.NewRequest(c.ctx, c.t, c.req, body)
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	tr := c.v.network
	if own, ok := provider.(Transporter); ok {
		tr = transport.Over(own.Transport())
	}
	c.resp.WroteRequestAt, c.resp.Host = c.v.Now(), httpReq.URL.Host
	c.up, err = tr.Call(httpReq, c.t.Ticket, c.t.Endpoint.Timeouts.Connect)
	if err != nil {
		return err
	}
	c.resp.StatusCode = c.up.StatusCode
	c.resp.Headers, c.resp.UpstreamRequestID = downstreamHeader(c.up.Header)
	c.resp.Limits = readLimits(c.up.Header, c.v.Now())
	return nil
}

// speak translates the request where the provider does not speak the client's dialect.
func (c *call) speak(native Dialect) (err error) {
	if native == c.req.Dialect {
		return nil
	}
	if c.tr, c.req, err = translate(c.req, native, c.t.SentModel); err == nil {
		c.resp.Dropped = c.tr.lost
	}
	return err
}

// dress puts a whole answer, or a provider's error, into the client's dialect.
func (c *call) dress(body []byte) {
	if c.tr == nil {
		return
	}
	var dressed []byte
	if c.resp.Outcome == OutcomeSuccess {
		var err error
		if dressed, err = c.tr.answer(body, c.resp); err != nil {
			c.resp.Outcome, c.resp.ErrorClass = OutcomeRetryable, events.ErrorMalformedResponse
		}
	} else if c.up.StatusCode >= 400 {
		dressed = c.tr.refusal(c.up.StatusCode, body, c.resp.Headers)
	}
	release := c.resp.Release
	c.resp.Body, c.resp.Release = dressed, nil
	c.resp.Headers["Content-Type"] = []string{"application/json"}
	release()
}

// answer reads the facts of a whole body.
func (c *call) answer(body []byte) {
	if c.up.StatusCode < 200 || c.up.StatusCode > 299 {
		c.refused(body)
		return
	}
	err := c.req.Dialect.ReadAnswer(c.req.Operation, body, c.resp)
	if err != nil || c.resp.Outcome == 0 {
		c.resp.Outcome, c.resp.ErrorClass = OutcomeRetryable, events.ErrorMalformedResponse
	}
	c.estimate(body)
}

// shortest is how long a credential must be at least to be looked for in a provider's words: a shorter one stands in many by chance.
const shortest = 8

// veiled takes the endpoint's credential out of an error answer: some providers repeat it there, and it is none of the client's.
func (c *call) veiled(body []byte) []byte {
	key := c.t.Endpoint.APIKey
	if c.up.StatusCode <= 299 || len(key) < shortest || !bytes.Contains(body, []byte(key.Reveal())) {
		return body
	}
	return bytes.ReplaceAll(body, []byte(key.Reveal()), []byte(key.String()))
}

// estimate completes a usage that nobody reported, of the texts that were seen: the request's, and a whole answer's. What was streamed
// has been counted on its way.
func (c *call) estimate(answer []byte) {
	u := c.resp.Usage
	if u == nil || c.resp.Evidence != events.EvidenceEstimated {
		return
	}
	if u.InputTokens == 0 {
		u.InputTokens = tokens.EstimateRequest(c.t.SentModel, c.req.Body)
	}
	if u.OutputTokens == 0 && c.req.Operation == OperationChat {
		u.OutputTokens = tokens.EstimateAnswer(c.t.SentModel, answer)
	}
}

// refused reads what an error answer means.
func (c *call) refused(body []byte) {
	v := c.t.Registry.Provider.Classify(c.up.StatusCode, c.up.Header, body)
	c.resp.Outcome, c.resp.ErrorClass, c.resp.RetryAfter = v.Outcome, v.Class, v.RetryAfter
}

// failed says in the facts what an error means, and returns the error as the caller is to see it.
func (c *call) failed(err error) error {
	r := c.resp
	cause := context.Cause(c.ctx)
	var said *Error
	switch {
	case c.up == nil && c.resp.WroteRequestAt.IsZero() && errors.As(err, &said): // it could not be translated
		r.Outcome, r.ErrorClass = OutcomeTerminal, events.ErrorInvalidRequest
	case cause != nil && Cancelled(cause):
		r.Outcome, r.ErrorClass = 0, ""
		err = cause
	case cause != nil:
		r.Outcome, r.ErrorClass = OutcomeRetryable, events.ErrorTimeout
		err = cause
	case errors.Is(err, transport.ErrConnectTimeout):
		r.Outcome, r.ErrorClass = OutcomeRetryable, events.ErrorTimeout
		err = ErrTimeoutConnect
	case errors.Is(err, errTooLarge):
		r.Outcome, r.ErrorClass = OutcomeRetryable, events.ErrorMalformedResponse
	case errors.Is(err, ErrNoCredential):
		r.Outcome, r.ErrorClass = OutcomeRetryable, events.ErrorCredential
	case errors.Is(err, transport.ErrNoTicket):
		r.Outcome, r.ErrorClass = OutcomeTerminal, events.ErrorInternal
	default:
		r.Outcome, r.ErrorClass = OutcomeRetryable, events.ErrorTransport
	}
	return err
}

var errTooLarge = errors.New("the provider's answer is too large")

// readBody reads a whole body into pooled memory.
func readBody(body io.Reader, length, limit int64) (whole []byte, release func(), err error) {
	if length > limit {
		return nil, nil, errTooLarge
	}
	scratch := getBuffer()
	buf := bytes.NewBuffer((*scratch)[:0])
	if length > 0 {
		buf.Grow(int(length) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(body, limit+1))
	*scratch = buf.Bytes()
	if err == nil && n > limit {
		err = errTooLarge
	}
	if err != nil {
		putBuffer(scratch)
		return nil, nil, err
	}
	return *scratch, func() { putBuffer(scratch) }, nil
}

// Buffers are pooled: a request needs several of some KiB, and what is garbage dominates the cost of a request. An open stream keeps its
// buffer for as long as it lasts, so that one is as small as what a connection is read by.
var (
	buffers       = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}
	streamBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}
)

// maxPooled keeps one large answer, or event, from holding its memory for ever.
const (
	maxPooled       = 1 << 20
	maxPooledStream = 64 << 10
)

func getBuffer() *[]byte { return buffers.Get().(*[]byte) }

func putBuffer(b *[]byte) { pool(&buffers, b, maxPooled) }

func getStreamBuffer() *[]byte { return streamBuffers.Get().(*[]byte) }

func putStreamBuffer(b *[]byte) { pool(&streamBuffers, b, maxPooledStream) }

func pool(p *sync.Pool, b *[]byte, most int) {
	if cap(*b) <= most {
		*b = (*b)[:0]
		p.Put(b)
	}
}
