package warehousetest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

func TestMain(m *testing.M) { Main(m) }

func TestEachTestHasItsDatabase(t *testing.T) {
	a, dsnA := New(t)
	b, dsnB := New(t)
	if dsnA == dsnB {
		t.Fatal(dsnA)
	}
	ctx := context.Background()
	if err := a.Exec(ctx, "CREATE TABLE mine (n UInt64) ENGINE = MergeTree ORDER BY n"); err != nil {
		t.Fatal(err)
	}
	if err := b.Exec(ctx, "SELECT * FROM mine"); err == nil {
		t.Error("one test's table is seen by the other")
	}
}

func TestTheProcessEndsWithItsParent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "owned")
	p, err := run(dir, childOwns+"=1")
	if err != nil {
		t.Fatal(err)
	}
	_ = p.lifeline.Close() // as the parent's death does
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("its directory is still there: %v", err)
	}
}
