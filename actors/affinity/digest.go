package affinity

import (
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

// Marks stand behind what they say in the digest, so that no two sequences of words read the same. None stands in JSON.
var (
	ofKey    = [...]byte{0xfd}
	ofValue  = [...]byte{0xfe}
	ofMember = [...]byte{0xff}
)

// write adds JSON, known to be well formed, to a digest: its names and values in their order. What differs between two turns that say the
// same does not count: space, cache marks, which clients move along with the last turn, and whether a text stands by itself or as the only
// block of a list, as those clients write it that put a mark on it, or as the only turn.
func write(d *xxhash.Digest, text []byte) {
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case ' ', '\n', '\r', '\t', '{', '}', '[', ']', ',', ':':
			i++
		case '"':
			i = word(d, text, i)
		default:
			end := i + 1
			for end < len(text) && strings.IndexByte(" \n\r\t{}[],:\"", text[end]) < 0 {
				end++
			}
			add(d, text[i:end], ofValue)
			i = end
		}
	}
}

func add(d *xxhash.Digest, text []byte, mark [1]byte) {
	_, _ = d.Write(text)
	_, _ = d.Write(mark[:])
}

// word adds a string, and returns where to go on.
func word(d *xxhash.Digest, text []byte, start int) int {
	end, err := jsonscan.Skip(text, start)
	if err != nil {
		return len(text)
	}
	inner := text[start+1 : end-1]
	value := behindColon(text, end)
	if value == 0 {
		add(d, inner, ofValue)
		return end
	}
	switch string(inner) {
	case "content", "text":
		return value
	case "cache_control", "cachePoint":
		return skip(text, value)
	case "role":
		if after := skip(text, value); string(text[value:after]) == `"user"` {
			return after
		}
	case "type":
		if after := skip(text, value); isText(text[value:after]) {
			return after
		}
	}
	add(d, inner, ofKey)
	return value
}

func isText(value []byte) bool {
	switch string(value) {
	case `"text"`, `"input_text"`, `"message"`:
		return true
	}
	return false
}

func skip(text []byte, start int) int {
	end, err := jsonscan.Skip(text, start)
	if err != nil {
		return len(text)
	}
	return end
}

// behindColon returns where the value begins of which the name ends here; 0 where it was no name.
func behindColon(text []byte, i int) int {
	for colon := false; i < len(text); i++ {
		switch text[i] {
		case ' ', '\n', '\r', '\t':
		case ':':
			if colon {
				return i
			}
			colon = true
		default:
			if colon {
				return i
			}
			return 0
		}
	}
	return 0
}
