package sink

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/events"
	"github.com/tollhouse/tollhouse/events/kafka"
)

func (p *pipe) log(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, fmt.Sprintf("%8.3fs ", time.Since(p.began).Seconds())+fmt.Sprintf(format, args...))
}

func (p *pipe) problem(format string, args ...any) {
	p.log("PROBLEM: "+format, args...)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

func (p *pipe) failed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.problems) > 0
}

// report prints what went wrong and the end of what led there.
func (p *pipe) report(seed uint64) string {
	const lines = 400
	return "seed " + strconv.FormatUint(seed, 10) + ":\n" + strings.Join(p.problems, "\n") +
		"\nwhat happened:\n" + strings.Join(p.lines[max(0, len(p.lines)-lines):], "\n")
}

// dump says where every partition stands: for a run that does not drain.
func (p *pipe) dump() {
	for key, partitions := range p.tables.barriers {
		for n, b := range partitions {
			p.log("barrier %d partition %d: %d (%d partitions)", key.epoch, n, b.Acked, b.Partitions)
		}
	}
	client := p.publisher(&line{network: p.network})
	defer client.Close()
	for partition := range p.count {
		progress, ok, _ := p.tables.Progress(context.Background(), events.Topic, partition)
		p.log("partition %d: progress %+v %v", partition, progress, ok)
		for m, err := range client.ReadPartition(context.Background(), events.Topic, partition, 0, 1<<40) {
			if err != nil {
				p.log("read: %v", err)
				continue
			}
			at, _ := kafka.PositionOf(m)
			epoch, seq := numberOf(m)
			p.log("  %d: %d/%d %s %s", at.Offset, epoch, seq, m.Metadata.Get(events.HeaderType), m.Metadata.Get(events.HeaderID)+fmt.Sprint(at.Time.Sub(p.began)))
		}
	}
}

// traceLog puts a part's log into the trace.
type traceLog struct {
	p    *pipe
	name string
}

func (t traceLog) Enabled(context.Context, slog.Level) bool { return true }
func (t traceLog) WithAttrs([]slog.Attr) slog.Handler       { return t }
func (t traceLog) WithGroup(string) slog.Handler            { return t }
func (t traceLog) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += " " + a.String()
		return true
	})
	t.p.log("  %s: %s", t.name, text)
	return nil
}
