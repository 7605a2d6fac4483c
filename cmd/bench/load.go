package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// target is where a slice of load goes.
type target struct {
	name  string
	addr  string // host:port
	path  string
	key   string
	model string // hold: a stream that does not end; tick: one with a chunk a second; empty: one like any other
}

func (t target) request(stream bool) []byte {
	body := requestBody(stream)
	if t.model != "" {
		body = strings.Replace(body, `"gpt-4o-mini"`, strconv.Quote(t.model), 1)
	}
	return []byte("POST " + t.path + " HTTP/1.1\r\nHost: " + t.addr + "\r\nAuthorization: Bearer " + t.key +
		"\r\nContent-Type: application/json\r\nUser-Agent: bench\r\nContent-Length: " + fmt.Sprint(len(body)) + "\r\n\r\n" + body)
}

// result of one slice.
type result struct {
	requests int
	elapsed  time.Duration
	latency  []time.Duration // sorted; of whole answers
	first    []time.Duration // sorted; until the first byte of the body
}

func (r result) percentile(p float64) time.Duration {
	if len(r.latency) == 0 {
		return 0
	}
	return r.latency[min(len(r.latency)-1, int(float64(len(r.latency))*p))]
}

// load sends `total` requests over `conns` keep-alive connections.
func load(t target, stream bool, conns, total int) (result, error) {
	var left atomic.Int64
	left.Store(int64(total))
	var mu sync.Mutex
	var wg sync.WaitGroup
	var firstErr error
	all := result{requests: total}
	begin := time.Now()
	for range conns {
		wg.Add(1)
		go func() {
			defer wg.Done()
			latency, first, err := worker(t, stream, &left)
			mu.Lock()
			defer mu.Unlock()
			all.latency = append(all.latency, latency...)
			all.first = append(all.first, first...)
			if err != nil && firstErr == nil {
				firstErr = fmt.Errorf("%s: %w", t.name, err)
			}
		}()
	}
	wg.Wait()
	all.elapsed = time.Since(begin)
	slices.Sort(all.latency)
	slices.Sort(all.first)
	return all, firstErr
}

func worker(t target, stream bool, left *atomic.Int64) (latency, first []time.Duration, err error) {
	conn, err := net.DialTimeout("tcp", t.addr, 5*time.Second)
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 16<<10)
	request := t.request(stream)
	buf := make([]byte, 16<<10)
	for left.Add(-1) >= 0 {
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		begin := time.Now()
		if _, err := conn.Write(request); err != nil {
			return latency, first, err
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return latency, first, err
		}
		n, err := resp.Body.Read(buf)
		first = append(first, time.Since(begin))
		tail := string(buf[:n])
		for err == nil {
			n, err = resp.Body.Read(buf)
			if n > 0 {
				tail = string(buf[max(0, n-32):n])
			}
		}
		resp.Body.Close()
		latency = append(latency, time.Since(begin))
		switch {
		case err != io.EOF:
			return latency, first, err
		case resp.StatusCode != http.StatusOK:
			return latency, first, fmt.Errorf("status %d: %s", resp.StatusCode, tail)
		case stream && !strings.Contains(tail, "[DONE]"):
			return latency, first, fmt.Errorf("a stream ended with %q", tail)
		}
	}
	return latency, first, nil
}

// hold opens n streams that say one thing and then wait; close ends them.
func hold(t target, n int) (close func(), err error) {
	var conns []net.Conn
	close = func() {
		for _, c := range conns {
			c.Close()
		}
	}
	request := t.request(true)
	for range n {
		conn, err := net.DialTimeout("tcp", t.addr, 5*time.Second)
		if err != nil {
			close()
			return nil, err
		}
		conns = append(conns, conn)
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := conn.Write(request); err != nil {
			close()
			return nil, err
		}
		if _, err := conn.Read(make([]byte, 2048)); err != nil {
			close()
			return nil, fmt.Errorf("stream %d of %d: %w", len(conns), n, err)
		}
	}
	return close, nil
}
