package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tollhouse/tollhouse/adapters/all"
	"github.com/tollhouse/tollhouse/analytics/prices"
	"github.com/tollhouse/tollhouse/analytics/query"
	"github.com/tollhouse/tollhouse/cmd/tollhouse/config"
)

// checkCmd validates the configuration.
type checkCmd struct{}

func (*checkCmd) Run(c *cli, env environment) error {
	cfg, err := c.loadConfig(env)
	if err == nil {
		set, setErr := all.Set()
		if setErr != nil {
			return setErr
		}
		_, err = prepare(cfg, set, nil)
	}
	if err != nil {
		fmt.Fprintln(env.stdout, err)
		return errWanting
	}
	fmt.Fprintln(env.stdout, "ok")
	return nil
}

// books connects to where the books are: the configured ClickHouse, the running warehouse of the data directory, or, where none
// runs, one that is started for the question.
func (c *cli) books(ctx context.Context, env environment) (*part, driver.Conn, func(), error) {
	p, err := c.newPart(env)
	if err != nil {
		return nil, nil, nil, err
	}
	stop := func() {}
	if p.cfg.ClickHouse == nil {
		url, stopChild, err := p.findWarehouse(ctx)
		if err != nil {
			return nil, nil, nil, err
		}
		stop = stopChild
		p.cfg.ClickHouse = &config.ClickHouse{DSN: config.Secret(url + "/tollhouse")}
	}
	conn, err := p.openWarehouse(ctx)
	if err != nil {
		stop()
		return nil, nil, nil, err
	}
	return p, conn, func() { _ = conn.Close(); stop() }, nil
}

func (p *part) findWarehouse(ctx context.Context) (url string, stop func(), err error) {
	known, err := readAddresses(p.cfg.DataDir)
	if err != nil {
		return "", nil, fmt.Errorf("addresses.json: %w", err)
	}
	if url := known["warehouse"]; url != "" && answers(ctx, url+"/ping") {
		return url, func() {}, nil
	}
	args := append([]string{"warehouse", "--listen", "127.0.0.1:0"}, p.args...)
	child, err := startChild(ctx, "warehouse", p.log, p.env.stderr, args...)
	if err != nil {
		return "", nil, err
	}
	return child.url, child.stop, nil
}

func answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// usageCmd is the cost report.
type usageCmd struct {
	By       []string `placeholder:"DIM" help:"Dimensions: consumer, model, requested_model, provider, registry, endpoint, outcome, dialect, key, gateway, day, hour, label:NAME."`
	Since    string   `placeholder:"D" help:"From then on: a date, a time, or how long ago (24h)."`
	Until    string   `placeholder:"T" help:"Up to then."`
	Consumer string   `placeholder:"C" help:"Of one consumer."`
	Format   string   `enum:"table,json,csv" default:"table" help:"table, json or csv."`
}

func (u *usageCmd) Run(ctx context.Context, c *cli, env environment) error {
	filter := query.UsageFilter{By: u.By, Consumer: u.Consumer}
	var err error
	if filter.Since, err = when(u.Since); err != nil {
		return useError{fmt.Errorf("--since: %w", err)}
	}
	if filter.Until, err = when(u.Until); err != nil {
		return useError{fmt.Errorf("--until: %w", err)}
	}
	for _, dim := range u.By {
		if !slices.Contains(query.Dimensions(), dim) && !strings.HasPrefix(dim, "label:") {
			return useError{fmt.Errorf("--by: %q is not one of %s", dim, strings.Join(query.Dimensions(), ", "))}
		}
	}
	_, conn, done, err := c.books(ctx, env)
	if err != nil {
		return err
	}
	defer done()
	report, err := query.ReadUsage(ctx, conn, filter)
	if err != nil {
		return err
	}
	by := u.By
	if len(by) == 0 {
		by = []string{"consumer", "model"}
	}
	switch u.Format {
	case "json":
		return writeJSON(env.stdout, report)
	case "csv":
		w := csv.NewWriter(env.stdout)
		for _, row := range usageRows(by, report) {
			if err := w.Write(row); err != nil {
				return err
			}
		}
		w.Flush()
		return w.Error()
	}
	w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	for _, row := range usageRows(by, report) {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

func usageRows(by []string, report []query.Usage) [][]string {
	rows := [][]string{append(slices.Clone(by), "requests", "attempts", "input", "cached", "output", "reasoning", "estimated", "unpriced", "amount", "currency")}
	for _, u := range report {
		var row []string
		for _, dim := range by {
			row = append(row, u.Dimensions[dim])
		}
		for _, n := range []uint64{u.Requests, u.Attempts, u.InputTokens, u.CacheReadTokens, u.OutputTokens, u.ReasoningTokens, u.Estimated, u.Unpriced} {
			row = append(row, strconv.FormatUint(n, 10))
		}
		rows = append(rows, append(row, u.Amount.String(), u.Currency))
	}
	return rows
}

// when reads a date, a time, or how long ago.
func when(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return time.Now().Add(-d), nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(form, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a date (2026-11-23), a time (2026-11-23T10:00:00Z) or a duration (24h)", s)
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// explainCmd tells the story of one request.
type explainCmd struct {
	RequestID string `arg:"" help:"As in the header X-Tollhouse-Request-Id."`
	Format    string `enum:"text,json" default:"text" help:"text or json."`
}

func (e *explainCmd) Run(ctx context.Context, c *cli, env environment) error {
	_, conn, done, err := c.books(ctx, env)
	if err != nil {
		return err
	}
	defer done()
	story, err := query.Explain(ctx, conn, e.RequestID)
	if errors.Is(err, query.ErrNoRequest) {
		fmt.Fprintln(env.stdout, err)
		return errWanting
	}
	if err != nil {
		return err
	}
	if e.Format == "json" {
		return writeJSON(env.stdout, story)
	}
	return story.WriteText(env.stdout)
}

// auditCmd checks that the books close.
type auditCmd struct {
	Format      string        `enum:"text,json" default:"text" help:"text or json."`
	SilentAfter time.Duration `default:"24h" help:"When what is open in a gateway that fell silent counts as unaccounted."`
}

func (a *auditCmd) Run(ctx context.Context, c *cli, env environment) error {
	_, conn, done, err := c.books(ctx, env)
	if err != nil {
		return err
	}
	defer done()
	report, err := query.ReadAudit(ctx, conn, query.AuditOptions{SilentAfter: a.SilentAfter})
	if err != nil {
		return err
	}
	if a.Format == "json" {
		err = writeJSON(env.stdout, report)
	} else {
		err = report.WriteText(env.stdout)
	}
	if err == nil && !report.OK() {
		return errWanting
	}
	return err
}

// pricesCmd shows the catalogue.
type pricesCmd struct {
	List pricesListCmd `cmd:"" help:"List the prices, per million tokens."`
}

type pricesListCmd struct{}

func (*pricesListCmd) Run(c *cli, env environment) error {
	cfg, err := c.loadConfig(env)
	if err != nil {
		return err
	}
	catalogue, err := prices.Load(cfg.Prices.File)
	if err != nil {
		return useError{err}
	}
	w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "provider\tmodel\tvalid from\tinput\tcache read\tcache write\toutput\tcurrency")
	for _, e := range catalogue.Entries() {
		per := e.PerMillion()
		show := func(kind string) string {
			if p, ok := per[kind]; ok {
				return p.String()
			}
			return "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Provider, e.Model, e.ValidFrom.Format(time.DateOnly),
			show(prices.Input), show(prices.CacheRead), show(prices.CacheWrite), show(prices.Output), e.Currency)
	}
	return w.Flush()
}
