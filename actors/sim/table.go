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

// writeTable writes rows as Markdown.
func writeTable(w io.Writer, of string, rows []Row) {
	fmt.Fprintf(w, "| %s | policy | success | cut | p50 | p99 | attempts | $/1000 | %% of a, b, c, d |\n", of)
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|")
	weather := ""
	for _, r := range rows {
		shown := r.Weather
		if shown == weather {
			shown = ""
		}
		weather = r.Weather
		var shares []string
		for _, s := range r.Shares {
			shares = append(shares, fmt.Sprintf("%.0f", 100*s))
		}
		fmt.Fprintf(w, "| %s | %s | %.2f %% | %.2f %% | %s | %s | %.2f | %.2f | %s |\n",
			shown, r.Policy, 100*r.Success, 100*r.Cut, seconds(r.P50), seconds(r.P99), r.Attempts, r.Dollars, strings.Join(shares, " "))
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
