package broker

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// lockDir takes the folder for this process, or says who has it. The lock ends with the process, however that ends.
func lockDir(dir string) (*flock.Flock, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	path := filepath.Join(dir, "LOCK")
	lock := flock.New(path)
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("broker: lock %s: %w", path, err)
	}
	if !locked {
		holder, _ := os.ReadFile(path) // for the message alone
		return nil, fmt.Errorf("broker: %s is in use by process %s", dir, strings.TrimSpace(string(holder)))
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		_ = lock.Unlock()
		return nil, fmt.Errorf("broker: %w", err)
	}
	return lock, nil
}
