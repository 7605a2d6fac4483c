package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// chunks is how many pieces a stream comes in.
const chunks = 4

// invoker is the adapters.ProviderInvoker whose upstreams are places.
type invoker struct {
	seed  uint64
	sites map[string]*site // by registry/endpoint
	watch *Watch
}

var _ adapters.ProviderInvoker = (*invoker)(nil)

// call is one attempt while it runs.
type call struct {
	v     *invoker
	ctx   context.Context
	t     *adapters.Target
	q     *request
	site  *site
	r     *rand.Rand
	until time.Time // its timeout; zero: none
	turn  *turnIn
	wrote int // tokens
	resp  *adapters.ProviderResponse
	over  bool
}

// Invoke makes a buffered call.
func (v *invoker) Invoke(ctx context.Context, t *adapters.Target, _ *adapters.RequestContext) (*adapters.ProviderResponse, error) {
	c := v.begin(ctx, t)
	defer c.end()
	if err := c.open(0); err != nil || c.resp.StatusCode != 0 {
		return c.resp, err
	}
	if err := c.wait(c.turn.rest, 0, nil); err != nil {
		return c.resp, c.failed(err)
	}
	c.wrote = c.q.output
	c.answer(http.StatusOK, adapters.OutcomeSuccess, "")
	c.usage(events.EvidenceReported)
	return c.resp, nil
}

// InvokeStream makes a streamed call and returns with its first content.
func (v *invoker) InvokeStream(ctx context.Context, t *adapters.Target, _ *adapters.RequestContext) (*adapters.ProviderResponse, error) {
	c := v.begin(ctx, t)
	opened := false
	defer func() {
		if !opened {
			c.end()
		}
	}()
	if err := c.open(t.Endpoint.Timeouts.FirstByte); err != nil || c.resp.StatusCode != 0 {
		return c.resp, err
	}
	opened = true
	c.resp.StatusCode, c.resp.Outcome = http.StatusOK, adapters.OutcomeSuccess
	c.usage(events.EvidencePartial)
	c.resp.Stream = c.frames
	v.watch.opens(c.q.id(), t.Attempt)
	return c.resp, nil
}

func (v *invoker) begin(ctx context.Context, t *adapters.Target) *call {
	q := requestOf(ctx)
	c := &call{
		v: v, ctx: ctx, t: t, q: q, site: v.sites[t.Registry.Name+"/"+t.Endpoint.Name],
		r:    rand.New(rand.NewPCG(v.seed, uint64(q.n)<<16|uint64(t.Attempt)<<8|4)),
		resp: &adapters.ProviderResponse{SentModel: t.SentModel, Evidence: events.EvidenceNone},
	}
	c.site.called()
	now := time.Now()
	if d := t.Endpoint.Timeouts.Total; d > 0 {
		c.until = now.Add(d)
	}
	v.watch.begins(now, q.id(), t)
	if err := t.Ticket.Redeem(); err != nil {
		v.watch.broken("%s attempt %d: its ticket: %v", q.id(), t.Attempt, err)
	}
	return c
}

// end gives back what the attempt holds, before anybody can know that it is over.
func (c *call) end() {
	if c.over {
		return
	}
	c.over = true
	c.v.watch.ends(c.t.Endpoint, c.q.id(), c.t.Attempt, c.resp.RetryAfter)
	if c.turn == nil {
		return
	}
	var cost uint64
	if now := time.Now(); !now.Before(c.turn.begin) {
		cached := c.cachedTokens()
		cost = (uint64(c.q.input)-cached)*c.site.In + cached*c.site.In/10 + uint64(c.wrote)*c.site.Out
	}
	c.site.leave(time.Now(), *c.turn, cost)
}

func (c *call) cachedTokens() uint64 {
	if !c.turn.cached {
		return 0
	}
	return uint64(cachedShare * float64(c.q.input))
}

var (
	errRefused = errors.New("connection refused")
	errReset   = errors.New("connection reset by peer")
	errCut     = errors.New("the stream broke off")
)

const forever = time.Duration(math.MaxInt64)

// open connects, sends, and waits for the first token, or for an answer that is an error: then the response has a status.
func (c *call) open(firstByte time.Duration) error {
	under := 200*time.Microsecond + time.Duration(c.r.Int64N(int64(2*time.Millisecond)))
	if err := c.sleep(under, nil); err != nil {
		return c.failed(err)
	}
	now := time.Now()
	sky := c.site.sky(now)
	chance, luck := c.r.Float64(), math.Exp(0.35*c.r.NormFloat64())
	switch {
	case chance < sky.Panics:
		panic("simulated")
	case sky.Drops:
		err := c.wait(forever, c.t.Endpoint.Timeouts.Connect, adapters.ErrTimeoutConnect)
		if errors.Is(err, adapters.ErrTimeoutConnect) {
			c.v.watch.unreached(c.q.id(), c.t.Attempt)
		}
		return c.failed(err)
	case sky.Refuses:
		return c.failed(errRefused)
	}
	c.resp.WroteRequestAt, c.resp.Host = now, c.t.Endpoint.Name
	soon := c.site.First / 10
	switch {
	case sky.Revoked:
		return c.refuse(soon, http.StatusUnauthorized, events.ErrorCredential)
	case sky.Hangs:
		return c.failed(c.wait(forever, firstByte, adapters.ErrTimeoutFirstByte))
	case chance < sky.Fails:
		return c.refuse(soon, http.StatusInternalServerError, events.ErrorOverloaded)
	}
	if sky.Limit > 0 && !c.admitted(now, sky) {
		return c.refuse(soon, http.StatusTooManyRequests, events.ErrorRateLimited)
	}
	turn := c.site.take(now, c.q.session, sky.slow(), luck, c.q.output)
	c.turn = &turn
	if err := c.wait(turn.begin.Sub(now)+turn.first, firstByte, adapters.ErrTimeoutFirstByte); err != nil {
		return c.failed(err)
	}
	c.resp.FirstByteAt = time.Now()
	if chance < sky.Overloads {
		c.resp.StatusCode, c.resp.Outcome, c.resp.ErrorClass = http.StatusOK, adapters.OutcomeRetryable, events.ErrorOverloaded
		c.turn.begin = forEver // an error costs nothing
		return &adapters.Error{Code: adapters.CodeUpstreamError, Message: "overloaded", Status: http.StatusServiceUnavailable}
	}
	c.site.answered(time.Now(), c.q.session)
	return nil
}

