package query

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/shopspring/decimal"

	"github.com/tollhouse/tollhouse/events"
)

// Story is everything that the books hold of one request.
type Story struct {
	RequestID      string            `json:"request_id"`
	Consumer       string            `json:"consumer"`
	KeyID          string            `json:"key_id"`
	Labels         map[string]string `json:"labels"`
	Dialect        string            `json:"dialect"`
	RequestedModel string            `json:"requested_model"`
	Stream         bool              `json:"stream"`
	Status         uint16            `json:"status"`
	Outcome        string            `json:"outcome"` // empty: not closed, as far as the books know
	ErrorCode      string            `json:"error_code,omitempty"`
	ReceivedAt     time.Time         `json:"received_at"`
	ClosedAt       time.Time         `json:"closed_at,omitzero"`
	Attempts       []Attempt         `json:"attempts"`
	// Considered are the candidates for attempts that were never begun: whoever could have served was passed over. Those of an
	// attempt stand under it.
	Considered []Candidate     `json:"considered,omitempty"`
	Amount     decimal.Decimal `json:"amount"`
	Currency   string          `json:"currency"`
}

// Attempt is one attempt of a story.
type Attempt struct {
	Attempt            uint16                     `json:"attempt"`
	Registry           string                     `json:"registry"`
	Endpoint           string                     `json:"endpoint"`
	Provider           string                     `json:"provider"`
	SentModel          string                     `json:"sent_model"`
	Model              string                     `json:"model"`
	Outcome            string                     `json:"outcome"`
	Status             uint16                     `json:"status"`
	ErrorClass         string                     `json:"error_class,omitempty"`
	FinishReason       string                     `json:"finish_reason,omitempty"`
	NativeFinishReason string                     `json:"native_finish_reason,omitempty"`
	UsageEvidence      string                     `json:"usage_evidence"`
	Tokens             map[string]uint64          `json:"tokens"`
	StartedAt          time.Time                  `json:"started_at"`
	FinishedAt         time.Time                  `json:"finished_at"`
	PriceVersion       string                     `json:"price_version"`
	Amount             decimal.Decimal            `json:"amount"`
	Breakdown          map[string]decimal.Decimal `json:"breakdown"`
	Considered         []Candidate                `json:"considered,omitempty"`
}

// ErrNoRequest is returned for a request that the books do not know.
var ErrNoRequest = errors.New("the books do not know this request")

// Explain tells a request's story. Its hour is read off its id, so that only that hour is searched.
func Explain(ctx context.Context, conn driver.Conn, requestID string) (*Story, error) {
	at, err := events.RequestIDTime(requestID)
	if err != nil {
		return nil, fmt.Errorf("%q is %w", requestID, err)
	}
	s := &Story{RequestID: requestID, Currency: "USD"}
	// A request lives for a while after the time in its id: two days bound what its attempts can have started in.
	from, until := at.Add(-time.Hour).UnixMicro(), at.Add(48*time.Hour).UnixMicro()
	if err := s.request(ctx, conn, from, until); err != nil {
		return nil, err
	}
	if err := s.attempts(ctx, conn, from, until); err != nil {
		return nil, err
	}
	if s.Consumer == "" {
		return nil, fmt.Errorf("%s: %w", requestID, ErrNoRequest)
	}
	s.place()
	return s, nil
}

