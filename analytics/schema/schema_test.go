package schema_test

import (
	"context"
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
