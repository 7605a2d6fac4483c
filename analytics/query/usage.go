// Package query asks the books: what was used and what it cost, the story of one request, and whether the books close. It is the only
// reader of the tables.
package query

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/shopspring/decimal"
)

// Usage is one line of the cost report.
type Usage struct {
	Dimensions      map[string]string `json:"dimensions"`
	Requests        uint64            `json:"requests"`
	Attempts        uint64            `json:"attempts"`
	InputTokens     uint64            `json:"input_tokens"`
	CacheReadTokens uint64            `json:"cache_read_tokens"`
	OutputTokens    uint64            `json:"output_tokens"`
	ReasoningTokens uint64            `json:"reasoning_tokens"`
	Estimated       uint64            `json:"estimated_attempts"` // whose usage nobody reported in full
	Unpriced        uint64            `json:"unpriced_attempts"`  // whose model the catalogue does not know
	Amount          decimal.Decimal   `json:"amount"`
	Currency        string            `json:"currency"`
}

// UsageFilter bounds a report. Since and Until are by when attempts started; zero: no bound.
type UsageFilter struct {
	By           []string // dimensions; none: consumer and model
	Since, Until time.Time
	Consumer     string
}

// dimensions that a report can be by, as SQL. A label is `label:NAME`.
var dimensions = map[string]string{
	"consumer": "a.consumer", "model": "a.sent_model", "requested_model": "a.requested_model", "provider": "a.provider",
	"registry": "a.registry", "endpoint": "a.endpoint", "outcome": "a.outcome", "dialect": "a.dialect", "key": "a.key_id",
	"day": "toString(toDate(a.started_at))", "hour": "formatDateTime(a.started_at, '%Y-%m-%d %H:00')", "gateway": "a.gateway_id",
}

// Dimensions lists what a report can be by.
func Dimensions() []string {
	names := make([]string, 0, len(dimensions)+1)
	for name := range dimensions {
		names = append(names, name)
	}
	slices.Sort(names)
	return append(names, "label:NAME")
}

// ReadUsage returns the report, the dearest line first.
func ReadUsage(ctx context.Context, conn driver.Conn, f UsageFilter) ([]Usage, error) {
	if len(f.By) == 0 {
		f.By = []string{"consumer", "model"}
	}
	var selects []string
	var args []any
	for i, name := range f.By {
		expr, ok := dimensions[name]
		if label, isLabel := strings.CutPrefix(name, "label:"); isLabel && label != "" {
			expr, ok = "a.labels[?]", true
			args = append(args, label)
		}
		if !ok {
			return nil, fmt.Errorf("by: unknown dimension %q: wants one of %s", name, strings.Join(Dimensions(), ", "))
		}
		selects = append(selects, fmt.Sprintf("%s AS d%d", expr, i))
	}
	where, whereArgs := f.where()
	args = append(args, whereArgs...)
	groups := make([]string, len(f.By))
	for i := range f.By {
		groups[i] = fmt.Sprintf("d%d", i)
	}
	sql := `SELECT ` + strings.Join(selects, ", ") + `, uniqExact(a.request_id), count(), sum(a.input_tokens), sum(a.cache_read_tokens),
		sum(a.output_tokens), sum(a.reasoning_tokens), countIf(a.usage_evidence IN ('estimated', 'partial')),
		countIf(l.unpriced), sum(l.amount) AS amount, l.currency AS currency
		FROM attempts AS a LEFT JOIN (
			SELECT event_id, sum(amount) AS amount, any(currency) AS currency, max(price_version = 'unpriced') AS unpriced FROM ledger GROUP BY event_id
		) AS l ON a.event_id = l.event_id ` + where + ` GROUP BY ` + strings.Join(groups, ", ") + `, currency ORDER BY amount DESC, ` + groups[0]
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var report []Usage
	for rows.Next() {
		u := Usage{Dimensions: map[string]string{}}
		values := make([]string, len(f.By))
		into := make([]any, 0, len(f.By)+10)
		for i := range values {
			into = append(into, &values[i])
		}
		into = append(into, &u.Requests, &u.Attempts, &u.InputTokens, &u.CacheReadTokens, &u.OutputTokens, &u.ReasoningTokens,
			&u.Estimated, &u.Unpriced, &u.Amount, &u.Currency)
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		for i, name := range f.By {
			u.Dimensions[name] = values[i]
		}
		report = append(report, u)
	}
	return report, rows.Err()
}

func (f *UsageFilter) where() (string, []any) {
	var conditions []string
	var args []any
	add := func(condition string, arg any) {
		conditions = append(conditions, condition)
		args = append(args, arg)
	}
	if !f.Since.IsZero() {
		add("a.started_at >= fromUnixTimestamp64Micro(?, 'UTC')", f.Since.UnixMicro())
	}
	if !f.Until.IsZero() {
		add("a.started_at < fromUnixTimestamp64Micro(?, 'UTC')", f.Until.UnixMicro())
	}
	if f.Consumer != "" {
		add("a.consumer = ?", f.Consumer)
	}
	if len(conditions) == 0 {
		return "", nil
	}
	return "WHERE " + strings.Join(conditions, " AND "), args
}
