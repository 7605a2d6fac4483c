package sim

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Row is what one policy came to under one weather.
type Row struct {
	Weather, Policy string
	Requests        int
	Success         float64       // share
	Cut             float64       // share that broke off behind the first token: nobody can try those elsewhere
	P50, P99        time.Duration // to the first token of a stream that succeeded, from the request's arrival on
	Attempts        float64       // a request
	Dollars         float64       // a thousand requests
	Shares          []float64
}

// row sums a report up.
func row(weather, policy string, rep *Report) Row {
	r := Row{Weather: weather, Policy: policy, Requests: len(rep.Results)}
	var firsts []time.Duration
	ok, cut := 0, 0
	for _, one := range rep.Results {
		switch {
		case one.OK:
			ok++
			if one.Stream {
				firsts = append(firsts, one.First)
			}
		case one.Cut:
			cut++
		}
	}
	calls, spend := 0, uint64(0)
	for _, name := range slices.Sorted(maps.Keys(rep.Calls)) {
		calls += rep.Calls[name]
		spend += rep.Spend[name]
	}
	for _, name := range slices.Sorted(maps.Keys(rep.Calls)) {
		r.Shares = append(r.Shares, float64(rep.Calls[name])/float64(max(calls, 1)))
	}
	n := float64(max(r.Requests, 1))
	r.Success, r.Cut, r.Attempts, r.Dollars = float64(ok)/n, float64(cut)/n, float64(calls)/n, float64(spend)/n*1000/1e9
	slices.Sort(firsts)
	r.P50, r.P99 = quantile(firsts, 0.5), quantile(firsts, 0.99)
	return r
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// writeTables writes rows as Markdown: a table for each question, with a line for each weather and a column for each policy. The rows
// are those of every policy under the first weather, then of every policy under the next.
func writeTables(w io.Writer, of string, rows []Row) {
	columns := 0
	for columns < len(rows) && rows[columns].Weather == rows[0].Weather {
		columns++
	}
	for _, q := range questions {
		fmt.Fprintf(w, "| %s: %s |", of, q.asked)
		for _, r := range rows[:columns] {
			fmt.Fprintf(w, " %s |", r.Policy)
		}
		fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("--:|", columns))
		for line := range slices.Chunk(rows, columns) {
			fmt.Fprintf(w, "| %s |", line[0].Weather)
			for _, r := range line {
				fmt.Fprintf(w, " %s |", q.answer(r))
			}
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w)
	}
}

var questions = []struct {
	asked  string
	answer func(r Row) string
}{
	{"p50 · p99 to the first token, s", func(r Row) string { return fmt.Sprintf("%.2f · %.2f", r.P50.Seconds(), r.P99.Seconds()) }},
	{"success · streams that broke off, %", func(r Row) string { return fmt.Sprintf("%.1f · %.1f", 100*r.Success, 100*r.Cut) }},
	{"attempts a request · $ a thousand", func(r Row) string { return fmt.Sprintf("%.2f · %.2f", r.Attempts, r.Dollars) }},
	{"share of each endpoint, %", func(r Row) string {
		shares := make([]string, len(r.Shares))
		for i, s := range r.Shares {
			shares[i] = fmt.Sprintf("%.0f", 100*s)
		}
		return strings.Join(shares, " ")
	}},
}
