package query

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// AuditOptions of an audit; zero values are the defaults.
type AuditOptions struct {
	SilentAfter time.Duration // when what is open in an epoch that fell silent counts as unaccounted; 24 h
	Now         time.Time
}

// Audit says whether the books close.
type Audit struct {
	Unaccounted uint64       `json:"unaccounted"`
	Duplicated  uint64       `json:"duplicated"`
	Gaps        uint64       `json:"gaps"`
	Open        uint64       `json:"open"`
	WrittenOff  uint64       `json:"written_off"`
	Epochs      []EpochAudit `json:"epochs"`
	Items       []string     `json:"items"` // each thing that is not as it should be, by name
}

// EpochAudit is one life of one gateway.
type EpochAudit struct {
	GatewayID string `json:"gateway_id"`
	Epoch     uint64 `json:"epoch"`
	Floor     uint64 `json:"floor"` // every number up to here was in Kafka, and must be stored
	Seen      uint64 `json:"seen"`  // numbers up to the floor that are
	Settled   uint64 `json:"settled"`
	Closed    uint64 `json:"closed"`
	Abandoned uint64 `json:"abandoned"`
	Open      uint64 `json:"open"` // requests, as of the last mark
	Sealed    bool   `json:"sealed"`
	Silent    bool   `json:"silent"`   // neither sealed nor heard of lately
	Unproven  bool   `json:"unproven"` // journal.sync: none
}

// OK reports whether the books close.
func (a *Audit) OK() bool { return a.Unaccounted == 0 && a.Duplicated == 0 && a.Gaps == 0 }

// quietFor is how long an epoch may say nothing before it is called silent: marks come every few minutes at least.
const quietFor = 15 * time.Minute

