package sink

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tollhouse/tollhouse/analytics/query"
	"github.com/tollhouse/tollhouse/analytics/schema"
	"github.com/tollhouse/tollhouse/analytics/warehousetest"
	"github.com/tollhouse/tollhouse/events"
)

// The simulation rests on its model of the tables and on its copy of the audit's rule. Here the inserts of a run in which facts were
// destroyed go, in the order in which they took effect, into the engine too: rows, totals, progress and verdict are the same.
func TestTheTablesModelIsTheEngine(t *testing.T) {
	for _, c := range pipeCases {
		if !c.destroys {
			continue
		}
		for seed := uint64(0); ; seed++ {
			p := livePipe(t, seed, c, t.TempDir())
			if p.failed() {
				t.Fatal(p.report(seed))
			}
			if a := p.tables.audit(p.tables.floors()); a.Unaccounted > 0 { // a run in which everything is well would compare zeros
				compareWithEngine(t, p)
				break
			}
		}
	}
}

func compareWithEngine(t *testing.T, p *pipe) {
	ctx := context.Background()
	conn, _ := warehousetest.New(t)
	if err := schema.Migrate(ctx, conn); err != nil {
		t.Fatal(err)
	}
	engine, model := ClickHouse{Conn: conn}, newTables()
	for _, insert := range p.tables.inserts {
		_ = model.Insert(ctx, insert.name, insert.rows)
		if err := engine.Insert(ctx, insert.name, insert.rows); err != nil {
			t.Fatal(err)
		}
	}
	got, want := (&books{t: t, conn: conn}).totals(), model.sums()
	if !got.equal(want) {
		t.Errorf("the engine sums up to %+v, the model to %+v", got, want)
	}
	for name, versions := range map[string]uint64{
		"attempts_log": versionsOf(model.attempts), "requests_log": versionsOf(model.requests), "ledger_log": versionsOf(model.ledger),
		"marks": versionsOf(model.marks), "gaps": versionsOf(model.gaps),
	} {
		var xor uint64
		if err := conn.QueryRow(ctx, "SELECT groupBitXor(ver) FROM "+name+" FINAL").Scan(&xor); err != nil {
			t.Fatal(err)
		}
		if xor != versions {
			t.Errorf("%s: of a fact's copies the engine and the model keep different ones", name)
		}
	}
	for partition := range p.count {
		got, _, err := engine.Progress(ctx, events.Topic, partition)
		if err != nil {
			t.Fatal(err)
		}
		want, _, _ := model.Progress(ctx, events.Topic, partition)
		if got != want {
			t.Errorf("partition %d: the engine's progress is %+v, the model's %+v", partition, got, want)
		}
	}
	audit, err := query.ReadAudit(ctx, conn, query.AuditOptions{Now: p.began.Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(model.audit(model.floors()), audit, cmpopts.IgnoreFields(query.Audit{}, "Items"), cmpopts.IgnoreFields(query.EpochAudit{}, "Silent")); diff != "" {
		t.Errorf("the audit (-model +engine):\n%s", diff)
	}
	t.Logf("%d inserts, unaccounted %d", len(p.tables.inserts), audit.Unaccounted)
}

func versionsOf[K comparable, R any](rows replacing[K, R]) (xor uint64) {
	for _, v := range rows {
		xor ^= v.ver
	}
	return xor
}
