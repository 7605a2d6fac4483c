package sessions

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"strconv"
)

// A line is the checksum of what follows as 8 hex digits, a space, and a JSON object.

// record is an entry as it stands in a file.
type record struct {
	Hash     string `json:"hash"`
	Expires  int64  `json:"expires,omitempty"`
	Consumer string `json:"consumer,omitempty"`
	Registry string `json:"registry,omitempty"`
	Endpoint string `json:"endpoint,omitempty"`
}

// sumLength is the length of a checksum with its space.
const sumLength = 9

func line(h hash, e entry) []byte {
	raw, _ := json.Marshal(record{hex.EncodeToString(h[:]), e.expires, e.Consumer, e.Registry, e.Endpoint}) // it cannot fail
	return fmt.Appendf(make([]byte, 0, sumLength+len(raw)+1), "%08x %s\n", crc32.ChecksumIEEE(raw), raw)
}

// parse reads a line; ok is false where it is torn or damaged.
func parse(text []byte) (h hash, e entry, ok bool) {
	if len(text) < sumLength {
		return h, e, false
	}
	sum, err := strconv.ParseUint(string(text[:sumLength-1]), 16, 32)
	raw := text[sumLength:]
	if err != nil || uint32(sum) != crc32.ChecksumIEEE(raw) {
		return h, e, false
	}
	var r record
	if json.Unmarshal(raw, &r) != nil {
		return h, e, false
	}
	if len(r.Hash) != 2*len(h) {
		return h, e, false
	}
	if _, err := hex.Decode(h[:], []byte(r.Hash)); err != nil {
		return h, e, false
	}
	return h, entry{Owner{r.Consumer, r.Registry, r.Endpoint}, r.Expires}, true
}

// maxLine bounds a line: names are short.
const maxLine = 64 << 10

// load reads a generation, of which a later line counts more than an earlier one. A file that is not there is empty, and lines that are
// damaged are passed over; torn says that the last one has no end.
func load(path string) (entries map[hash]entry, lines int, torn bool, err error) {
	entries = map[hash]entry{}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return entries, 0, false, nil
	}
	if err != nil {
		return nil, 0, false, fmt.Errorf("sessions: %w", err)
	}
	defer f.Close()
	owners := map[Owner]Owner{} // few, and named by many entries
	r := bufio.NewReaderSize(f, maxLine)
	for {
		text, err := r.ReadSlice('\n')
		whole := err == nil
		if h, e, ok := parse(text[:max(len(text)-1, 0)]); whole && ok {
			if known, ok := owners[e.Owner]; ok {
				e.Owner = known
			}
			owners[e.Owner] = e.Owner
			entries[h] = e
		}
		switch {
		case errors.Is(err, io.EOF):
			return entries, lines, len(text) > 0, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, 0, false, fmt.Errorf("sessions: read %s: %w", path, err)
		}
		lines++
	}
}
