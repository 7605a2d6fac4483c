package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/adapters/adaptertest/upstream"
)

// runAsTollhouse makes the test binary be the tollhouse binary, so that the processes under test are built with the same
// flags (-race among them) and nothing is built twice.
const runAsTollhouse = "TOLLHOUSE_TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runAsTollhouse) == "1" {
		main()
	}
	os.Exit(m.Run())
}

// stack is Tollhouse as processes on this machine, against a scripted upstream.
type stack struct {
	t        testing.TB
	dir      string
	config   string
	upstream *upstream.Server
	others   []*upstream.Server // beside it
	died     bool               // one of them was killed
	parts    map[string]*proc
	last     map[string]string // where a killed part was
	tls      string            // of the gateway: , tls: {cert: …, key: …}
}

// proc is one running part.
type proc struct {
	name  string
	cmd   *exec.Cmd
	ended chan error
	log   *lockedBuffer

	mu        sync.Mutex
	addresses map[string]string
	announced chan struct{} // a token whenever an address is announced
}

const (
	testKey     = "sk-test-key-of-the-client"
	upstreamKey = "sk-upstream-credential"
)

// newStack writes a configuration whose registries point at a fresh upstream. Extra is appended to it.
func newStack(t testing.TB, extra string) *stack {
	t.Helper()
	s := &stack{t: t, dir: t.TempDir(), parts: map[string]*proc{}, last: map[string]string{}}
	s.upstream = upstream.Start(t)
	s.writeConfig(extra)
	t.Cleanup(s.stopAll)
	return s
}

