package journaltest

import (
	"errors"
	"sync"
)

// Process is one process's view of a disk. Killed, nothing that it still does reaches the disk: the rest of its code runs on
// and changes nothing, as if it had stopped there.
type Process struct {
	*Disk
	mu   sync.Mutex
	dead bool
	left int // operations until it dies by itself; 0: it does not
	died func()
}

// ErrKilled is what a killed process gets for everything it tries.
var ErrKilled = errors.New("scripted: the process is dead")

// NewProcess starts one. With operations > 0 it dies in that one of its changes to the disk, and died is called; it must not
// use the disk.
func (d *Disk) NewProcess(operations int, died func()) *Process {
	return &Process{Disk: d, left: operations, died: died}
}

// Kill ends it where it stands.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
}

// Dead says whether it is dead.
func (p *Process) Dead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// step counts one change to the disk. last says that the process dies in it.
func (p *Process) step() (last bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return false, ErrKilled
	}
	if p.left == 0 {
		return false, nil
	}
	if p.left--; p.left > 0 {
		return false, nil
	}
	p.dead = true
	if p.died != nil {
		p.died()
	}
	return true, ErrKilled
}

// Open opens a file for this process.
func (p *Process) Open(name string) (File, error) {
	if p.Dead() {
		return nil, ErrKilled
	}
	f, err := p.Disk.Open(name)
	if err != nil {
		return nil, err
	}
	return processFile{f, p}, nil
}

// Remove removes a file, unless the process is dead.
func (p *Process) Remove(name string) error {
	if _, err := p.step(); err != nil {
		return err
	}
	return p.Disk.Remove(name)
}

// Rename renames a file, unless the process is dead.
func (p *Process) Rename(from, to string) error {
	if _, err := p.step(); err != nil {
		return err
	}
	return p.Disk.Rename(from, to)
}

type processFile struct {
	File
	p *Process
}

func (f processFile) ReadAt(b []byte, off int64) (int, error) {
	if f.p.Dead() {
		return 0, ErrKilled
	}
	return f.File.ReadAt(b, off)
}

// WriteAt writes; a process that dies in it has written a part, up to all.
func (f processFile) WriteAt(b []byte, off int64) (int, error) {
	last, err := f.p.step()
	if last {
		_, _ = f.File.WriteAt(b[:f.p.chance(len(b)+1)], off)
	}
	if err != nil {
		return 0, err
	}
	return f.File.WriteAt(b, off)
}

func (f processFile) Sync() error {
	if _, err := f.p.step(); err != nil {
		return err
	}
	return f.File.Sync()
}

func (d *Disk) chance(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}

// Spare takes back that it dies by itself.
func (p *Process) Spare() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = 0
}
