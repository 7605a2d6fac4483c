package eventstest

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

const (
	// requireKafka, set to 1, makes tests of a real Kafka fail where they would be skipped.
	requireKafka = "TOLLHOUSE_REQUIRE_KAFKA"
	kafkaStart   = 90 * time.Second
	exitMark     = "kafka has ended"
)

var (
	kafkaOnce sync.Once
	kafkaAddr string
	errKafka  error
)

// Kafka returns the address of a real Apache Kafka, one node with KRaft, on loopback. All tests of a binary share it, so
// that topics and groups need names of their own; it ends with the binary. A test is skipped, for the reason given,
// where Java 17 or Maven is missing, and with -short; with TOLLHOUSE_REQUIRE_KAFKA=1 it fails instead.
func Kafka(t testing.TB) (addr string) {
	t.Helper()
	required := os.Getenv(requireKafka) == "1"
	if testing.Short() && !required {
		t.Skip("a real Kafka takes seconds to start: not with -short")
	}
	kafkaOnce.Do(func() { kafkaAddr, errKafka = startKafka() })
	switch {
	case errors.Is(errKafka, errMissing) && !required:
		t.Skipf("no real Kafka: %v", errKafka)
	case errKafka != nil:
		t.Fatalf("start a real Kafka: %v", errKafka)
	}
	return kafkaAddr
}

func startKafka() (string, error) {
	java, err := findJava()
	if err != nil {
		return "", err
	}
	jars, err := kafkaJars()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "kafka-for-tests-")
	if err != nil {
		return "", err
	}
	addr, err := runKafka(java, jars, dir)
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return addr, nil
}

func runKafka(java, jars, dir string) (string, error) {
	ports, err := freePorts(2)
	if err != nil {
		return "", err
	}
	properties := filepath.Join(dir, "server.properties")
	if err := os.WriteFile(properties, []byte(serverProperties(dir, ports[0], ports[1])), 0o600); err != nil {
		return "", err
	}
	classpath := filepath.Join(jars, "*")
	format := exec.Command(java, "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", classpath,
		"kafka.tools.StorageTool", "format", "-t", clusterID(), "-c", properties)
	if out, err := format.CombinedOutput(); err != nil {
		return "", fmt.Errorf("format the storage: %w\n%s", err, out)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return "", err
	}
	defer log.Close()
	if err := startWithUs(log, dir, java, "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-cp", classpath, "kafka.Kafka", properties); err != nil {
		return "", err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", ports[0])
	return addr, awaitKafka(addr, log.Name())
}

// startWithUs starts a command that ends, and whose folder goes, when this process ends in whatever way: its pipe closes
// then.
func startWithUs(log *os.File, dir string, command ...string) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	const script = `dir=$1; shift
exec 3<&0
"$@" </dev/null & pid=$!
(cat <&3 >/dev/null; kill -9 $pid; while kill -0 $pid; do sleep 0.1; done; rm -rf "$dir") &
wait $pid
echo "` + exitMark + `"`
	cmd := exec.Command("sh", append([]string{"-c", script, "sh", dir}, command...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = read, log, log
	if err := cmd.Start(); err != nil {
		return errors.Join(err, write.Close())
	}
	kafkaPipe = write // open for as long as we live
	return nil
}

//lint:ignore U1000 it is held, not read
var kafkaPipe *os.File

func awaitKafka(addr, log string) error {
	for deadline := time.Now().Add(kafkaStart); ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			return conn.Close()
		}
		said, _ := os.ReadFile(log)
		if bytes.Contains(said, []byte(exitMark)) || time.Now().After(deadline) {
			return fmt.Errorf("kafka does not answer on %s: %w\n%s", addr, err, tail(said, 4<<10))
		}
	}
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

func serverProperties(dir string, port, controllerPort int) string {
	return fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:%[3]d
listeners=PLAINTEXT://127.0.0.1:%[2]d,CONTROLLER://127.0.0.1:%[3]d
advertised.listeners=PLAINTEXT://127.0.0.1:%[2]d
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=%[1]s
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
`, filepath.ToSlash(filepath.Join(dir, "data")), port, controllerPort)
}

// clusterID is 16 random bytes in the form that Kafka wants.
func clusterID() string {
	var id [16]byte
	_, _ = rand.Read(id[:])
	id[0] &= 0x7f // a leading "-" would read as an option
	return base64.RawURLEncoding.EncodeToString(id[:])
}

func freePorts(n int) (ports []int, err error) {
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close()
		ports = append(ports, ln.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
