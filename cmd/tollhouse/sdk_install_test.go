package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

// installed returns the folder in the user's cache with what the files of testdata/sdk/NAME list: made by install the first time, and
// anew where they have changed. Several tests may ask at once.
func installed(t *testing.T, name string, files []string, install func(ctx context.Context, dir string) *exec.Cmd) string {
	t.Helper()
	hash := sha256.New()
	for _, file := range files {
		hash.Write(listed(t, name, file))
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("TOLLHOUSE_CACHE_DIR"); dir != "" {
		cache = dir
	} else {
		cache = filepath.Join(cache, "tollhouse")
	}
	home := filepath.Join(cache, "sdk-"+name+"-"+hex.EncodeToString(hash.Sum(nil)[:8]))
	done := filepath.Join(home, "done")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	lock := flock.New(home + ".lock")
	if _, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
		t.Fatalf("wait for another installation: %v", err)
	}
	defer lock.Unlock()
	if _, err := os.Stat(done); err == nil {
		return home
	}
	if err := os.RemoveAll(home); err != nil { // one that broke off
		t.Fatal(err)
	}
	if err := os.Mkdir(home, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if err := os.WriteFile(filepath.Join(home, file), listed(t, name, file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := install(ctx, home)
	cmd.Dir = home
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	if err := os.WriteFile(done, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return home
}

// listed is a list of packages. It names no registry: that is the package manager's own setting.
func listed(t *testing.T, name, file string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "sdk", name, file))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{`"resolved"`, "--index-url", "--find-links", "--extra-index-url"} {
		if bytes.Contains(raw, []byte(word)) {
			t.Errorf("%s names a registry", file)
		}
	}
	return raw
}
