package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"text/tabwriter"
	"time"
)

// Many open streams: each has a chunk a second, which says when it was sent, so that its way through a contender is known to the
// microsecond: load and upstream are one process with one clock.
const (
	openedPerSecond = 500
	tick            = time.Second
	watchedFor      = 10 * time.Second
	sentMark        = `"content":"sent `
)

// openFigures are those of one contender with all streams open.
type openFigures struct {
	first     []time.Duration // to the first token, while they are opened
	chunks    []time.Duration // from the upstream's write to the client's read
	cpu       float64         // of a core, while nothing but chunks passes
	perStream float64         // KiB
	rss       float64         // MiB
}

// reportOpen measures every contender with n open streams, the yardstick among them.
func (b *bench) reportOpen(n int) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer w.Flush()
	fmt.Fprintf(w, "%d open streams, a chunk a second each\tfirst token p50\tp99\tchunk's way p50\tp99\tCPU, of a core\tRSS\ta stream\n", n)
	for _, c := range append([]contender{b.proxy}, b.gateways[0]) {
		f, err := b.measureOpen(c, n)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%.2f\t%.0f MiB\t%.1f KiB\n", c.name, ms(quantile(f.first, .5)), ms(quantile(f.first, .99)),
			ms(quantile(f.chunks, .5)), ms(quantile(f.chunks, .99)), f.cpu, f.rss, f.perStream)
	}
	return nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond)) }

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(float64(len(sorted))*q), len(sorted)-1)]
}

func (b *bench) measureOpen(c contender, n int) (f openFigures, err error) {
	if _, err := load(c.target, true, 64, 200); err != nil { // warm up
		return f, err
	}
	before, err := c.rss()
	if err != nil {
		return f, err
	}
	t := c.target
	t.model = "tick"
	o := &open{}
	defer o.close()
	if err := o.openAll(t, n); err != nil {
		return f, err
	}
	f.first = o.times()
	time.Sleep(2 * tick) // every stream has had a chunk
	_ = o.times()
	cpu, err := c.cpu()
	if err != nil {
		return f, err
	}
	time.Sleep(watchedFor)
	f.chunks = o.times()
	after, err := c.cpu()
	if err != nil {
		return f, err
	}
	if broken := o.broken.Load(); broken > 0 || len(f.chunks) < n*int(watchedFor/tick)*9/10 {
		return f, fmt.Errorf("%d streams broke, and %d chunks came in %v", broken, len(f.chunks), watchedFor)
	}
	if b.profile != "" && c.admin != "" {
		if err := b.fetchProfile(c, "heap?gc=1"); err != nil {
			return f, err
		}
	}
	rss, err := c.rss()
	f.cpu = float64(after-cpu) / float64(watchedFor)
	f.rss, f.perStream = float64(rss)/(1<<20), float64(rss-before)/float64(n)/1024
	return f, err
}

// open is streams that are open.
type open struct {
	conns  []net.Conn
	ended  sync.WaitGroup
	closed atomic.Bool
	broken atomic.Int64

	mu    sync.Mutex
	taken []time.Duration
}

// openAll opens streams at a steady rate, and returns when each has its first token.
func (o *open) openAll(t target, n int) error {
	request := t.request(true)
	pace := time.NewTicker(time.Second / openedPerSecond)
	defer pace.Stop()
	firsts := make(chan error, n)
	for range n {
		<-pace.C
		conn, err := net.DialTimeout("tcp", t.addr, 5*time.Second)
		if err != nil {
			return fmt.Errorf("stream %d: %w", len(o.conns)+1, err)
		}
		o.conns = append(o.conns, conn)
		o.ended.Go(func() { o.read(conn, request, firsts) })
	}
	for range n {
		if err := <-firsts; err != nil {
			return err
		}
	}
	return nil
}

// read is one stream: the time to its first byte, and then each chunk's way.
func (o *open) read(conn net.Conn, request []byte, first chan<- error) {
	begin := time.Now()
	if _, err := conn.Write(request); err != nil {
		first <- err
		return
	}
	buf := make([]byte, 2<<10)
	n, err := conn.Read(buf)
	if err == nil && !bytes.Contains(buf[:n], []byte(" 200 OK")) {
		err = fmt.Errorf("answered %q", buf[:min(n, 200)])
	}
	o.took(time.Since(begin))
	first <- err
	for err == nil {
		if n, err = conn.Read(buf); n > 0 {
			if sent, ok := sentAt(buf[:n]); ok {
				o.took(time.Since(sent))
			}
		}
	}
	if !o.closed.Load() {
		o.broken.Add(1)
	}
}

// sentAt reads when a chunk was sent.
func sentAt(chunk []byte) (at time.Time, ok bool) {
	_, rest, ok := bytes.Cut(chunk, []byte(sentMark))
	if !ok {
		return at, false
	}
	digits, _, ok := bytes.Cut(rest, []byte(`"`))
	since, err := strconv.ParseInt(string(digits), 10, 64)
	return clock.Add(time.Duration(since)), ok && err == nil
}

// clock is what the chunks count from.
var clock = time.Now()

func (o *open) took(d time.Duration) {
	o.mu.Lock()
	o.taken = append(o.taken, d)
	o.mu.Unlock()
}

// times returns what was taken since it was asked last, sorted.
func (o *open) times() []time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	taken := o.taken
	o.taken = nil
	slices.Sort(taken)
	return taken
}

func (o *open) close() {
	o.closed.Store(true)
	for _, c := range o.conns {
		_ = c.Close()
	}
	o.ended.Wait()
}

// raiseFiles lets this process and its children have so many files open, as far as it may, and returns how many that are.
func raiseFiles(want uint64) uint64 {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0
	}
	more := syscall.Rlimit{Cur: max(want, l.Cur), Max: max(want, l.Max)}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &more) == nil {
		return more.Cur
	}
	l.Cur = l.Max
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return l.Cur
}
