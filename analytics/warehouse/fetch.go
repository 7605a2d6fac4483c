package warehouse

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"
)

// The engine comes as one npm package a platform, with its integrity in the lock file. Both files are embedded, so that
// the binary can fetch it outside a checkout.
var (
	//go:embed engine/package.json
	packageJSON []byte
	//go:embed engine/package-lock.json
	packageLock []byte
)

// engineVersion names the folder in the cache; it is that of engine/package.json.
const engineVersion = "26.7.3-stable.1"

const libraryName = "libchdb.so"

// fetchWithin bounds the fetch: 178 MB are to be had in that time even over a slow line.
const fetchWithin = 15 * time.Minute

// platforms are those whose package has been fetched and run, and stands in the lock file with its integrity.
var platforms = map[string]string{"linux/amd64": "lib-linux-x64-gnu"}

// ErrNoEngine is returned where the engine does not come for this platform.
var ErrNoEngine = errors.New("there is no embedded ClickHouse engine")

// Library returns the path of the engine's shared library, and fetches it through npm where the user's cache does not
// have it: npm checks its integrity by the lock file, and it is put in place whole. Several processes may call at once.
// cacheDir is where Tollhouse keeps such things; empty: TOLLHOUSE_CACHE_DIR, or `tollhouse` in the user's cache directory.
// Progress is written as lines.
func Library(ctx context.Context, cacheDir string, progress io.Writer) (string, error) {
	platform := platforms[runtime.GOOS+"/"+runtime.GOARCH]
	if platform == "" {
		return "", fmt.Errorf("%w for %s/%s: name a server with clickhouse.dsn", ErrNoEngine, runtime.GOOS, runtime.GOARCH)
	}
	cacheDir, err := resolveCacheDir(cacheDir)
	if err != nil {
		return "", err
	}
	home := filepath.Join(cacheDir, "clickhouse-"+engineVersion)
	library := filepath.Join(home, libraryName)
	if _, err := os.Stat(library); err == nil {
		return library, nil
	}
	if err := os.MkdirAll(cacheDir, 0o755); err != nil {
		return "", err
	}
	lock := flock.New(home + ".lock")
	if _, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
		return "", fmt.Errorf("wait for another fetch of the engine: %w", err)
	}
	defer lock.Unlock()
	if _, err := os.Stat(library); err == nil { // somebody else has fetched it meanwhile
		return library, nil
	}
	return library, fetch(ctx, cacheDir, home, platform, progress)
}

func resolveCacheDir(dir string) (string, error) {
	if dir != "" {
		return dir, nil
	}
	if dir := os.Getenv("TOLLHOUSE_CACHE_DIR"); dir != "" {
		return dir, nil
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory; set TOLLHOUSE_CACHE_DIR: %w", err)
	}
	return filepath.Join(user, "tollhouse"), nil
}

// fetch runs npm beside the engine's place and renames the result into it.
func fetch(ctx context.Context, cacheDir, home, platform string, progress io.Writer) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errors.New("the embedded ClickHouse engine is fetched through npm, which is not installed: " +
			"install Node.js, or name a server with clickhouse.dsn")
	}
	work, err := os.MkdirTemp(cacheDir, "fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	for name, content := range map[string][]byte{"package.json": packageJSON, "package-lock.json": packageLock} {
		if err := os.WriteFile(filepath.Join(work, name), content, 0o600); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, fetchWithin)
	defer cancel()
	stop := tell(progress)
	err = npmInstall(ctx, npm, work)
	stop(err)
	if err != nil {
		return err
	}
	return place(filepath.Join(work, "node_modules", "@chdb", platform, libraryName), filepath.Join(work, "home"), home)
}

// place puts the library, alone of its package, into a folder that it renames to home.
func place(library, made, home string) error {
	if err := os.Mkdir(made, 0o755); err != nil {
		return err
	}
	if err := os.Rename(library, filepath.Join(made, libraryName)); err != nil {
		return fmt.Errorf("npm did not bring the engine for this platform: %w", err)
	}
	if err := os.RemoveAll(home); err != nil { // a folder without a library, which is not ours
		return err
	}
	return os.Rename(made, home)
}

func npmInstall(ctx context.Context, npm, dir string) error {
	cmd := exec.CommandContext(ctx, npm, "ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("fetch the ClickHouse engine: npm ci: %w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

// tell says that the fetch goes on; stop ends it.
func tell(progress io.Writer) (stop func(error)) {
	if progress == nil {
		return func(error) {}
	}
	begin := time.Now()
	fmt.Fprintf(progress, "fetching the ClickHouse engine %s through npm (178 MB, the first time only)\n", engineVersion)
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				fmt.Fprintf(progress, "  still fetching, %.0f s\n", time.Since(begin).Seconds())
			}
		}
	}()
	return func(err error) {
		close(done)
		if err == nil {
			fmt.Fprintf(progress, "fetched the ClickHouse engine in %.0f s\n", time.Since(begin).Seconds())
		}
	}
}