func (s *Story) request(ctx context.Context, conn driver.Conn, from, until int64) error {
	rows, err := conn.Query(ctx, `SELECT consumer, key_id, labels, dialect, requested_model, stream, status, outcome, error_code, received_at, closed_at, considered
		FROM requests WHERE request_id = ? AND received_at BETWEEN fromUnixTimestamp64Micro(?, 'UTC') AND fromUnixTimestamp64Micro(?, 'UTC')`,
		s.RequestID, from, until)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		err := rows.Scan(&s.Consumer, &s.KeyID, &s.Labels, &s.Dialect, &s.RequestedModel, &s.Stream, &s.Status, &s.Outcome,
			&s.ErrorCode, &s.ReceivedAt, &s.ClosedAt, &s.Considered)
		if err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *Story) attempts(ctx context.Context, conn driver.Conn, from, until int64) error {
	rows, err := conn.Query(ctx, `SELECT a.consumer, a.attempt, a.registry, a.endpoint, a.provider, a.sent_model, a.model, a.outcome, a.status,
			a.error_class, a.finish_reason, a.native_finish_reason, a.usage_evidence, a.input_tokens, a.cache_read_tokens, a.cache_write_tokens,
			a.cache_write_1h_tokens, a.input_audio_tokens, a.output_tokens, a.reasoning_tokens, a.output_audio_tokens, a.other_units,
			a.started_at, a.finished_at, l.price_version, l.amount, l.currency, l.breakdown
		FROM attempts AS a LEFT JOIN (SELECT * FROM ledger WHERE request_id = ? AND kind = 'charge') AS l ON a.event_id = l.event_id
		WHERE a.request_id = ? AND a.started_at BETWEEN fromUnixTimestamp64Micro(?, 'UTC') AND fromUnixTimestamp64Micro(?, 'UTC') ORDER BY a.attempt`,
		s.RequestID, s.RequestID, from, until)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var a Attempt
		var n [8]uint64
		var other map[string]uint64
		var currency string
		err := rows.Scan(&s.Consumer, &a.Attempt, &a.Registry, &a.Endpoint, &a.Provider, &a.SentModel, &a.Model, &a.Outcome, &a.Status, &a.ErrorClass,
			&a.FinishReason, &a.NativeFinishReason, &a.UsageEvidence, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7], &other,
			&a.StartedAt, &a.FinishedAt, &a.PriceVersion, &a.Amount, &currency, &a.Breakdown)
		if err != nil {
			return err
		}
		a.Tokens = map[string]uint64{}
		for i, kind := range [...]string{"input", "cache_read", "cache_write", "cache_write_1h", "input_audio", "output", "reasoning", "output_audio"} {
			if n[i] > 0 {
				a.Tokens[kind] = n[i]
			}
		}
		maps.Copy(a.Tokens, other)
		s.Amount = s.Amount.Add(a.Amount)
		s.Attempts = append(s.Attempts, a)
	}
	return rows.Err()
}

// WriteText tells the story to a person.
func (s *Story) WriteText(w io.Writer) error {
	p := &printer{w: w}
	p.line("request %s", s.RequestID)
	p.line("  from      %s (key %s)%s", s.Consumer, s.KeyID, labels(s.Labels))
	p.line("  asked     %s for %q, stream %v, at %s", s.Dialect, s.RequestedModel, s.Stream, stamp(s.ReceivedAt))
	if s.Outcome == "" {
		p.line("  answered  not closed yet, as far as the books know")
	} else {
		p.line("  answered  %s, status %d%s, at %s", s.Outcome, s.Status, optional(", ", s.ErrorCode), stamp(s.ClosedAt))
	}
	for _, a := range s.Attempts {
		p.line("  attempt %d %s/%s (%s) with %s%s", a.Attempt, a.Registry, a.Endpoint, a.Provider, a.SentModel, optional(", echoed ", a.Model))
		p.considered(a.Considered, a.SentModel)
		p.line("    ended   %s, status %d%s%s, after %s", a.Outcome, a.Status, optional(", ", a.ErrorClass),
			optional(", finish ", a.FinishReason), a.FinishedAt.Sub(a.StartedAt).Round(time.Millisecond))
		p.line("    used    %s%s", a.UsageEvidence, counts(a.Tokens))
		p.line("    cost    %s %s by %s%s", a.Amount, s.Currency, a.PriceVersion, amounts(a.Breakdown))
	}
	p.neverBegan(s.Considered, s.RequestedModel)
	p.line("  total     %s %s", s.Amount, s.Currency)
	return p.err
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000000Z") }

func optional(before, s string) string {
	if s == "" {
		return ""
	}
	return before + s
}

func labels(m map[string]string) (out string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out += " " + k + "=" + m[k]
	}
	return out
}

func counts(m map[string]uint64) (out string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out += fmt.Sprintf(" %s=%d", k, m[k])
	}
	return out
}

func amounts(m map[string]decimal.Decimal) (out string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out += fmt.Sprintf(" %s=%s", k, m[k])
	}
	return optional(":", out)
}
