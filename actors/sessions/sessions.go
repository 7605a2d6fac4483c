// Package sessions remembers which endpoint keeps a stored answer, across restarts: what builds on the answer, or asks for it, must go
// there and nowhere else.
package sessions

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Owner is whose answer it is, and where it is kept.
type Owner struct {
	Consumer, Registry, Endpoint string
}

// Options of a store; zero values are the defaults.
type Options struct {
	Dir string // where its files are; empty: it forgets everything when it ends
	// MaxEntries bounds how many answers are remembered: at least half as many are, those that were used last; 200,000.
	MaxEntries int
	// Keep is how long an answer is remembered after its last use: providers keep them for 30 days.
	Keep time.Duration
	Now  func() time.Time
}

// hash is an answer's id as it is kept: nobody who reads the files can ask for the answer.
type hash [16]byte

func hashOf(id string) hash {
	sum := sha256.Sum256([]byte(id))
	return hash(sum[:16])
}

// entry is what is known of one answer; without a registry it is known to be gone.
type entry struct {
	Owner
	expires int64 // Unix seconds
}

// Store holds two generations, each a map and the file that it is read from. New answers, and those that are used again, go into the
// younger one; when that is full the elder goes, with all that was not used meanwhile, and nothing ever has to be searched or rewritten.
//
// Appends are not synced: they outlive the process, and a power cut costs the last of them. What is lost is not found, which is no
// error: the request goes where any other would.
type Store struct {
	o Options

	mu             sync.Mutex
	younger, elder map[hash]entry
	lines          int // of the younger's file
	file           *os.File
}

// The files of the two generations.
const (
	youngerFile = "responses"
	elderFile   = "responses.old"
)

// Open reads what was remembered.
func Open(o Options) (*Store, error) {
	if o.MaxEntries == 0 {
		o.MaxEntries = 200_000
	}
	if o.Keep == 0 {
		o.Keep = 30 * 24 * time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{o: o, younger: map[hash]entry{}, elder: map[hash]entry{}}
	if o.Dir == "" {
		return s, nil
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	var err error
	if s.elder, _, _, err = load(filepath.Join(o.Dir, elderFile)); err != nil {
		return nil, err
	}
	var torn bool
	if s.younger, s.lines, torn, err = load(filepath.Join(o.Dir, youngerFile)); err != nil {
		return nil, err
	}
	return s, s.reopen(torn)
}

// reopen opens the younger's file to append to. What a crash left of a last line is ended, so that the next begins anew.
func (s *Store) reopen(torn bool) (err error) {
	s.file, err = os.OpenFile(filepath.Join(s.o.Dir, youngerFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil && torn {
		_, err = s.file.WriteString("\n")
	}
	if err != nil {
		return fmt.Errorf("sessions: %w", err)
	}
	return nil
}

// Owner returns who keeps the answer of that id; ok is false where that is not known. Its use is a use of the answer.
func (s *Store) Owner(id string) (o Owner, ok bool) {
	h := hashOf(id)
	now := s.o.Now().Unix()
	s.mu.Lock()
	defer s.mu.Unlock()
	e, young := s.younger[h]
	if !young {
		e = s.elder[h]
	}
	if e.Registry == "" || e.expires <= now {
		return Owner{}, false
	}
	if !young { // a failure to write is a failure to remember it for longer, and no more
		_ = s.put(h, entry{e.Owner, s.expiry()})
	}
	return e.Owner, true
}

// Keep remembers who keeps the answer of that id.
func (s *Store) Keep(id string, o Owner) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(hashOf(id), entry{o, s.expiry()})
}

// Forget remembers that the answer is gone.
func (s *Store) Forget(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(hashOf(id), entry{})
}

func (s *Store) expiry() int64 { return s.o.Now().Add(s.o.Keep).Unix() }

// put takes an entry into the younger generation, which becomes the elder where it is full.
func (s *Store) put(h hash, e entry) error {
	if s.lines >= (s.o.MaxEntries+1)/2 {
		if err := s.turn(); err != nil {
			return err
		}
	}
	s.younger[h] = e
	s.lines++
	if s.file == nil {
		return nil
	}
	if _, err := s.file.Write(line(h, e)); err != nil {
		return fmt.Errorf("sessions: %w", err)
	}
	return nil
}

// turn lets the elder generation go.
func (s *Store) turn() error {
	s.elder, s.younger, s.lines = s.younger, make(map[hash]entry, len(s.younger)), 0
	if s.file == nil {
		return nil
	}
	_ = s.file.Close()
	if err := os.Rename(filepath.Join(s.o.Dir, youngerFile), filepath.Join(s.o.Dir, elderFile)); err != nil {
		return fmt.Errorf("sessions: %w", err)
	}
	return s.reopen(false)
}

// Close syncs and closes the file. The store must not be used afterwards.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("sessions: %w", err)
	}
	return s.file.Close()
}
