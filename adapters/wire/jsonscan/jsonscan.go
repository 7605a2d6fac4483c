// Package jsonscan reads the top level of a JSON object without decoding it: one pass checks that the whole text is
// well formed and tells where each member's value stands, so that one value can be edited and all other bytes kept.
package jsonscan

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth bounds the nesting of what is scanned.
const MaxDepth = 512

// Errors of a scan; each comes with its offset.
var (
	ErrSyntax    = errors.New("not well-formed JSON")
	ErrDepth     = fmt.Errorf("nested deeper than %d", MaxDepth)
	ErrNotObject = errors.New("not a JSON object")
)

// Object scans text, which must be one JSON object, and calls visit for each member of its top level: its key, unescaped,
// and where its value begins and ends. The key is valid during the call only. It returns where the object itself
// begins and ends.
func Object(text []byte, visit func(key []byte, start, end int) error) (start, end int, err error) {
	start = space(text, 0)
	if start == len(text) {
		return 0, 0, syntax(text, start)
	}
	if text[start] != '{' {
		if end, err := value(text, start, 0); err != nil || space(text, end) != len(text) {
			return 0, 0, syntax(text, start)
		}
		return 0, 0, ErrNotObject
	}
	end, err = members(text, start, 0, visit)
	if err != nil {
		return 0, 0, err
	}
	if rest := space(text, end); rest != len(text) {
		return 0, 0, syntax(text, rest)
	}
	return start, end, nil
}

// Members calls visit for each member of the object that begins at text[start], which has been scanned before.
func Members(text []byte, start int, visit func(key []byte, start, end int) error) error {
	if start >= len(text) || text[start] != '{' {
		return ErrNotObject
	}
	_, err := members(text, start, 0, visit)
	return err
}

// Elements calls visit for each element of the array that begins at text[start], which has been scanned before.
func Elements(text []byte, start int, visit func(start, end int) error) error {
	if start >= len(text) || text[start] != '[' {
		return errors.New("not a JSON array")
	}
	_, err := elements(text, start, 0, visit)
	return err
}

// Walk reads the object that begins at text[start] in one pass, of which the visitor is a part: it is told each member's key and where
// its value begins, reads the value itself (by Walk, WalkArray or Skip) and returns where it ends; 0 leaves it to be skipped. The
// key is valid during the call only. Walk returns where the object ends.
func Walk(text []byte, start int, visit func(key []byte, start int) (end int, err error)) (end int, err error) {
	if start >= len(text) || text[start] != '{' {
		return 0, ErrNotObject
	}
	i := space(text, start+1)
	if i < len(text) && text[i] == '}' {
		return i + 1, nil
	}
	return walk(text, i, visit)
}

type visitor = func(key []byte, start int) (end int, err error)

// walk reads members from one whose key begins at text[i] to the end of their object.
func walk(text []byte, i int, visit visitor) (end int, err error) {
	for {
		if i >= len(text) || text[i] != '"' {
			return 0, syntax(text, i)
		}
		keyEnd, err := str(text, i)
		if err != nil {
			return 0, err
		}
		colon := space(text, keyEnd)
		if colon >= len(text) || text[colon] != ':' {
			return 0, syntax(text, colon)
		}
		begin := space(text, colon+1)
		if begin >= len(text) {
			return 0, syntax(text, begin)
		}
		next, last, err := member(text, key(text[i:keyEnd]), begin, visit)
		if err != nil || last {
			return next, err
		}
		i = next
	}
}

// member reads the value that begins at text[begin], and returns where the next member's key begins or, after the last, where the object
// ends.
func member(text, key []byte, begin int, visit visitor) (next int, last bool, err error) {
	end, err := visit(key, begin)
	if err == nil && end == 0 {
		end, err = value(text, begin, 0)
	}
	if err != nil {
		return 0, false, err
	}
	i := space(text, end)
	if i >= len(text) {
		return 0, false, syntax(text, i)
	}
	switch text[i] {
	case '}':
		return i + 1, true, nil
	case ',':
		return space(text, i+1), false, nil
	}
	return 0, false, syntax(text, i)
}