// writeConfig writes the configuration, with the addresses of the parts that run already.
func (s *stack) writeConfig(extra string) {
	s.t.Helper()
	s.config = filepath.Join(s.dir, "tollhouse.yaml")
	var b strings.Builder
	fmt.Fprintf(&b, `gateway: {listen: "127.0.0.1:0", admin: "127.0.0.1:0", id: gw-test, grace: 5s%[5]s}
data_dir: %[1]q
embedded: {broker: "127.0.0.1:0", warehouse: "127.0.0.1:0"}
registries:
  - {name: openai, provider: openai, models: ["gpt-*"], endpoints: [{name: main, base_url: "%[2]s/v1", api_key: %[3]s}]}
  - {name: second, provider: openai_compatible, models: ["gpt-*"], endpoints: [{name: other, base_url: "%[2]s/v1", api_key: %[3]s}]}
  - {name: anthropic, provider: anthropic, models: ["claude-*"], endpoints: [{name: main, base_url: "%[2]s", api_key: %[3]s}]}
  - {name: gemini, provider: gemini, models: ["gemini-*"], endpoints: [{name: main, base_url: "%[2]s", api_key: %[3]s}]}
  - {name: cohere, provider: cohere, models: ["command-*"], endpoints: [{name: main, base_url: "%[2]s", api_key: %[3]s}]}
  - {name: bedrock, provider: bedrock, region: us-east-1, models: ["amazon.*"], endpoints: [{name: main, base_url: "%[2]s", api_key: %[3]s}]}
  - {name: mistral, provider: mistral, models: ["mistral-small-*"], endpoints: [{name: main, base_url: "%[2]s/v1", api_key: %[3]s}]}
pools:
  main: {members: [{registry: openai}, {registry: anthropic}, {registry: gemini}, {registry: cohere}, {registry: bedrock}, {registry: mistral}]}
consumers:
  - name: tester
    keys: [%[4]q]
    labels: {team: growth}
    pool: main
    fallback: [{registry: second}]
`, filepath.Join(s.dir, "data"), s.upstream.URL(), upstreamKey, testKey, s.tls)
	if p := s.parts["broker"]; p != nil {
		fmt.Fprintf(&b, "kafka: {brokers: [%q], partitions: 4}\n", strings.TrimPrefix(p.address("broker"), "kafka://"))
	}
	if p := s.parts["warehouse"]; p != nil {
		fmt.Fprintf(&b, "clickhouse: {dsn: %q}\n", p.address("warehouse")+"/tollhouse")
	}
	b.WriteString(extra)
	if err := os.WriteFile(s.config, []byte(b.String()), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// write replaces the configuration.
func (s *stack) write(config string) {
	s.t.Helper()
	if err := os.WriteFile(s.config, []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// read reads a file of the stack's folder.
func (s *stack) read(name string) string {
	s.t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(raw))
}

// restart starts a killed part again where it was.
func (s *stack) restart(part string) {
	s.t.Helper()
	_, host, _ := strings.Cut(s.last[part], "://")
	s.start(part, part, "--listen", host)
}

// post sends one request and returns its answer.
func post(t testing.TB, url, key, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

// startAll starts broker, warehouse, sink and gateway, each a process.
func (s *stack) startAll(extra string) {
	s.t.Helper()
	s.start("broker", "broker")
	s.start("warehouse", "warehouse")
	s.writeConfig(extra)
	s.start("sink", "")
	s.start("gateway", "gateway")
}

// start starts a part and waits until it has announced the address of that name.
func (s *stack) start(part, wait string, args ...string) *proc {
	s.t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{part, "--config", s.config}, args...)...)
	cmd.Env = append(os.Environ(), runAsTollhouse+"=1")
	p := &proc{
		name: part, cmd: cmd, ended: make(chan error, 1), log: &lockedBuffer{},
		addresses: map[string]string{}, announced: make(chan struct{}, 64),
	}
	cmd.Stderr = p.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go p.read(out)
	s.parts[part] = p
	if wait != "" {
		p.await(s.t, wait)
	}
	return p
}

// read takes the NAME=URL lines, then waits for the end.
func (p *proc) read(out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if name, url, ok := strings.Cut(lines.Text(), "="); ok {
			p.mu.Lock()
			p.addresses[name] = url
			p.mu.Unlock()
			p.announced <- struct{}{}
		}
	}
	p.ended <- p.cmd.Wait()
}

func (p *proc) address(name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.addresses[name]
}

func (p *proc) await(t testing.TB, name string) {
	t.Helper()
	limit := time.After(2 * time.Minute) // a first run fetches the engine
	for p.address(name) == "" {
		select {
		case <-p.announced:
		case err := <-p.ended:
			p.ended <- err
			t.Fatalf("%s ended before it announced %s: %v\n%s", p.name, name, err, p.log)
		case <-limit:
			t.Fatalf("%s did not announce %s\n%s", p.name, name, p.log)
		}
	}
}

// kill ends a part as a crash does.
func (s *stack) kill(part string) {
	s.t.Helper()
	p := s.parts[part]
	if err := p.cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	<-p.ended
	s.last[part] = p.address(part)
	delete(s.parts, part)
}

// stop asks a part to drain, and fails where it does not end cleanly.
func (s *stack) stop(part string) {
	s.t.Helper()
	p := s.parts[part]
	delete(s.parts, part)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	select {
	case err := <-p.ended:
		if err != nil {
			s.t.Errorf("%s: %v\n%s", part, err, p.log)
		}
	case <-time.After(40 * time.Second):
		_ = p.cmd.Process.Kill()
		s.t.Errorf("%s did not end\n%s", part, p.log)
	}
}

func (s *stack) stopAll() {
	for _, part := range []string{"up", "gateway", "sink", "warehouse", "broker"} {
		if s.parts[part] != nil {
			s.stop(part)
		}
	}
}

// tollhouse runs a command to its end.
func (s *stack) tollhouse(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], append(args, "--config", s.config)...)
	cmd.Env = append(os.Environ(), runAsTollhouse+"=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// query asks the warehouse and decodes one JSON object a row.
func (s *stack) query(sql string) ([]map[string]any, error) {
	base := s.parts["warehouse"].address("warehouse")
	resp, err := http.Post(base+"/?database=tollhouse&default_format=JSONEachRow&output_format_json_quote_64bit_integers=0&query="+
		url.QueryEscape(sql), "text/plain", nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", resp.Status, raw)
	}
	var rows []map[string]any
	for line := range strings.SplitSeq(strings.TrimSpace(string(raw)), "\n") {
		if line == "" {
			continue
		}
		row := map[string]any{}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// eventually repeats f until it reports no difference.
func eventually(t testing.TB, within time.Duration, f func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
