package eventstest

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/gofrs/flock"
)

// cacheDir overrides the user's cache folder.
const cacheDir = "TOLLHOUSE_CACHE_DIR"

// errMissing: the machine has not what a real Kafka takes.
var errMissing = errors.New("missing")

//go:embed apache/pom.xml
var pom []byte

var (
	pomVersion  = regexp.MustCompile(`<kafka\.version>([^<]+)</kafka\.version>`)
	javaVersion = regexp.MustCompile(`version "(\d+)`)
)

// findJava returns the java to run, of version 17 or later.
func findJava() (string, error) {
	java, err := exec.LookPath("java")
	if home := os.Getenv("JAVA_HOME"); home != "" {
		java, err = exec.LookPath(filepath.Join(home, "bin", "java"))
	}
	if err != nil {
		return "", fmt.Errorf("java 17 or later is %w: %w", errMissing, err)
	}
	out, err := exec.Command(java, "-version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("java 17 or later is %w: %s -version: %w", errMissing, java, err)
	}
	found := javaVersion.FindSubmatch(out)
	if found == nil {
		return "", fmt.Errorf("java 17 or later is %w: %s says %q", errMissing, java, out)
	}
	if major, err := strconv.Atoi(string(found[1])); err != nil || major < 17 {
		return "", fmt.Errorf("java 17 or later is %w: %s is %s", errMissing, java, found[1])
	}
	return java, nil
}

// kafkaJars returns the folder of Kafka's jars, which is fetched once a user and version.
func kafkaJars() (string, error) {
	dir, err := kafkaDir()
	if err != nil {
		return "", err
	}
	if isDir(dir) {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	lock := flock.New(dir + ".lock") // another test binary may be at it
	if err := lock.Lock(); err != nil {
		return "", err
	}
	defer lock.Unlock()
	if isDir(dir) {
		return dir, nil
	}
	return dir, fetchJars(dir)
}

func kafkaDir() (string, error) {
	version := pomVersion.FindSubmatch(pom)
	if version == nil {
		return "", errors.New("apache/pom.xml: names no kafka.version")
	}
	base := os.Getenv(cacheDir)
	if base == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		base = filepath.Join(cache, "tollhouse")
	}
	return filepath.Join(base, "kafka-"+string(version[1])), nil
}

// fetchJars has Maven bring the jars, checked against its checksums, and puts them in place all at once.
func fetchJars(dir string) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return fmt.Errorf("mvn is %w: %w", errMissing, err)
	}
	fetching, err := os.MkdirTemp(filepath.Dir(dir), "fetching-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fetching)
	project, jars := filepath.Join(fetching, "pom.xml"), filepath.Join(fetching, "jars")
	if err := os.WriteFile(project, pom, 0o644); err != nil {
		return err
	}
	out, err := exec.Command(mvn, "-q", "-B", "-C", "-f", project, "dependency:copy-dependencies",
		"-DincludeScope=runtime", "-DoutputDirectory="+jars).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mvn dependency:copy-dependencies: %w\n%s", err, tail(out, 4<<10))
	}
	return os.Rename(jars, dir)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