// WalkArray reads the array that begins at text[start] as Walk reads an object.
func WalkArray(text []byte, start int, visit func(start int) (end int, err error)) (end int, err error) {
	i := space(text, start+1)
	if i < len(text) && text[i] == ']' {
		return i + 1, nil
	}
	for {
		if i >= len(text) {
			return 0, syntax(text, i)
		}
		end, err := visit(i)
		if err == nil && end == 0 {
			end, err = value(text, i, 0)
		}
		if err != nil {
			return 0, err
		}
		if i = space(text, end); i >= len(text) {
			return 0, syntax(text, i)
		}
		switch text[i] {
		case ']':
			return i + 1, nil
		case ',':
			i = space(text, i+1)
		default:
			return 0, syntax(text, i)
		}
	}
}

// Skip returns where the value that begins at text[start] ends.
func Skip(text []byte, start int) (end int, err error) { return value(text, start, 0) }

// Document is Walk over a whole text: nothing but space may stand around the object.
func Document(text []byte, visit func(key []byte, start int) (end int, err error)) error {
	start := space(text, 0)
	if start == len(text) {
		return syntax(text, start)
	}
	end, err := Walk(text, start, visit)
	if err != nil {
		return err
	}
	return ends(text, end)
}

// DocumentFrom is Document over a text of which the beginning is known: one up to text[at] has been read before, and there the value of the
// top level's member `key` began.
func DocumentFrom(text []byte, at int, key []byte, visit func(key []byte, start int) (end int, err error)) error {
	if at >= len(text) {
		return syntax(text, at)
	}
	end, last, err := member(text, key, at, visit)
	if err == nil && !last {
		end, err = walk(text, end, visit)
	}
	if err != nil {
		return err
	}
	return ends(text, end)
}

// ends says whether nothing but space is left.
func ends(text []byte, at int) error {
	if rest := space(text, at); rest != len(text) {
		return syntax(text, rest)
	}
	return nil
}

func syntax(text []byte, at int) error {
	if at >= len(text) {
		return fmt.Errorf("%w: it ends at byte %d", ErrSyntax, at)
	}
	return fmt.Errorf("%w at byte %d", ErrSyntax, at)
}

func space(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\r' || text[i] == '\t') {
		i++
	}
	return i
}

// members reads the object that begins at text[i]; visit may be nil.
func members(text []byte, i, depth int, visit func(key []byte, start, end int) error) (int, error) {
	if depth >= MaxDepth {
		return 0, ErrDepth
	}
	i = space(text, i+1)
	if i < len(text) && text[i] == '}' {
		return i + 1, nil
	}
	for {
		if i >= len(text) || text[i] != '"' {
			return 0, syntax(text, i)
		}
		keyEnd, err := str(text, i)
		if err != nil {
			return 0, err
		}
		colon := space(text, keyEnd)
		if colon >= len(text) || text[colon] != ':' {
			return 0, syntax(text, colon)
		}
		start := space(text, colon+1)
		end, err := value(text, start, depth+1)
		if err != nil {
			return 0, err
		}
		if visit != nil {
			if err := visit(key(text[i:keyEnd]), start, end); err != nil {
				return 0, err
			}
		}
		i = space(text, end)
		if i >= len(text) {
			return 0, syntax(text, i)
		}
		switch text[i] {
		case '}':
			return i + 1, nil
		case ',':
			i = space(text, i+1)
		default:
			return 0, syntax(text, i)
		}
	}
}

func elements(text []byte, i, depth int, visit func(start, end int) error) (int, error) {
	if depth >= MaxDepth {
		return 0, ErrDepth
	}
	i = space(text, i+1)
	if i < len(text) && text[i] == ']' {
		return i + 1, nil
	}
	for {
		end, err := value(text, i, depth+1)
		if err != nil {
			return 0, err
		}
		if visit != nil {
			if err := visit(i, end); err != nil {
				return 0, err
			}
		}
		i = space(text, end)
		if i >= len(text) {
			return 0, syntax(text, i)
		}
		switch text[i] {
		case ']':
			return i + 1, nil
		case ',':
			i = space(text, i+1)
		default:
			return 0, syntax(text, i)
		}
	}
}

