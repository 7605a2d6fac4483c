package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// ClickHouse is the Store over a connection.
type ClickHouse struct{ Conn driver.Conn }

// insertWithin bounds one insert. One that timed out may still take effect, at any later time: that adds copies of rows that
// are there or will be.
const insertWithin = time.Minute

// Insert stores rows in one block.
func (c ClickHouse) Insert(ctx context.Context, table string, rows []any) error {
	if len(rows) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, insertWithin)
	defer cancel()
	// Copies are absorbed by identity. ClickHouse's own deduplication would drop new rows that come under an old token.
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"insert_deduplicate": 0}))
	batch, err := c.Conn.PrepareBatch(ctx, "INSERT INTO "+table+" ("+columns(rows[0])+")")
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := batch.AppendStruct(row); err != nil {
			_ = batch.Abort()
			return errors.Join(errRow, err)
		}
	}
	return batch.Send()
}

// Progress reads where a partition stands.
func (c ClickHouse) Progress(ctx context.Context, topic string, partition int) (p Progress, ok bool, err error) {
	const query = `SELECT incarnation, next, last_id FROM sink_progress FINAL WHERE topic = ? AND kafka_partition = ?
		ORDER BY incarnation DESC, next DESC LIMIT 1`
	rows, err := c.Conn.Query(ctx, query, topic, uint32(partition))
	if err != nil {
		return p, false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return p, false, rows.Err()
	}
	var next uint64
	if err := rows.Scan(&p.Incarnation, &next, &p.LastID); err != nil {
		return p, false, fmt.Errorf("scan: %w", err)
	}
	p.Next = int64(next)
	return p, true, nil
}
