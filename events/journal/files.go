package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// FS is what the journal needs of a file system; tests give one that crashes.
type FS interface {
	MkdirAll(dir string) error
	// Open opens a file for reading and writing, and creates it where it is not there.
	Open(name string) (File, error)
	List(dir string) ([]string, error)
	Remove(name string) error
	Rename(from, to string) error
	SyncDir(dir string) error
	// Lock takes a file for this process for as long as it lives.
	Lock(name string) (unlock func(), err error)
}

// File is one open file. It is an alias, so that a disk for the journal's own tests need not import the journal.
type File = interface {
	io.ReaderAt
	io.WriterAt
	Size() (int64, error)
	Sync() error // of the data; the length never changes while it is in use
	Close() error
}

// ErrLocked is returned where another process holds the journal.
var ErrLocked = errors.New("the journal is in use")

type osFS struct{}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f osFile) Sync() error { return fdatasync(f.File) }

func (osFS) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o700) }

func (osFS) Open(name string) (File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (osFS) Remove(name string) error     { return os.Remove(name) }
func (osFS) Rename(from, to string) error { return os.Rename(from, to) }

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (osFS) Lock(name string) (func(), error) {
	lock := flock.New(name)
	ok, err := lock.TryLock()
	if err != nil {
		return nil, err
	}
	if !ok {
		holder, _ := os.ReadFile(name)
		return nil, fmt.Errorf("%w: %s is held by process %s", ErrLocked, filepath.Dir(name), strings.TrimSpace(string(holder)))
	}
	if err := os.WriteFile(name, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		_ = lock.Unlock()
		return nil, err
	}
	return func() { _ = lock.Unlock() }, nil
}

// bootID tells one start of the machine from the next; empty where the system does not say.
func bootID() (string, error) {
	if runtime.GOOS != "linux" {
		return "", nil
	}
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(raw)), err
}

// replaceFile writes a small file so that it is old or new, whatever dies.
func replaceFile(fs FS, name string, content []byte) error {
	next := name + ".next"
	_ = fs.Remove(next)
	f, err := fs.Open(next)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = fs.Rename(next, name)
	}
	if err == nil {
		err = fs.SyncDir(filepath.Dir(name))
	}
	return err
}