func value(text []byte, i, depth int) (end int, err error) {
	if i >= len(text) {
		return 0, syntax(text, i)
	}
	switch text[i] {
	case '{':
		return members(text, i, depth, nil)
	case '[':
		return elements(text, i, depth, nil)
	case '"':
		return str(text, i)
	case 't':
		return word(text, i, "true")
	case 'f':
		return word(text, i, "false")
	case 'n':
		return word(text, i, "null")
	}
	return number(text, i)
}

func word(text []byte, i int, want string) (int, error) {
	if !bytes.HasPrefix(text[i:], []byte(want)) {
		return 0, syntax(text, i)
	}
	return i + len(want), nil
}

func number(text []byte, i int) (int, error) {
	begin := i
	digits := func() bool {
		from := i
		for i < len(text) && text[i] >= '0' && text[i] <= '9' {
			i++
		}
		return i > from
	}
	if text[i] == '-' {
		i++
	}
	if i < len(text) && text[i] == '0' {
		i++
	} else if !digits() {
		return 0, syntax(text, begin)
	}
	if i < len(text) && text[i] == '.' {
		i++
		if !digits() {
			return 0, syntax(text, i)
		}
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		if !digits() {
			return 0, syntax(text, i)
		}
	}
	return i, nil
}

// plain is true for the bytes of a string that mean nothing special.
var plain = func() (t [256]bool) {
	for b := range t {
		t[b] = b >= ' ' && b != '"' && b != '\\'
	}
	return t
}()

// str reads the string whose opening quote is text[i].
func str(text []byte, i int) (int, error) {
	for i++; i < len(text); i++ {
		if plain[text[i]] {
			continue
		}
		switch text[i] {
		case '"':
			return i + 1, nil
		case '\\':
			i++
			if i >= len(text) {
				return 0, syntax(text, i)
			}
			switch text[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if i+4 >= len(text) || !isHex(text[i+1:i+5]) {
					return 0, syntax(text, i)
				}
				i += 4
			default:
				return 0, syntax(text, i)
			}
		default: // a control character
			return 0, syntax(text, i)
		}
	}
	return 0, syntax(text, i)
}

func isHex(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// key returns a key without its quotes and escapes.
func key(quoted []byte) []byte {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	return unescape(inner)
}

// String returns the text of a string value, given with its quotes.
func String(quoted []byte) (string, bool) {
	if len(quoted) < 2 || quoted[0] != '"' {
		return "", false
	}
	return string(key(quoted)), true
}

// unescape undoes the escapes of a string that has been scanned.
func unescape(in []byte) []byte {
	out := make([]byte, 0, len(in))
	for i := 0; i < len(in); i++ {
		if in[i] != '\\' {
			out = append(out, in[i])
			continue
		}
		i++
		switch in[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := hex4(in[i+1:])
			i += 4
			if utf16.IsSurrogate(r) && i+6 < len(in) && in[i+1] == '\\' && in[i+2] == 'u' {
				if pair := utf16.DecodeRune(r, hex4(in[i+3:])); pair != utf8.RuneError {
					r = pair
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, in[i])
		}
	}
	return out
}

func hex4(b []byte) rune {
	n, err := strconv.ParseUint(string(b[:4]), 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	return rune(n)
}

// Uint returns a value that is a whole number from 0 up. JSON allows 1e2 and 100.0 for 100; so does this.
func Uint(text []byte) (uint64, bool) {
	if n, err := strconv.ParseUint(string(text), 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || f < 0 || f > 1<<53 || f != float64(uint64(f)) {
		return 0, false
	}
	return uint64(f), true
}
