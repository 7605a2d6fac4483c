package broker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

// childDir makes this binary, run again, a broker on that folder, to be killed; childListen is where it listens.
const (
	childDir    = "TOLLHOUSE_TEST_BROKER_DIR"
	childListen = "TOLLHOUSE_TEST_BROKER_LISTEN"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		err := Run(context.Background(), Options{
			Dir: dir, Listen: os.Getenv(childListen), Topics: []Topic{{Name: "events", Partitions: 2}},
			Ready: func(addr string) { fmt.Println(addr) },
		})
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// startChild runs a broker as a process of its own, and returns it with its address.
func startChild(t *testing.T, dir, listen string) (*exec.Cmd, string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childDir+"="+dir, childListen+"="+listen)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal("the child says no address: ", err)
	}
	return cmd, strings.TrimSpace(addr)
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
}

func newClient(t testing.TB, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.ZstdCompression()),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func produce(t testing.TB, client *kgo.Client, topic, value string) {
	t.Helper()
	record := &kgo.Record{Topic: topic, Value: []byte(value)}
	if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// consume reads count records as a member of a group, commits them, and leaves.
func consume(t testing.TB, addr, group string, count int) []string {
	t.Helper()
	client := newClient(t, addr, kgo.ConsumerGroup(group), kgo.ConsumeTopics("events"), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var values []string
	for len(values) < count {
		fetches := client.PollRecords(ctx, count-len(values))
		if err := fetches.Err0(); err != nil {
			t.Fatalf("after %q: %v", values, err)
		}
		for _, r := range fetches.Records() {
			values = append(values, string(r.Value))
			if err := client.CommitRecords(ctx, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	return values
}

// TestKill: what was acknowledged is there after kill -9, every time; so are the group's offsets, on the same port.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	cmd, addr := startChild(t, dir, "127.0.0.1:0")
	for round := range 4 {
		client := newClient(t, addr)
		for i := range 5 {
			produce(t, client, "events", strconv.Itoa(5*round+i))
		}
		client.Close()
		kill(t, cmd)
		var again string
		cmd, again = startChild(t, dir, addr)
		if again != addr {
			t.Fatalf("listens on %s, was on %s", again, addr)
		}
		want := make([]string, 5)
		for i := range want {
			want[i] = strconv.Itoa(5*round + i)
		}
		if got := consume(t, addr, "group", 5); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("round %d: got %v, want %v", round, got, want)
		}
		kill(t, cmd)
		cmd, _ = startChild(t, dir, addr)
	}
}

// TestTornWrite: a crash leaves half a batch at the end of a segment; what stands before it is there, and goes on.
func TestTornWrite(t *testing.T) {
	dir := t.TempDir()
	cmd, addr := startChild(t, dir, "127.0.0.1:0")
	produce(t, newClient(t, addr), "events", "whole")
	kill(t, cmd)
	for _, segment := range find(t, dir, ".dat") {
		whole, err := os.ReadFile(segment)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(segment, append(whole, whole[:len(whole)/2]...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, addr = startChild(t, dir, addr)
	produce(t, newClient(t, addr), "events", "next")
	if got := consume(t, addr, "group", 2); fmt.Sprint(got) != "[whole next]" {
		t.Fatalf("got %v", got)
	}
}

func find(t *testing.T, dir, suffix string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, suffix) {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("no %s under %s: %v", suffix, dir, err)
	}
	return found
}

// TestLock: a second process is refused, and told who is there. The lock of a killed one is free.
func TestLock(t *testing.T) {
	dir := t.TempDir()
	cmd, _ := startChild(t, dir, "127.0.0.1:0")
	_, err := Start(Options{Dir: dir, Listen: "127.0.0.1:0"})
	if err == nil || !strings.Contains(err.Error(), "process "+strconv.Itoa(cmd.Process.Pid)) {
		t.Fatalf("error %v", err)
	}
	kill(t, cmd)
	b, err := Start(Options{Dir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestRun ends cleanly with its context, and starts again with what it had.
func TestRun(t *testing.T) {
	o := Options{Dir: t.TempDir(), Listen: "127.0.0.1:0", Topics: []Topic{{Name: "events"}}}
	for round := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		ready := make(chan string, 1)
		o.Ready = func(addr string) { ready <- addr }
		ended := make(chan error, 1)
		go func() { ended <- Run(ctx, o) }()
		addr := <-ready
		produce(t, newClient(t, addr), "events", strconv.Itoa(round))
		if got := consume(t, addr, "group "+strconv.Itoa(round), round+1); got[round] != strconv.Itoa(round) {
			t.Fatalf("round %d: %v", round, got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		o.Listen = addr
	}
}

// TestLimits: every topic states its retention, the client's own first; the limits of the next start hold for old topics.
func TestLimits(t *testing.T) {
	o := Options{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Retention: time.Hour, RetentionBytes: 1 << 20,
		Topics: []Topic{{Name: "events", Partitions: 2}},
	}
	b := mustStart(t, o)
	wantSettings(t, b, "events", "3600000", "1048576")
	client := newClient(t, b.Addr())
	retention := "7000"
	create(t, client, "by-a-client", map[string]*string{"retention.ms": &retention})
	wantSettings(t, b, "by-a-client", "7000", "1048576")
	client.Close()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	o.Retention = 2 * time.Hour
	b = mustStart(t, o)
	wantSettings(t, b, "events", "7200000", "1048576")
	wantSettings(t, b, "by-a-client", "7000", "1048576")
}

func mustStart(t *testing.T, o Options) *Broker {
	t.Helper()
	b, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// TestRetention: what is old goes; the partition says from where on it can be read.
func TestRetention(t *testing.T) {
	b := mustStart(t, Options{Listen: "127.0.0.1:0", RetentionBytes: 1, Topics: []Topic{{Name: "events"}}})
	client := newClient(t, b.Addr())
	for i := range 3 {
		produce(t, client, "events", strconv.Itoa(i))
	}
	b.ApplyRetention()
	if at := b.cluster.PartitionInfo("events", 0); at.LogStartOffset == 0 || at.HighWatermark != 3 {
		t.Fatalf("log from %d to %d", at.LogStartOffset, at.HighWatermark)
	}
}

// TestStrangers: bytes that are not Kafka's end their connection, and nothing else.
func TestStrangers(t *testing.T) {
	b := mustStart(t, Options{Listen: "127.0.0.1:0", Topics: []Topic{{Name: "events"}}})
	if response, err := http.Get("http://" + b.Addr()); err == nil {
		response.Body.Close()
		t.Error("an HTTP request is answered")
	}
	for name, bytes := range map[string]string{
		"huge": "\x7f\xff\xff\xff", "empty": "\x00\x00\x00\x00", "unknown key": "\x00\x00\x00\x08\x70\x00\x00\x00\x00\x00\x00\x00",
	} {
		conn, err := net.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, bytes); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		var timeout net.Error
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("%s: the connection stays open: %v", name, err)
		}
		conn.Close()
	}
	produce(t, newClient(t, b.Addr()), "events", "still there")
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{
		{Listen: "9092"},
		{Listen: ":9092"},
		{Listen: "0.0.0.0:0"},
		{Listen: "[::]:0"},
		{Retention: -1},
		{RetentionBytes: -1},
		{Topics: []Topic{{}}},
		{Topics: []Topic{{Name: "a", Partitions: -1}}},
	} {
		if b, err := Start(o); err == nil {
			t.Errorf("%+v starts", o)
			_ = b.Close()
		}
	}
}

// TestMemoryNetwork: in a bubble, without sockets, days pass at once.
func TestMemoryNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := NewMemoryNetwork()
		b, err := Start(Options{
			Listen: "127.0.0.1:9092", Network: network, Retention: 24 * time.Hour, Topics: []Topic{{Name: "events"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.Dialer(network.DialContext))
		if err != nil {
			t.Fatal(err)
		}
		produce(t, client, "events", "old")
		time.Sleep(48 * time.Hour)
		produce(t, client, "events", "new")
		b.ApplyRetention()
		if at := b.cluster.PartitionInfo("events", 0); at.LogStartOffset != 1 || at.HighWatermark != 2 {
			t.Errorf("log from %d to %d", at.LogStartOffset, at.HighWatermark)
		}
		client.Close()
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
