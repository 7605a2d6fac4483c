package journal

import (
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// crashFS is a disk that can lose power: a page cache apart from the platter. What was not synced may reach the platter or not,
// sector by sector. The death of a process loses nothing of it.
type crashFS struct {
	mu    sync.Mutex
	r     *rand.Rand
	files map[string]*crashFile
	fail  func(op, name string) error // faults; nil: none
}

const sector = 512

type crashFile struct {
	fs    *crashFS
	name  string
	cache []byte
	disk  []byte
	dirty map[int]bool // sectors that differ
}

func newCrashFS(r *rand.Rand) *crashFS { return &crashFS{r: r, files: map[string]*crashFile{}} }

func (c *crashFS) fault(op, name string) error {
	if c.fail == nil {
		return nil
	}
	return c.fail(op, filepath.Base(name))
}

func (c *crashFS) MkdirAll(string) error { return nil }

func (c *crashFS) Open(name string) (File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.fault("open", name); err != nil {
		return nil, err
	}
	f := c.files[name]
	if f == nil {
		f = &crashFile{fs: c, name: name, dirty: map[int]bool{}}
		c.files[name] = f
	}
	return f, nil
}

func (c *crashFS) List(dir string) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		if rest, ok := strings.CutPrefix(name, dir+"/"); ok {
			names = append(names, rest)
		}
	}
	return names, nil
}

func (c *crashFS) Remove(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.files, name)
	return nil
}

func (c *crashFS) Rename(from, to string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files[to] = c.files[from]
	delete(c.files, from)
	return nil
}

func (c *crashFS) SyncDir(string) error { return nil }

func (c *crashFS) Lock(string) (func(), error) { return func() {}, nil }

// powerLoss keeps any subset of what was not synced.
func (c *crashFS) powerLoss() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		f := c.files[name]
		for _, s := range slices.Sorted(maps.Keys(f.dirty)) {
			if c.r.IntN(2) == 0 {
				f.flush(s)
			}
		}
		f.cache = append([]byte(nil), f.disk...)
		f.dirty = map[int]bool{}
	}
}

func (f *crashFile) flush(s int) {
	end := min((s+1)*sector, len(f.cache))
	if len(f.disk) < end {
		f.disk = append(f.disk, make([]byte, end-len(f.disk))...)
	}
	copy(f.disk[s*sector:end], f.cache[s*sector:end])
}

func (f *crashFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if off >= int64(len(f.cache)) {
		return 0, io.EOF
	}
	n := copy(p, f.cache[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

var errTorn = errors.New("scripted: short write")

func (f *crashFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.fs.fault("write", f.name)
	if errors.Is(err, errTorn) {
		p = p[:len(p)/2]
	} else if err != nil {
		return 0, err
	}
	if end := int(off) + len(p); len(f.cache) < end {
		f.cache = append(f.cache, make([]byte, end-len(f.cache))...)
	}
	copy(f.cache[off:], p)
	for s := int(off) / sector; s*sector < int(off)+len(p); s++ {
		f.dirty[s] = true
	}
	return len(p), err
}

func (f *crashFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.cache)), nil
}

func (f *crashFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.fault("sync", f.name); err != nil {
		return err
	}
	for s := range f.dirty {
		f.flush(s)
	}
	f.dirty = map[int]bool{}
	return nil
}

func (f *crashFile) Close() error { return nil }
