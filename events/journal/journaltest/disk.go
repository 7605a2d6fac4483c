// Package journaltest gives tests a disk that loses power, and processes on it that are killed between any two of its operations.
// It does not import the journal, so that the journal's own tests can use it.
package journaltest

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

// Disk is one that can lose power: a page cache apart from the platter. What was not synced may reach the platter or not,
// sector by sector. The death of a process loses nothing of it. It is a journal.FS.
type Disk struct {
	mu    sync.Mutex
	r     *rand.Rand
	files map[string]*diskFile
	fail  func(op, name string) error // faults; nil: none
}

// File is journal.File.
type File = interface {
	io.ReaderAt
	io.WriterAt
	Size() (int64, error)
	Sync() error
	Close() error
}

const sector = 512

type diskFile struct {
	disk    *Disk
	name    string
	cache   []byte
	platter []byte
	dirty   map[int]bool // sectors that differ
}

// NewDisk makes an empty one, whose chances are r's.
func NewDisk(r *rand.Rand) *Disk { return &Disk{r: r, files: map[string]*diskFile{}} }

// ErrTorn, returned by a fault for a write, makes that one write half of what it should.
var ErrTorn = errors.New("scripted: short write")

// ErrLie, returned by a fault for a sync, makes the disk say that it has done what it has not.
var ErrLie = errors.New("scripted: not on the platter")

// Fail makes operations ("open", "write", "sync") on files of a base name fail with what fault returns; nil ends it.
func (d *Disk) Fail(fault func(op, name string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = fault
}

func (d *Disk) fault(op, name string) error {
	if d.fail == nil {
		return nil
	}
	return d.fail(op, filepath.Base(name))
}

// MkdirAll does nothing: folders are there.
func (d *Disk) MkdirAll(string) error { return nil }

// Open opens a file, or makes it.
func (d *Disk) Open(name string) (File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fault("open", name); err != nil {
		return nil, err
	}
	f := d.files[name]
	if f == nil {
		f = &diskFile{disk: d, name: name, dirty: map[int]bool{}}
		d.files[name] = f
	}
	return f, nil
}

// List lists a folder's files, sorted.
func (d *Disk) List(dir string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		if rest, ok := strings.CutPrefix(name, dir+"/"); ok {
			names = append(names, rest)
		}
	}
	return names, nil
}

// Remove removes a file, at once and for ever: what an unsynced directory may lose is not modelled.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.files, name)
	return nil
}

// Rename renames one, likewise.
func (d *Disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[to] = d.files[from]
	delete(d.files, from)
	return nil
}

// SyncDir does nothing.
func (d *Disk) SyncDir(string) error { return nil }

// Lock always succeeds: the processes of a simulation follow one another.
func (d *Disk) Lock(string) (func(), error) { return func() {}, nil }

// PowerLoss keeps any subset of what was not synced.
func (d *Disk) PowerLoss() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		f := d.files[name]
		for _, s := range slices.Sorted(maps.Keys(f.dirty)) {
			if d.r.IntN(2) == 0 {
				f.flush(s)
			}
		}
		f.cache = append([]byte(nil), f.platter...)
		f.dirty = map[int]bool{}
	}
}

// Flip damages one bit of a file, on the platter and in the cache.
func (d *Disk) Flip(name string, off int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[name]
	for _, b := range [][]byte{f.cache, f.platter} {
		if off < int64(len(b)) {
			b[off] ^= 0x10
		}
	}
}

// Clone copies the disk as it stands, as an image of the machine would.
func (d *Disk) Clone(r *rand.Rand) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	clone := NewDisk(r)
	for name, f := range d.files {
		clone.files[name] = &diskFile{
			disk: clone, name: name, cache: slices.Clone(f.cache), platter: slices.Clone(f.platter), dirty: maps.Clone(f.dirty),
		}
	}
	return clone
}

func (f *diskFile) flush(s int) {
	end := min((s+1)*sector, len(f.cache))
	if len(f.platter) < end {
		f.platter = append(f.platter, make([]byte, end-len(f.platter))...)
	}
	copy(f.platter[s*sector:end], f.cache[s*sector:end])
}

func (f *diskFile) ReadAt(p []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if off >= int64(len(f.cache)) {
		return 0, io.EOF
	}
	n := copy(p, f.cache[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *diskFile) WriteAt(p []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	err := f.disk.fault("write", f.name)
	if errors.Is(err, ErrTorn) {
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

func (f *diskFile) Size() (int64, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return int64(len(f.cache)), nil
}

func (f *diskFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.fault("sync", f.name); errors.Is(err, ErrLie) {
		return nil
	} else if err != nil {
		return err
	}
	for s := range f.dirty {
		f.flush(s)
	}
	f.dirty = map[int]bool{}
	return nil
}

func (f *diskFile) Close() error { return nil }
