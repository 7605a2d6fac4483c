package main

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// A second attempt beside a late first one: the client has the first answer, the books have both, also where the gateway dies while
// both run.
func TestHedging(t *testing.T) {
	s := newStack(t, "")
	s.startAll("")
	gateway := s.parts["gateway"]
	s.change("{registry: mistral}]", "{registry: mistral}, {registry: second}]", "    fallback: [{registry: second}]", "    hedge: {share: 0.5}")
	gateway.reloads(t, resultOK, 1)
	base := gateway.address("gateway")
	for _, stream := range []bool{true, false} {
		for i := range 70 { // until both know how long they take
			status, body, _, err := (call{mark: fmt.Sprintf("known-%v-%d", stream, i), stream: stream, script: "delay=5ms"}).send(base)
			if err != nil || status != http.StatusOK {
				t.Fatal(status, body, err)
			}
		}
	}
	for _, c := range []call{
		{mark: "late", script: "delay=20s first=1"},
		{mark: "late-s", stream: true, script: "delay=20s first=1"},
		{mark: "hung", script: "hang=1 first=1"},
		{mark: "hung-s", stream: true, script: "hang=1 first=1"},
	} {
		begin := time.Now()
		status, body, header, err := c.send(base)
		if took := time.Since(begin); err != nil || status != http.StatusOK || took > 5*time.Second {
			t.Errorf("%s: %d %v after %v: %s", c.mark, status, err, took, body)
		}
		if !c.stream && header.Get("X-Tollhouse-Attempts") != "2" {
			t.Errorf("%s: %v", c.mark, header)
		}
	}
	// Of each, one is the answer and the other was cancelled.
	counted := func(mark, outcome string) func() error {
		return func() error {
			return s.rowsOf(1, "attempts", fmt.Sprintf("labels['mark'] = '%s' AND outcome = '%s'", mark, outcome))
		}
	}
	for _, mark := range []string{"late", "late-s", "hung", "hung-s"} {
		eventually(t, 20*time.Second, counted(mark, "success"))
		eventually(t, 20*time.Second, counted(mark, "cancelled"))
		eventually(t, 20*time.Second, func() error {
			return s.rowsOf(1, "requests", fmt.Sprintf("labels['mark'] = '%s' AND attempts = 2 AND winning_attempt = 2 AND outcome = 'success'", mark))
		})
	}

	var clients sync.WaitGroup
	for _, stream := range []bool{true, false} {
		clients.Go(func() {
			_, _, _, _ = (call{mark: fmt.Sprintf("killed-%v", stream), stream: stream, script: "hang=1"}).send(base)
		})
	}
	eventually(t, 20*time.Second, func() error {
		n := 0
		for _, e := range s.upstream.Books() {
			if e.Mark == "killed-true" || e.Mark == "killed-false" {
				n++
			}
		}
		if n != 4 {
			return fmt.Errorf("%d attempts run, of two races", n)
		}
		return nil
	})
	s.kill("gateway")
	clients.Wait()
	s.start("gateway", "gateway")
	for _, stream := range []bool{true, false} {
		eventually(t, 20*time.Second, func() error {
			return s.rowsOf(2, "attempts", fmt.Sprintf("labels['mark'] = 'killed-%v' AND outcome = 'abandoned'", stream))
		})
	}
	eventually(t, 20*time.Second, s.compare)
	s.stop("gateway")
	s.audit(t)
}
