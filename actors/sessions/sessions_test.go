package sessions

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var ann = Owner{Consumer: "ann", Registry: "openai", Endpoint: "main"}

func open(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func keep(t *testing.T, s *Store, id string, o Owner) {
	t.Helper()
	if err := s.Keep(id, o); err != nil {
		t.Fatal(err)
	}
}

func wants(t *testing.T, s *Store, id string, want Owner) {
	t.Helper()
	if got, ok := s.Owner(id); got != want || ok != (want != Owner{}) {
		t.Errorf("%s is kept by %+v, %v; want %+v", id, got, ok, want)
	}
}

// What is kept is known again by the next process, also where the one before did not end well, and what is forgotten is not.
func TestOwnersOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	first := open(t, Options{Dir: dir})
	keep(t, first, "resp_1", ann)
	keep(t, first, "resp_2", Owner{"bob", "azure", "east"})
	keep(t, first, "resp_3", ann)
	if err := first.Forget("resp_3"); err != nil {
		t.Fatal(err)
	}
	// It is not closed: it was killed.
	second := open(t, Options{Dir: dir})
	wants(t, second, "resp_1", ann)
	wants(t, second, "resp_2", Owner{"bob", "azure", "east"})
	wants(t, second, "resp_3", Owner{})
	wants(t, second, "resp_4", Owner{})
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	third := open(t, Options{Dir: dir})
	wants(t, third, "resp_1", ann)
	raw, err := os.ReadFile(filepath.Join(dir, youngerFile))
	if err != nil || bytes.Contains(raw, []byte("resp_")) {
		t.Errorf("an id stands in the file: %v", err)
	}
}

// However a file ends, all lines before it count, and what is written behind it, too.
func TestATornLineIsPassedOver(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	keep(t, s, "resp_1", ann)
	keep(t, s, "resp_2", ann)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, youngerFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	firstLine := bytes.IndexByte(whole, '\n') + 1
	for cut := firstLine; cut < len(whole); cut++ {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, Options{Dir: dir})
		wants(t, s, "resp_1", ann)
		wants(t, s, "resp_2", Owner{})
		keep(t, s, "resp_3", ann)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, Options{Dir: dir})
		wants(t, s, "resp_1", ann)
		wants(t, s, "resp_3", ann)
		_ = s.Close()
	}
	damaged := bytes.Replace(whole, []byte("openai"), []byte("openbi"), 1)
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{Dir: dir})
	wants(t, s, "resp_1", Owner{})
	wants(t, s, "resp_2", ann)
}

// What was used last stays, the files are bounded, and a restart changes neither.
func TestTheOldestGo(t *testing.T) {
	dir := t.TempDir()
	const most = 20
	s := open(t, Options{Dir: dir, MaxEntries: most})
	keep(t, s, "used", ann)
	for i := range 10 * most {
		keep(t, s, fmt.Sprint("resp_", i), ann)
		if i%(most/4) == 0 {
			wants(t, s, "used", ann)
		}
		if i%7 == 0 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, Options{Dir: dir, MaxEntries: most})
		}
		if known := len(s.younger) + len(s.elder); known > most {
			t.Fatalf("%d answers are remembered", known)
		}
	}
	wants(t, s, "resp_0", Owner{})
	for i := 10*most - most/2 + 4; i < 10*most; i++ {
		wants(t, s, fmt.Sprint("resp_", i), ann)
	}
	for _, name := range []string{youngerFile, elderFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Size() > most*256 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

func TestOwnersExpire(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s := open(t, Options{Now: func() time.Time { return now }, Keep: time.Hour})
	keep(t, s, "resp_1", ann)
	now = now.Add(59 * time.Minute)
	wants(t, s, "resp_1", ann)
	now = now.Add(time.Minute)
	wants(t, s, "resp_1", Owner{})
}

// FuzzParse: whatever stands in a file, reading it gives what was written or nothing.
func FuzzParse(f *testing.F) {
	good := line(hashOf("resp_1"), entry{ann, 5})
	f.Add(good[:len(good)-1])
	f.Add([]byte("00000000 {}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		h, e, ok := parse(text)
		if !ok {
			return
		}
		again := line(h, e)
		if h2, e2, ok := parse(again[:len(again)-1]); !ok || h2 != h || e2 != e {
			t.Errorf("%q became %q", text, again)
		}
	})
}
