package warehouse

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func TestTheLockFileHasAnIntegrityAndNoRegistry(t *testing.T) {
	if bytes.Contains(packageLock, []byte(`"resolved"`)) {
		t.Error("the lock file names a registry; it is npm's own setting that does")
	}
	var lock struct {
		Packages map[string]struct{ Version, Integrity string }
	}
	if err := json.Unmarshal(packageLock, &lock); err != nil {
		t.Fatal(err)
	}
	for platform, name := range platforms {
		p := lock.Packages["node_modules/@chdb/"+name]
		if p.Version != engineVersion || !strings.HasPrefix(p.Integrity, "sha512-") {
			t.Errorf("%s: %+v", platform, p)
		}
	}
}

// npmWith puts a program of that name before the real one: it notes that it was called, and runs script.
func npmWith(t *testing.T, script string) (calls func() int) {
	t.Helper()
	if platforms[runtime.GOOS+"/"+runtime.GOARCH] == "" {
		t.Skip("no engine for this platform")
	}
	bin := t.TempDir()
	text := "#!/bin/sh\necho called >>" + bin + "/calls\n" + script
	if err := os.WriteFile(filepath.Join(bin, "npm"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	return func() int {
		noted, _ := os.ReadFile(filepath.Join(bin, "calls"))
		return bytes.Count(noted, []byte("\n"))
	}
}

func TestSeveralFetchOnce(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("TOLLHOUSE_CACHE_DIR", cache)
	d := "node_modules/@chdb/" + platforms[runtime.GOOS+"/"+runtime.GOARCH]
	calls := npmWith(t, "set -e; test -f package-lock.json; mkdir -p "+d+"; echo engine >"+d+"/libchdb.so; echo more >"+d+"/index.js; sleep 0.1")
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			path, err := Library(context.Background(), "", io.Discard)
			if err != nil {
				t.Error(err)
				return
			}
			if raw, _ := os.ReadFile(path); string(raw) != "engine\n" || !strings.HasPrefix(path, cache) {
				t.Errorf("%s has %q", path, raw)
			}
		})
	}
	wg.Wait()
	if n := calls(); n != 1 {
		t.Errorf("npm was called %d times", n)
	}
	left, _ := filepath.Glob(filepath.Join(cache, "*", "*"))
	if len(left) != 1 {
		t.Errorf("left beside the library: %v", left)
	}
}

func TestAFetchThatFailsSaysWhyAndLeavesNothing(t *testing.T) {
	cache := t.TempDir()
	npmWith(t, "echo EINTEGRITY the checksum failed >&2; exit 1")
	var said bytes.Buffer
	if _, err := Library(context.Background(), cache, &said); err == nil || !strings.Contains(err.Error(), "EINTEGRITY") {
		t.Errorf("%v", err)
	}
	if !strings.Contains(said.String(), "fetching the ClickHouse engine") || strings.Contains(said.String(), "fetched") {
		t.Errorf("said %q", &said)
	}
	npmWith(t, "exit 0") // as for a platform that npm passes over
	if _, err := Library(context.Background(), cache, nil); err == nil || !strings.Contains(err.Error(), "did not bring") {
		t.Errorf("%v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := Library(context.Background(), cache, nil); err == nil || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("%v", err)
	}
	left, _ := filepath.Glob(filepath.Join(cache, "*"))
	if len(left) != 1 { // the lock
		t.Errorf("left: %v", left)
	}
}

func TestAFetchEndsWithItsContext(t *testing.T) {
	npmWith(t, "exec sleep 60")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Library(ctx, t.TempDir(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestRealFetch(t *testing.T) {
	if os.Getenv("TOLLHOUSE_TEST_FETCH") == "" {
		t.Skip("fetches 178 MB; set TOLLHOUSE_TEST_FETCH=1 to run it")
	}
	path, err := Library(context.Background(), t.TempDir(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := loadLibrary(path); err != nil {
		t.Error(err)
	}
}