// forEver is later than any run.
var forEver = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// admitted asks the rate limit, and takes over what its headers would say.
func (c *call) admitted(now time.Time, sky Sky) bool {
	ok, left, of, retryAfter := c.site.admit(now, sky)
	if sky.Untold {
		return ok
	}
	reset := time.Duration(float64(of-left) / sky.Limit * float64(time.Second))
	c.resp.Limits.Requests = adapters.Limit{Known: true, Remaining: left, Of: of, Reset: reset}
	c.resp.RetryAfter = retryAfter
	return ok
}

// refuse answers with an error status.
func (c *call) refuse(after time.Duration, status int, class events.ErrorClass) error {
	if err := c.wait(after, 0, nil); err != nil {
		return c.failed(err)
	}
	c.answer(status, adapters.OutcomeRetryable, class)
	return nil
}

func (c *call) answer(status int, outcome adapters.Outcome, class events.ErrorClass) {
	c.resp.StatusCode, c.resp.Outcome, c.resp.ErrorClass = status, outcome, class
	c.resp.Body = fmt.Appendf(nil, `{"status":%d}`, status)
	if c.resp.FirstByteAt.IsZero() {
		c.resp.FirstByteAt = time.Now()
	}
}

// usage says what was consumed so far.
func (c *call) usage(e events.Evidence) {
	c.resp.Evidence = e
	c.resp.Usage = &events.Usage{InputTokens: uint64(c.q.input), CacheReadTokens: c.cachedTokens(), OutputTokens: uint64(c.wrote)}
}

// frames is the response's Stream.
func (c *call) frames(yield func([]byte, error) bool) {
	defer c.end()
	breaksAt := chunks
	if c.r.Float64() < c.site.sky(time.Now()).Breaks {
		breaksAt = c.r.IntN(chunks-1) + 1
	}
	for i := range chunks {
		if i > 0 {
			err := c.wait(c.turn.rest/(chunks-1), c.t.Endpoint.Timeouts.Idle, adapters.ErrTimeoutIdle)
			if i == breaksAt && err == nil {
				err = errCut
			}
			if err != nil {
				err = c.failed(err)
				c.end()
				yield(nil, err)
				return
			}
			c.wrote = c.q.output * i / (chunks - 1)
			c.usage(events.EvidencePartial)
		}
		last := i == chunks-1
		if last {
			c.usage(events.EvidenceReported)
			c.end()
			if c.resp.OnFinal != nil {
				c.resp.OnFinal()
			}
		}
		if !yield([]byte("data: {}\n\n"), nil) {
			if !last {
				c.resp.Outcome, c.resp.ErrorClass = 0, ""
			}
			return
		}
	}
}

// wait lets time pass, no longer than a limit, which ends in late. What the weather turns into meanwhile is felt.
func (c *call) wait(d, limit time.Duration, late error) error {
	var broken error
	now := time.Since(c.site.began)
	spell, turned := turn(c.site.Spells, now, min(d, forever-now))
	hit := spell.From - now + time.Duration(c.r.Int64N(int64(50*time.Millisecond))) // not all in the same instant
	switch {
	case turned && spell.Refuses:
		d, broken = hit, errReset
	case turned:
		d = forever
	}
	switch {
	case late == adapters.ErrTimeoutIdle && turned && limit > 0: // until then it was not silent
		d = min(d, hit+limit)
		broken = cmp.Or(broken, late)
	case late != adapters.ErrTimeoutIdle && limit > 0 && limit < d:
		d, broken = limit, late
	}
	return c.sleep(d, broken)
}

// sleep ends in broken, or before that with the attempt's timeout or its context.
func (c *call) sleep(d time.Duration, broken error) error {
	if !c.until.IsZero() {
		if left := time.Until(c.until); left < d {
			d, broken = left, adapters.ErrTimeoutTotal
		}
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return broken
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
}

// failed says in the facts what an error means.
func (c *call) failed(err error) error {
	c.resp.Outcome, c.resp.ErrorClass = adapters.OutcomeRetryable, events.ErrorTransport
	switch {
	case adapters.Cancelled(err):
		c.resp.Outcome, c.resp.ErrorClass = 0, ""
	case errors.Is(err, adapters.ErrTimeoutConnect), errors.Is(err, adapters.ErrTimeoutFirstByte), errors.Is(err, adapters.ErrTimeoutIdle),
		errors.Is(err, adapters.ErrTimeoutTotal):
		c.resp.ErrorClass = events.ErrorTimeout
	}
	return err
}