// ReadAudit counts numbers, not what any stage says of itself. The floors are read first: what is below one was stored before it, so
// what is missing afterwards is lost and not under way.
func ReadAudit(ctx context.Context, conn driver.Conn, o AuditOptions) (*Audit, error) {
	if o.SilentAfter == 0 {
		o.SilentAfter = 24 * time.Hour
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	r := &auditor{ctx: ctx, conn: conn, o: o, audit: &Audit{Epochs: []EpochAudit{}, Items: []string{}}}
	epochs, err := r.floors()
	if err != nil {
		return nil, err
	}
	for i := range epochs {
		if err := r.epoch(&epochs[i]); err != nil {
			return nil, err
		}
	}
	if err := r.whole(epochs); err != nil {
		return nil, err
	}
	r.audit.Epochs = epochs
	return r.audit, nil
}

type auditor struct {
	ctx   context.Context
	conn  driver.Conn
	o     AuditOptions
	audit *Audit
}

func (r *auditor) item(format string, args ...any) {
	r.audit.Items = append(r.audit.Items, fmt.Sprintf(format, args...))
}

// one reads a single row.
func (r *auditor) one(into []any, sql string, args ...any) error {
	if err := r.conn.QueryRow(r.ctx, sql, args...).Scan(into...); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

// floors lists the epochs with how far each is proved: the least over all partitions of what was stored behind every number.
func (r *auditor) floors() ([]EpochAudit, error) {
	rows, err := r.conn.Query(r.ctx, `SELECT gateway_id, epoch, max(floor) FROM (
			SELECT gateway_id, epoch, if(count() < max(partitions), 0, min(acked)) AS floor FROM (
				SELECT gateway_id, epoch, partition, max(acked) AS acked, max(partitions) AS partitions FROM barriers GROUP BY gateway_id, epoch, partition
			) GROUP BY gateway_id, epoch
			UNION ALL SELECT DISTINCT gateway_id, epoch, toUInt64(0) AS floor FROM seen
		) GROUP BY gateway_id, epoch ORDER BY gateway_id, epoch`)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	defer rows.Close()
	var all []EpochAudit
	for rows.Next() {
		var e EpochAudit
		if err := rows.Scan(&e.GatewayID, &e.Epoch, &e.Floor); err != nil {
			return nil, fmt.Errorf("audit: %w", err)
		}
		all = append(all, e)
	}
	return all, rows.Err()
}

// mark is what a gateway last said below the floor.
type mark struct {
	seq, accepted, closed, started, settled, abandoned, openRequests uint64
	kind                                                             string
	at                                                               time.Time
}

// epoch audits one epoch.
func (r *auditor) epoch(e *EpochAudit) error {
	where := "gateway_id = ? AND epoch = ?"
	key := []any{e.GatewayID, e.Epoch}
	name := fmt.Sprintf("%s/%d", e.GatewayID, e.Epoch)
	var m mark
	var sealedCount, marks uint64
	var sync string
	var lastSign time.Time
	err := r.one([]any{&marks, &sealedCount, &sync, &lastSign},
		"SELECT count(), countIf(kind = 'seal'), maxIf(sync, kind = 'open'), max(recorded_at) FROM marks FINAL WHERE "+where, key...)
	if err != nil {
		return err
	}
	e.Sealed, e.Unproven = sealedCount > 0, sync == "none"
	if marks > 0 {
		err = r.one([]any{&m.seq, &m.kind, &m.at, &m.accepted, &m.closed, &m.started, &m.settled, &m.abandoned, &m.openRequests},
			`SELECT argMax(seq, seq), argMax(kind, seq), argMax(at, seq), argMax(accepted, seq), argMax(closed, seq), argMax(started, seq),
			argMax(settled, seq), argMax(abandoned, seq), argMax(open_requests, seq) FROM marks FINAL WHERE `+where+" AND seq <= ?",
			append(key, e.Floor)...)
		if err != nil {
			return err
		}
	}
	missing, err := r.missing(e, name)
	if err != nil {
		return err
	}
	gapCount, named, err := r.gapEvents(e, name)
	if err != nil {
		return err
	}
	var rejected uint64
	if err := r.one([]any{&rejected}, "SELECT uniqExact(seq) FROM rejected WHERE seq > 0 AND "+where, key...); err != nil {
		return err
	}
	if rejected > 0 {
		r.item("%s: %d records were rejected; they are in the dead-letter topic", name, rejected)
	}
	// One lost fact counts once: what is missing is explained by the gap or the rejection that names it.
	missing -= min(missing, named)
	missing = max(missing, rejected)
	if err := r.seen(e, &m); err != nil {
		return err
	}
	unexplained := int64(difference(m.accepted, e.Closed+m.openRequests)+difference(m.started, e.Settled+(m.started-m.settled))) - int64(missing+gapCount)
	lost := missing + gapCount + uint64(max(unexplained, 0))
	if unexplained > 0 {
		r.item("%s: the gateway says %d accepted, %d closed, %d started, %d settled; stored are %d closings and %d settlements up to number %d",
			name, m.accepted, m.closed, m.started, m.settled, e.Closed, e.Settled, m.seq)
	}
	r.open(e, &m, name, lastSign, &lost)
	r.audit.Unaccounted += lost
	return r.duplicates(e, name)
}

func difference(a, b uint64) uint64 {
	if a > b {
		return a - b
	}
	return b - a
}

// open counts what is not closed; in an epoch that fell silent for long it is lost.
func (r *auditor) open(e *EpochAudit, m *mark, name string, lastSign time.Time, lost *uint64) {
	if e.Sealed {
		return
	}
	e.Open = m.openRequests
	r.audit.Open += e.Open
	quiet := r.o.Now.Sub(lastSign)
	e.Silent = quiet > quietFor
	if e.Silent {
		r.item("%s is silent since %s: %d requests were open then, and whatever it took on after", name, stamp(lastSign), e.Open)
		if quiet > r.o.SilentAfter {
			*lost += e.Open
		}
	}
}

// seen counts the members of the set up to the mark, by kind.
func (r *auditor) seen(e *EpochAudit, m *mark) error {
	const members = `SELECT bitmapCardinality(bitmapSubsetInRange(groupBitmapMergeStateIf(seqs, kind = ?), toUInt64(1), toUInt64(?))) FROM seen
		WHERE gateway_id = ? AND epoch = ?`
	for kind, into := range map[string]*uint64{"settled": &e.Settled, "closed": &e.Closed} {
		if err := r.one([]any{into}, members, kind, m.seq+1, e.GatewayID, e.Epoch); err != nil {
			return err
		}
	}
	return r.one([]any{&e.Abandoned}, "SELECT countIf(outcome = 'abandoned') FROM attempts WHERE gateway_id = ? AND epoch = ?", e.GatewayID, e.Epoch)
}

// maxNamed bounds how many ranges are named.
const maxNamed = 100

// missing finds the numbers below the floor that are not in the set, and names them as ranges.
func (r *auditor) missing(e *EpochAudit, name string) (uint64, error) {
	const below = `SELECT bitmapCardinality(bitmapSubsetInRange(groupBitmapMergeState(seqs), toUInt64(1), toUInt64(?))) FROM seen
		WHERE gateway_id = ? AND epoch = ?`
	if err := r.one([]any{&e.Seen}, below, e.Floor+1, e.GatewayID, e.Epoch); err != nil {
		return 0, err
	}
	missing := e.Floor - min(e.Floor, e.Seen)
	if missing == 0 {
		return 0, nil
	}
	// Blocks that are not full, then the numbers that they lack.
	rows, err := r.conn.Query(r.ctx, `WITH (SELECT groupBitmapMergeState(seqs) FROM seen WHERE gateway_id = ? AND epoch = ?) AS have
		SELECT number AS n FROM numbers(1, ?) WHERE NOT bitmapContains(have, toUInt64(n)) ORDER BY n LIMIT 10000`, e.GatewayID, e.Epoch, e.Floor)
	if err != nil {
		return 0, fmt.Errorf("audit: %w", err)
	}
	defer rows.Close()
	var from, to uint64
	ranges := 0
	tell := func() {
		if ranges++; from != 0 && ranges <= maxNamed {
			r.item("%s: numbers %d to %d are missing", name, from, to)
		}
	}
	for rows.Next() {
		var n uint64
		if err := rows.Scan(&n); err != nil {
			return 0, fmt.Errorf("audit: %w", err)
		}
		if from != 0 && n == to+1 {
			to = n
			continue
		}
		if from != 0 {
			tell()
			r.audit.Gaps++
		}
		from, to = n, n
	}
	if from != 0 {
		tell()
		r.audit.Gaps++
	}
	return missing, rows.Err()
}

// gapEvents takes the losses that were named: how many records they count, and how many numbers they explain.
func (r *auditor) gapEvents(e *EpochAudit, name string) (count, named uint64, err error) {
	rows, err := r.conn.Query(r.ctx, `SELECT reason, from_at, until_at, count, count_known, first_seq, last_seq, by FROM gaps FINAL
		WHERE gateway_id = ? AND if(about_epoch = 0, epoch, about_epoch) = ?`, e.GatewayID, e.Epoch)
	if err != nil {
		return 0, 0, fmt.Errorf("audit: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var reason, by string
		var from, until time.Time
		var n, first, last uint64
		var known bool
		if err := rows.Scan(&reason, &from, &until, &n, &known, &first, &last, &by); err != nil {
			return 0, 0, fmt.Errorf("audit: %w", err)
		}
		if reason == "journal_lost" {
			r.audit.WrittenOff += n
			continue
		}
		r.audit.Gaps++
		if known {
			count += n
		}
		if first > 0 && last >= first {
			named += last - first + 1
		}
		r.item("%s: %s between %s and %s, %d records (known: %v)", name, reason, stamp(from), stamp(until), n, known)
	}
	return count, named, rows.Err()
}

// duplicates holds rows against bits: an id under two numbers, or two ids under one, cannot hide.
func (r *auditor) duplicates(e *EpochAudit, name string) error {
	for kind, table := range map[string]string{"settled": "attempts", "closed": "requests"} {
		var rows, bits uint64
		if err := r.one([]any{&rows}, "SELECT count() FROM "+table+" WHERE gateway_id = ? AND epoch = ? AND seq <= ?", e.GatewayID, e.Epoch, e.Floor); err != nil {
			return err
		}
		err := r.one([]any{&bits}, `SELECT bitmapCardinality(bitmapSubsetInRange(groupBitmapMergeStateIf(seqs, kind = ?), toUInt64(1), toUInt64(?)))
			FROM seen WHERE gateway_id = ? AND epoch = ?`, kind, e.Floor+1, e.GatewayID, e.Epoch)
		if err != nil {
			return err
		}
		if rows != bits {
			r.audit.Duplicated += difference(rows, bits)
			r.item("%s: %d rows of %s stand for %d numbers", name, rows, table, bits)
		}
	}
	return nil
}

// whole checks what goes across numbers: every request has its attempts, every attempt its one charge.
func (r *auditor) whole(epochs []EpochAudit) error {
	for _, e := range epochs {
		var lacking, uncharged uint64
		name := fmt.Sprintf("%s/%d", e.GatewayID, e.Epoch)
		err := r.one([]any{&lacking}, `SELECT toUInt64(sum(abs(toInt64(q.attempts) - toInt64(a.n)))) FROM (
				SELECT request_id, attempts FROM requests WHERE gateway_id = ? AND epoch = ? AND seq <= ?) AS q
			LEFT JOIN (SELECT request_id, count() AS n FROM attempts WHERE gateway_id = ? AND epoch = ? GROUP BY request_id) AS a ON q.request_id = a.request_id`,
			e.GatewayID, e.Epoch, e.Floor, e.GatewayID, e.Epoch)
		if err != nil {
			return err
		}
		err = r.one([]any{&uncharged}, `SELECT countIf(l.n != 1) FROM (
				SELECT event_id FROM attempts WHERE gateway_id = ? AND epoch = ? AND seq <= ?) AS a
			LEFT JOIN (SELECT event_id, count() AS n FROM ledger WHERE kind = 'charge' GROUP BY event_id) AS l ON a.event_id = l.event_id`,
			e.GatewayID, e.Epoch, e.Floor)
		if err != nil {
			return err
		}
		if lacking > 0 {
			r.item("%s: requests say they had %d attempts more or fewer than are stored", name, lacking)
		}
		if uncharged > 0 {
			r.item("%s: %d attempts have not exactly one charge", name, uncharged)
		}
		// A missing attempt is a missing number already; only what numbers do not explain counts here.
		if r.audit.Unaccounted == 0 {
			r.audit.Unaccounted += lacking
		}
		r.audit.Unaccounted += uncharged
	}
	return nil
}

// WriteText prints the verdict for a person, and what it rests on.
func (a *Audit) WriteText(w io.Writer) error {
	p := &printer{w: w}
	p.line("unaccounted: %d", a.Unaccounted)
	p.line("duplicated: %d", a.Duplicated)
	p.line("gaps: %d", a.Gaps)
	p.line("open: %d", a.Open)
	if a.WrittenOff > 0 {
		p.line("written off: %d", a.WrittenOff)
	}
	for _, item := range a.Items {
		p.line("! %s", item)
	}
	for _, e := range a.Epochs {
		state := "running"
		switch {
		case e.Sealed:
			state = "sealed"
		case e.Silent:
			state = "silent"
		}
		if e.Unproven {
			state += ", unproven (journal.sync: none)"
		}
		p.line("%s/%d: %s; numbers 1 to %d proved, %d stored; %d settled (%d abandoned), %d closed, %d open",
			e.GatewayID, e.Epoch, state, e.Floor, e.Seen, e.Settled, e.Abandoned, e.Closed, e.Open)
	}
	return p.err
}
