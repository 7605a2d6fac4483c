package schema_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tollhouse/tollhouse/analytics/schema"
	"github.com/tollhouse/tollhouse/analytics/warehousetest"
)

func TestMain(m *testing.M) { warehousetest.Main(m) }

func TestMigrateTwiceAndByTwoAtOnce(t *testing.T) {
	conn, dsn := warehousetest.New(t)
	ctx := context.Background()
	other := warehousetest.Open(t, dsn)
	var wg sync.WaitGroup
	wg.Add(2)
	go func() {
		defer wg.Done()
		if err := schema.Migrate(ctx, conn); err != nil {
			t.Error(err)
		}
	}()
	go func() {
		defer wg.Done()
		if err := schema.Migrate(ctx, other); err != nil {
			t.Error(err)
		}
	}()
	wg.Wait()
	if err := schema.Migrate(ctx, conn); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"attempts", "requests", "ledger", "spend_by_consumer", "spend_by_model", "spend_by_label", "failures_cost"} {
		var n uint64
		if err := conn.QueryRow(ctx, "SELECT count() FROM "+name).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s: %d rows, %v", name, n, err)
		}
	}
}

// A database of the version before requests had candidates is brought to this one with what it holds: an older sink goes on storing into it,
// and the view shows the column of old rows and new ones.
func TestADatabaseOfTheVersionBeforeKeepsItsRows(t *testing.T) {
	conn, _ := warehousetest.New(t)
	ctx := context.Background()
	exec := func(sql string) {
		t.Helper()
		if err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE TABLE schema_migrations (name String, at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')) ENGINE = ReplacingMergeTree(at) ORDER BY name`)
	all, err := schema.Statements()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Name < "030" {
			exec(s.SQL)
			exec("INSERT INTO schema_migrations (name) VALUES ('" + s.Name + "')")
		}
	}
	older := func(id string) {
		t.Helper()
		exec(`INSERT INTO requests_log (event_id, request_id, gateway_id, epoch, seq, consumer, status, dropped, received_at, closed_at, ver)
			VALUES ('` + id + `/closed', '` + id + `', 'gw-1', 1, 1, 'app', 200, ['seed'], '2026-11-23 10:00:00', '2026-11-23 10:00:01', 1)`)
	}
	older("before")
	if err := schema.Migrate(ctx, conn); err != nil {
		t.Fatal(err)
	}
	older("meanwhile")
	exec(`INSERT INTO requests_log (event_id, request_id, gateway_id, epoch, seq, consumer, status, considered, received_at, closed_at, ver)
		VALUES ('after/closed', 'after', 'gw-1', 1, 2, 'app', 200, [(1, 'openai', 'main', 'gpt-4o', 'chosen', 7)], '2026-11-23 10:00:00', '2026-11-23 10:00:01', 1)`)
	if err := schema.Migrate(ctx, conn); err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(ctx, "SELECT * FROM requests ORDER BY request_id")
	if err != nil {
		t.Fatal(err)
	}
	if names := strings.Join(rows.Columns(), " "); !strings.Contains(names, " dropped considered received_at ") || strings.Contains(names, " ver") {
		t.Errorf("columns %s", names)
	}
	_ = rows.Close()
	rows, err = conn.Query(ctx, "SELECT request_id, status, dropped, considered.registry, considered.score FROM requests ORDER BY request_id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var id string
		var status uint16
		var dropped, registries []string
		var scores []uint64
		if err := rows.Scan(&id, &status, &dropped, &registries, &scores); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %d %v %v %v", id, status, dropped, registries, scores))
	}
	want := []string{"after 200 [] [openai] [7]", "before 200 [seed] [] []", "meanwhile 200 [seed] [] []"}
	if err := rows.Err(); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestEveryStatementGivesItsReasonAndItsZone(t *testing.T) {
	all, err := schema.Statements()
	if err != nil || len(all) < 20 {
		t.Fatalf("%d statements, %v", len(all), err)
	}
	for _, s := range all {
		if !strings.HasPrefix(s.SQL, "--") {
			t.Errorf("%s says nothing about itself", s.Name)
		}
		if strings.Contains(s.SQL, "DateTime64(6)") || strings.Contains(s.SQL, "DateTime64(6,)") {
			t.Errorf("%s has a time without a zone: hours in keys would move with the server's", s.Name)
		}
		if strings.Contains(s.SQL, "Float") {
			t.Errorf("%s has a floating-point number", s.Name)
		}
	}
}
