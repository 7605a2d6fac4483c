// Package schema is the tables of the books: storage that is a set keyed by identity, so that delivering a fact again changes
// nothing, and views in which every reader sees each row once.
package schema

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

//go:embed sql/*.sql
var files embed.FS

// Statement is one file: a table or a view.
type Statement struct{ Name, SQL string }

// Statements lists them in the order in which they are run.
func Statements() ([]Statement, error) {
	names, err := fs.Glob(files, "sql/*.sql")
	if err != nil {
		return nil, err
	}
	var all []Statement
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, Statement{strings.TrimSuffix(strings.TrimPrefix(name, "sql/"), ".sql"), string(text)})
	}
	return all, nil
}

// Migrate brings a database to this version. Each statement may be run again, and by several at once: it says IF NOT EXISTS, or replaces.
// schema_migrations keeps which ran. A file that was released is never changed: what a later version adds is a later file.
func Migrate(ctx context.Context, conn driver.Conn) error {
	const done = `CREATE TABLE IF NOT EXISTS schema_migrations (name String, at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC'))
		ENGINE = ReplacingMergeTree(at) ORDER BY name`
	if err := conn.Exec(ctx, done); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	ran := map[string]bool{}
	rows, err := conn.Query(ctx, "SELECT DISTINCT name FROM schema_migrations")
	if err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return fmt.Errorf("schema: %w", err)
		}
		ran[name] = true
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	statements, err := Statements()
	if err != nil {
		return err
	}
	for _, s := range statements {
		if ran[s.Name] {
			continue
		}
		if err := conn.Exec(ctx, s.SQL); err != nil {
			return fmt.Errorf("schema: %s: %w", s.Name, err)
		}
		if err := conn.Exec(ctx, "INSERT INTO schema_migrations (name) VALUES (?)", s.Name); err != nil {
			return fmt.Errorf("schema: %s: %w", s.Name, err)
		}
	}
	return nil
}

// Create makes the database of a connection's DSN where it is not there; conn must be to one that is.
func Create(ctx context.Context, conn driver.Conn, database string) error {
	quoted := "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(database) + "`"
	if err := conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+quoted); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	return nil
}
