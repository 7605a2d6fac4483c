package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// get reads from the admin side.
func (p *proc) get(t testing.TB, path string) string {
	t.Helper()
	resp, err := http.Get(p.address("admin") + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func (p *proc) configStatus(t testing.TB) (s configStatus) {
	t.Helper()
	if err := json.Unmarshal([]byte(p.get(t, "/config/status")), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// reloads waits until the configuration was read that often with a result.
func (p *proc) reloads(t testing.TB, result string, n int) {
	t.Helper()
	line := fmt.Sprintf("tollhouse_config_reloads_total{result=%q} %d\n", result, n)
	eventually(t, 10*time.Second, func() error {
		if !strings.Contains(p.get(t, "/metrics"), line) {
			return fmt.Errorf("the metrics lack %s%s", line, p.log)
		}
		return nil
	})
}

// says waits for words in the log: they come through a pipe, behind what the process does next.
func (p *proc) says(t testing.TB, want string) {
	t.Helper()
	eventually(t, 10*time.Second, func() error {
		if !strings.Contains(p.log.String(), want) {
			return fmt.Errorf("the log lacks %q\n%s", want, p.log)
		}
		return nil
	})
}

// change replaces parts of the configuration.
func (s *stack) change(oldnew ...string) {
	s.t.Helper()
	s.write(strings.NewReplacer(oldnew...).Replace(s.read("tollhouse.yaml")) + "\n")
}

const hello = `{"model":"gpt-4o","messages":[{"role":"user","content":"mark:hello"}]}`

// The configuration of a running gateway is changed: what runs goes on, what comes goes by the new one, and a file that is wrong
// changes nothing.
func TestReload(t *testing.T) {
	s := newStack(t, "")
	s.start("broker", "broker")
	s.writeConfig("")
	p := s.start("gateway", "gateway")
	base := p.address("gateway")
	const newKey = "sk-another-key-of-the-client"

	t.Run("a stream outlives its registry, and keys change at once", func(t *testing.T) {
		type answered struct {
			body, registry string
			err            error
		}
		streamed := make(chan answered, 1)
		go func() {
			_, body, header, err := (call{mark: "long", stream: true, script: "chunks=80 pace=50ms"}).send(base)
			streamed <- answered{body, header.Get("X-Tollhouse-Registry"), err}
		}()
		const gauge = `tollhouse_endpoint_in_flight{endpoint="main",registry="openai"} `
		eventually(t, 10*time.Second, func() error {
			if !strings.Contains(p.get(t, "/metrics"), gauge+"1\n") {
				return fmt.Errorf("the stream does not run")
			}
			return nil
		})
		s.change(
			"  - {name: openai, provider: openai,", "  - {name: renamed, provider: openai,",
			"{registry: openai}", "{registry: renamed}", testKey, newKey,
		)
		p.reloads(t, resultOK, 1)
		if status, body := post(t, base+"/v1/chat/completions", testKey, hello); status != 401 || !strings.Contains(body, "invalid_key") {
			t.Errorf("the old key: %d %s", status, body)
		}
		if status, body := post(t, base+"/v1/chat/completions", newKey, hello); status != 200 {
			t.Errorf("the new key: %d %s", status, body)
		}
		if !strings.Contains(p.get(t, "/metrics"), gauge+"1\n") {
			t.Error("the stream ended before the reload: it shows nothing")
		}
		a := <-streamed
		if a.err != nil || a.registry != "openai" || !strings.Contains(a.body, "word 79 ") || !strings.HasSuffix(a.body, "data: [DONE]\n\n") {
			t.Errorf("%+v", a)
		}
		eventually(t, 5*time.Second, func() error {
			if strings.Contains(p.get(t, "/metrics"), gauge) {
				return fmt.Errorf("the endpoint of the removed registry is still there")
			}
			return nil
		})
	})
	good := s.read("tollhouse.yaml") + "\n"

	t.Run("a wrong file", func(t *testing.T) {
		before := p.configStatus(t)
		s.change("labels: {team: growth}", "lables: {team: growth}")
		p.reloads(t, resultError, 1)
		s.write(strings.NewReplacer("provider: anthropic", "provider: anthropics", "pool: main", "pool: nowhere").Replace(good))
		p.reloads(t, resultError, 2)
		now := p.configStatus(t)
		if now.Refused == nil || !slices.Contains(now.Refused.Errors, `consumers[0].pool: there is no pool "nowhere"`) || now.LoadedAt != before.LoadedAt {
			t.Errorf("%+v", now)
		}
		p.says(t, "did you mean labels?")
		p.says(t, `there is no pool \"nowhere\"`)
		if out, _, code := s.tollhouse("check"); code != 1 || strings.TrimSpace(out) != strings.Join(now.Refused.Errors, "\n") {
			t.Errorf("check %d: %s\nthe gateway: %v", code, out, now.Refused.Errors)
		}
		if status, body := post(t, base+"/v1/chat/completions", newKey, hello); status != 200 {
			t.Errorf("%d %s", status, body)
		}
		s.write(good)
		p.reloads(t, resultOK, 2)
		if now := p.configStatus(t); now.Refused != nil || !now.LoadedAt.After(before.LoadedAt) {
			t.Errorf("%+v", now)
		}
	})

	t.Run("what needs a restart", func(t *testing.T) {
		s.write(strings.Replace(good, "id: gw-test", "id: gw-other", 1) + "journal: {sync: always}\nlimits: {request_body: 64}\nlog: {level: debug}\n")
		p.reloads(t, resultOK, 3)
		if now := p.configStatus(t); !slices.Equal(now.NeedsRestart, []string{"gateway.id", "journal.sync"}) {
			t.Errorf("%+v", now)
		}
		p.says(t, `keys="gateway.id, journal.sync"`)
		if status, body := post(t, base+"/v1/chat/completions", newKey, hello); status != 413 {
			t.Errorf("the new limit: %d %s", status, body)
		}
	})

	t.Run("SIGHUP", func(t *testing.T) {
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		p.reloads(t, resultOK, 4)
		s.write(good)
		p.reloads(t, resultOK, 5)
		if now := p.configStatus(t); len(now.NeedsRestart) != 0 {
			t.Errorf("%+v", now)
		}
	})
	status := p.get(t, "/config/status")
	s.stop("gateway")
	if strings.Contains(p.log.String()+status, "sk-") {
		t.Errorf("a key is shown\n%s\n%s", status, p.log)
	}
}

// writeCertificate writes a self-signed pair into the stack's folder.
func (s *stack) writeCertificate(serial int64) {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		s.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: certificate}, "key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
}

// A certificate that was renewed in its place is used from the next SIGHUP on; one that cannot be read is not.
func TestARenewedCertificate(t *testing.T) {
	s := newStack(t, "")
	s.start("broker", "broker")
	s.writeConfig("")
	s.writeCertificate(1)
	s.change("grace: 5s", fmt.Sprintf("tls: {cert: %q, key: %q}", filepath.Join(s.dir, "cert.pem"), filepath.Join(s.dir, "key.pem")))
	p := s.start("gateway", "gateway")
	hangUp := func(result string, n int) {
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		p.reloads(t, result, n)
	}
	shows := func(serial int64) {
		t.Helper()
		conn, err := tls.Dial("tcp", strings.TrimPrefix(p.address("gateway"), "https://"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := conn.ConnectionState().PeerCertificates[0].SerialNumber; got.Int64() != serial {
			t.Errorf("certificate %v, want %d", got, serial)
		}
	}
	shows(1)
	s.writeCertificate(2)
	shows(1)
	hangUp(resultOK, 1)
	shows(2)
	if err := os.WriteFile(filepath.Join(s.dir, "key.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	hangUp(resultError, 1)
	shows(2)
	s.stop("gateway")
}
